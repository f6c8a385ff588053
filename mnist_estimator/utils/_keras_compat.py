"""Private names of Keras."""

from pathlib import Path


def keras_home() -> Path:
    """Return the folder that Keras keeps its configuration and data sets in.

    Replace when Keras has a public way to ask; 3.15 has none.
    """
    from keras.src.backend.config import keras_home

    return Path(keras_home()).expanduser()
