"""A network: its config and its Keras model, with all that runs on them."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..utils._quiet_tensorflow import keras, tf
from ..utils._tensorflow_process import check_process, is_cut_off, n_threads
from ._build import STANDARDIZE, Config, batch_norms_of, build
from ._functions import (
    Step,
    StepOptions,
    Variables,
    as_tensor,
    forward_function,
    statistics_function,
    statistics_places,
    step_function,
    variables_of,
)
from ._inference import BATCHES_IN_FLIGHT, PREDICTION_BATCH, finite
from ._model_changes import Fingerprint, Frozen, check_network, frozen_names, frozen_parts
from ._numpy_network import NumpyNetwork


class ImageArray(Protocol):
    """Images that are read in batches: an array, a memory-mapped one, or ``Images``."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice) -> NDArray[Any]: ...


class Handles(NamedTuple):
    """The handles of a network's variables, and the network they were collected from."""

    fingerprint: Fingerprint
    handles: list[tf.Tensor]


class Network:
    """A Keras model and the config that it was built from.

    Parameters
    ----------
    config : NetworkConfig or KerasConfig
        The architecture.
    model : keras.Model
        From :func:`~mnist_estimator.network._build.build`; users may have changed it since.
    """

    def __init__(self, config: Config, model: keras.Model) -> None:
        self.config = config
        self.model = model
        self._known: Handles | None = None

    @classmethod
    def build(cls, config: Config, seed: int = 0) -> "Network":
        """Return a new network.

        Parameters
        ----------
        config : NetworkConfig or KerasConfig
        seed : int, default=0
            Seeds initial weights and dropout.

        Examples
        --------
        >>> from mnist_estimator.network._architecture import NetworkConfig
        >>> from mnist_estimator.network._network import Network
        >>> network = Network.build(NetworkConfig((28, 28, 1), 10))
        >>> network.model.output_shape
        (None, 10)
        """
        network = cls(config, build(config, seed=seed))
        network.note_unchanged()
        return network

    def note_unchanged(self) -> None:
        """Note that the model is as it should be, and collect the handles of its variables."""
        handles = [variable.value.handle for variable in self.model.variables]
        self._known = Handles(Fingerprint.of(self.model), handles)

    def check(self) -> None:
        """Refuse a model that users have changed; see :func:`check_network`."""
        check_network(self.model, self.config)
        if not self._is_known():
            self.note_unchanged()

    def check_quickly(self) -> list[tf.Tensor]:
        """Check the model only if a layer, variable or often changed setting is not as known.

        For predictions of a few images, for which the whole check would take longer than the
        network.

        Returns
        -------
        list of tf.Tensor
            Handles of the variables, which stand for their values at any time.
        """
        if not self._is_known():
            self.check()
        assert self._known is not None
        return self._known.handles

    def _is_known(self) -> bool:
        return (
            self._known is not None
            and isinstance(self.model, keras.Model)
            and self._known.fingerprint.matches(self.model)
        )

    def standardize(self, mean: NDArray[Any], variance: NDArray[Any]) -> None:
        """Set the statistics, of shape (channels,), by which images are standardized."""
        self.model.get_layer(STANDARDIZE).set_weights([mean, variance])

    def variables(self) -> Variables:
        """Return the variables, trained ones and others."""
        return variables_of(self.model)

    def float_weights(self) -> list[NDArray[np.floating]]:
        """Return all weights but the states of generators, in the order of ``weight_shapes``."""
        weights = (variable.numpy() for variable in self.model.variables)
        return [weight for weight in weights if weight.dtype.kind == "f"]

    def frozen(self) -> Frozen:
        """Return what users have frozen; see :func:`frozen_parts`."""
        return frozen_parts(self.model)

    def frozen_names(self) -> list[str]:
        """Return the names of frozen layers and weights; see :func:`frozen_names`."""
        return frozen_names(self.model)

    def n_batch_norms(self) -> int:
        """Return the number of batch normalizations, over all members of an ensemble."""
        return len(batch_norms_of(self.model))

    def train_step(self, options: StepOptions) -> Step:
        """Return the traced training step; see :func:`step_function`."""
        step: Step = step_function(self.config, options)
        return step

    def logits(self, images: ImageArray) -> NDArray[np.floating]:
        """Return the logits of images, batch by batch.

        In a process forked from one in which TensorFlow had run, where it would hang, NumPy
        computes them.

        Parameters
        ----------
        images : ndarray of shape (n, height, width, channels), or Images
            Any numeric dtype; may be memory-mapped.

        Returns
        -------
        ndarray of shape (n, n_classes), of dtype ``config.prediction_dtype``

        Raises
        ------
        FloatingPointError
            If a logit is not finite.
        TypeError, ValueError
            If the model has been changed.
        """
        if is_cut_off():
            return NumpyNetwork(self.config, self.float_weights()).logits(images)
        check_process()
        handles = self.check_quickly()
        forward, dtype = forward_function(self.config), self.config.prediction_dtype

        def logits_of(rows: slice) -> NDArray[np.floating]:
            logits: NDArray[np.floating] = forward(handles, as_tensor(images[rows], dtype)).numpy()
            return logits

        batches = self.config.batches(len(images), PREDICTION_BATCH)
        if len(batches) == 1:
            logits = logits_of(batches[0])
        else:
            with ThreadPoolExecutor(min(BATCHES_IN_FLIGHT, n_threads())) as threads:
                logits = np.concatenate(list(threads.map(logits_of, batches)))
        return finite(logits)

    def has_statistics_to_learn(self) -> bool:
        """Tell whether there is a batch normalization that is not frozen."""
        return bool(statistics_places(self.model))

    def recalibrate_batch_norm(self, images: NDArray[Any]) -> None:
        """Set the running statistics of batch normalization to those of some images.

        Frozen batch normalizations keep theirs.

        Parameters
        ----------
        images : ndarray of shape (n, height, width, channels)
            Any numeric dtype.
        """
        places = statistics_places(self.model)
        statistics = statistics_function(self.config, self.frozen().statistics)
        variables = self.variables()
        parts = np.array_split(images, len(self.config.batches(len(images))))
        per_part: list[list[NDArray[np.float64]]] = [
            [
                value.numpy().astype(np.float64)
                for value in statistics(*variables, as_tensor(part, self.config.dtype))
            ]
            for part in parts
        ]
        for i, (mean_at, variance_at) in enumerate(places):
            means = np.array([values[2 * i] for values in per_part])
            variances = np.array([values[2 * i + 1] for values in per_part])
            variables.others[mean_at].assign(means.mean(axis=0))
            variables.others[variance_at].assign(variances.mean(axis=0) + means.var(axis=0))
