"""Training speed: this project, paddle as it comes, PyTorch and PaddleOCR on equal inputs."""
