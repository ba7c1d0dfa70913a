"""What exporting a text recogniser needs that other tasks do not."""
