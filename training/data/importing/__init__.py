"""Labels as other programs write them, brought to PaddleOCR's label files."""
