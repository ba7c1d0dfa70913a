"""A page of an evaluation, for a browser."""
