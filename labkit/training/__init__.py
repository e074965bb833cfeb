"""Training: configuration, the loop, checkpoints, validation."""
