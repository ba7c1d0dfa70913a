"""Reads line images with an exported recogniser; needs numpy and OpenCV, never paddle."""

__version__ = "0.1.0"
