"""What is done with label files before training: looked at, split, listed, cut, packed."""
