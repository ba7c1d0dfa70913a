"""Two forms of a network compared on the same samples."""
