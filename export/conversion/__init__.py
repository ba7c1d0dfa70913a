"""From a checkpoint to an ONNX file: strip, trace, convert, clean."""
