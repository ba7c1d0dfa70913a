"""Which engine computes a network on the CPU, and how precisely: proofs, speeds, the choice."""
