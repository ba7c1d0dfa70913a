"""Reading text lines: the image in, its text out."""
