"""Stand-ins for what needs a GPU: CUDA in memory, TensorRT generated from its attributes."""
