"""What exporting a text detector needs that other tasks do not."""
