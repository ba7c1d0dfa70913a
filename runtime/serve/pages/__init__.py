"""Whole pages over HTTP: images and PDF files in, text in the order of reading out."""
