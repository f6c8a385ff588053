"""Training: data, sampling, the loop over epochs, early stopping, checkpoints."""
