"""Convolutions over all channels with kernels of more than one tap, and their transposes."""
