"""Rendered pages with the boxes of their texts, for detectors to learn from."""

from training.data.synthetic.pages.dataset import SyntheticPages

__all__ = ["SyntheticPages"]
