"""Reads image files as BGR images, and finds the files that names stand for."""
