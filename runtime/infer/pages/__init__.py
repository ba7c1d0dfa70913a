"""Reading whole pages on the command line."""
