"""Rendered pages with the boxes of their texts: a training set for detectors, without a download."""

from training.data.synthetic.pages.dataset import SyntheticPages

__all__ = ["SyntheticPages"]
