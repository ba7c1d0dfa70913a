"""Compiled loops over detectors' maps; they know numpy arrays alone."""
