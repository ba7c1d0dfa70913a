"""A recogniser that is an ONNX file as teacher: its characters, its readings, what losses take."""
