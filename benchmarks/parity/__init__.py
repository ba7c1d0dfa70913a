"""Side by side with PaddleOCR: outputs, losses, gradients, exports."""
