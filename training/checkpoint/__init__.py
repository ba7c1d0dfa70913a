"""Checkpoints: what is saved, read safely, and loaded into networks."""
