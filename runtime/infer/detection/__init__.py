"""Finding text in pages on the command line."""
