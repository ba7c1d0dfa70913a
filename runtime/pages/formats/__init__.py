"""Writes the text of pages in the formats that others read."""
