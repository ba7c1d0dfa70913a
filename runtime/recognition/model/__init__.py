"""Finds the spec of a recogniser's model file: in its metadata, or by running the network."""
