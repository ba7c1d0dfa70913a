"""From a deployed ONNX file back to a checkpoint that trains."""
