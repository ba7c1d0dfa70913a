"""What a GPU at hand shows, with nothing but wheels: CUDA, onnxruntime on it, a plan."""
