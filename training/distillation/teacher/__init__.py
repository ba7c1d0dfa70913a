"""Teachers that are ONNX files: they read images ahead of the step, and what they read is kept."""
