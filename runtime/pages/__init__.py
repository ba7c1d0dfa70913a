"""Whole pages: found by a detector, read by a recogniser, and put in the order of reading."""
