"""The training run itself: steps, evaluation, positions, logs."""
