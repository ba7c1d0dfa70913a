"""Compiled loops: numpy arrays in, numpy arrays out; importing one needs numba."""
