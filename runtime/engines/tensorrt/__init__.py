"""TensorRT: plans, contexts, profiles and graphs on one GPU."""
