"""Recognises the text in images of text lines."""
