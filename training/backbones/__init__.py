"""Backbones, which make features of images; each task has a table of those that suit it."""
