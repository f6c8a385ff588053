"""The network: architecture, augmentation, optimizers, the functions that TensorFlow runs."""
