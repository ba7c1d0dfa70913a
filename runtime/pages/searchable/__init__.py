"""Writes PDF files that look like the page and can be searched, selected and copied from."""
