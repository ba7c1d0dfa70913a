"""What training a text recogniser needs that other tasks do not."""
