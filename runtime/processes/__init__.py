"""Processes for work that bytes from outside may spoil: kept, lent, bounded, ended."""
