"""A TensorRT engine timed in trtexec's words."""
