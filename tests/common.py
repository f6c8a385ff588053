"""What tests share with the processes that they start."""

SMALL = {
    "filters": (8, 16),
    "kernel_size": 3,
    "epochs": 8,
    "learning_rate": 0.01,
    "random_state": 0,
}
"""One architecture for all tests, so that it is traced once."""

THREAD_VARIABLES = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
"""What tells TensorFlow how many threads to have, here or by this package."""
