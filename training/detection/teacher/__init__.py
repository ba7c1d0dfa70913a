"""A detector that is an ONNX file as teacher: the maps that it makes of pages."""
