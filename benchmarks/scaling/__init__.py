"""What a line or a page costs as there are more of them, and what many machines would read."""
