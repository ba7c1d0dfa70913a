"""Strips the Student, converts it to ONNX and proves it; bare `python -m export` runs it all."""
