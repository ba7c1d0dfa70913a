"""How well labelled lines are read by every form of a network, and how far to trust it."""
