"""Finds text in images of pages and scenes."""
