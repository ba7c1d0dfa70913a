"""What a recogniser's file says of itself, and what has to be asked of one that says little."""
