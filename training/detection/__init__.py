"""Text detection: networks that mark the pixels of text, by differentiable binarization."""
