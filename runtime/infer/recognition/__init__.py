"""Reading lines on the command line."""
