"""How a network is trained: batches, schedule, validation, early stopping."""

import contextlib
import itertools
import math
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from .compilation import (
    Architecture,
    StepOptions,
    as_tensor,
    dtype_of,
    step_function,
    variables_of,
    weights_of,
    zero_moments,
)
from .early_stopping import BestEpoch, validation_losses
from .forks import check_process
from .normalization import settle_normalizations
from .preparation import Images
from .sampling import Sampler, epoch_sizes

SCHEDULES = ("one_cycle", "cosine", "constant")
WARM_UP = 0.25
"""Share of the training over which "one_cycle" raises the learning rate."""

History = dict[str, list[float]]


@dataclass(frozen=True)
class TrainingOptions:
    """How to train; the names are those of ``CNNClassifier``'s parameters.

    Attributes
    ----------
    epochs : int
        Largest number of passes over the data.
    batch_size : int
        Images a step; see :func:`~mnist_estimator.preparation.resolve_batch_size`.
    learning_rate : float
        Largest learning rate.
    schedule : {"one_cycle", "cosine", "constant"}
        Course of the learning rate; see :func:`rate_share`.
    label_smoothing : float in [0, 1)
        Share of the target spread evenly over the classes.
    hard_fraction : float in (0, 1]
        Share of the images that later epochs take; see
        :func:`~mnist_estimator.sampling.epoch_sizes`.
    patience : int or None
        Epochs after the best one before training stops; None
        goes on to the last.
    settle : bool
        Whether each epoch ends with
        :func:`~mnist_estimator.normalization.settle_normalizations`. Not for
        batches too small to take statistics from.
    seed : int
        Seeds the order of the images and their augmentation.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    schedule: str
    label_smoothing: float
    hard_fraction: float
    patience: int | None
    settle: bool
    seed: int


@dataclass
class TrainingResult:
    """What came of a training.

    Attributes
    ----------
    history : dict of lists of float
        ``loss``, ``accuracy``, ``learning_rate`` and, with validation images,
        ``val_loss``, ``val_accuracy``; one value an epoch.
    best_epoch : int
        The epoch, counted from 1, whose weights the network has.
    interrupted : bool
        Whether Ctrl-C ended the training.
    """

    history: History = field(default_factory=dict)
    best_epoch: int = 0
    interrupted: bool = False


@dataclass
class TrainingState:
    """What training carries on beside the weights, from one call to the next.

    Attributes
    ----------
    moments : list of pairs of tf.Variable
        Adam's running mean and mean square of the gradient of each weight.
    n_steps : int
        Steps taken so far.
    """

    moments: list[tuple[tf.Variable, tf.Variable]]
    n_steps: int = 0

    @classmethod
    def start(cls, model: keras.Model) -> "TrainingState":
        """Return the state before the first step."""
        return cls(zero_moments(model))

    def keep(self, model: keras.Model) -> Callable[[], None]:
        """Return a function that brings this state and a network back to where they stand now."""
        variables = [*variables_of(model.variables), *itertools.chain(*self.moments)]
        values = [variable.numpy() for variable in variables]
        n_steps = self.n_steps

        def restore() -> None:
            self.n_steps = n_steps
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)

        return restore

    @classmethod
    def of(cls, moments: list[tuple[NDArray, NDArray]], n_steps: int) -> "TrainingState":
        """Return the state that arrays hold."""
        return cls([(tf.Variable(mean), tf.Variable(square)) for mean, square in moments], n_steps)


def train(
    model: keras.Model,
    architecture: Architecture,
    images: Images,
    validation: Images | None,
    options: TrainingOptions,
    step_options: StepOptions,
    state: TrainingState,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> TrainingResult:
    """Train a network in place, and leave it with the weights of its best epoch.

    The best epoch is told by :class:`~mnist_estimator.early_stopping.BestEpoch`.
    Where nothing is held out, or ``patience`` is None, it is the last one. Ctrl-C
    ends the epoch under way early; what was learned stays.

    Parameters
    ----------
    model : keras.Model
        From ``build_cnn`` with the arguments in ``architecture``.
    architecture : tuple of pairs
        From :func:`~mnist_estimator.compilation.freeze`.
    images, validation : Images
        What to learn from, and what to judge each epoch by.
    options : TrainingOptions
        How to train.
    step_options : StepOptions
        What the training step is traced for.
    state : TrainingState
        Where training stands; updated.
    callbacks : sequence of keras.callbacks.Callback, default=()
        Called at every step and epoch, as by ``keras.Model.fit``. They find the
        largest learning rate in ``model.optimizer.learning_rate`` and may set it;
        the optimizer is there for that only.

    Returns
    -------
    TrainingResult

    Raises
    ------
    FloatingPointError
        If the loss is no longer finite.
    """
    check_process()
    loop = _Loop(model, architecture, images, options, step_options, state)
    if callbacks:
        # Not by ``compile``: a model saved with an optimizer that never took a step cannot
        # be loaded.
        model.optimizer = keras.optimizers.Adam(options.learning_rate, name="adam")
        loop.optimizer = model.optimizer
    watch = keras.callbacks.CallbackList(list(callbacks), model=model)
    params = {"epochs": options.epochs, "total_steps": sum(loop.n_batches), "verbose": 0}
    watch.set_params(params | {"steps": loop.n_batches[0]})
    result = TrainingResult()
    best = None
    if validation is not None and options.patience is not None:
        best = BestEpoch(model, options.patience)
    model.stop_training = False

    with _interrupts() as interrupt:
        watch.on_train_begin()
        for epoch, n_batches in enumerate(loop.n_batches):
            watch.set_params(params | {"steps": n_batches})
            watch.on_epoch_begin(epoch)
            logs = loop.run_epoch(epoch, watch, interrupt)
            if validation is not None:
                losses, hits = validation_losses(model, architecture, validation)
                logs["val_loss"] = float(np.average(losses, weights=validation.weights))
                logs["val_accuracy"] = float(np.average(hits, weights=validation.weights))
            for name, value in logs.items():
                result.history.setdefault(name, []).append(value)
            watch.on_epoch_end(epoch, logs)

            result.best_epoch = epoch + 1
            if validation and best and best.judge(epoch + 1, losses, validation.weights):
                break
            if interrupt.is_set() or model.stop_training:
                break
        if best is not None:
            best.restore()
            result.best_epoch = best.number
        watch.on_train_end()
    result.interrupted = interrupt.is_set()
    return result


@contextlib.contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into an event, so that it never cuts a step in two.

    The second one interrupts as usual. Outside the main thread, where Python
    delivers no signals, nothing changes.
    """
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    previous = signal.getsignal(signal.SIGINT)

    def on_interrupt(number: int, frame: Any) -> None:
        event.set()
        signal.signal(signal.SIGINT, previous)

    if callable(previous):
        signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield event
    finally:
        if callable(previous):
            signal.signal(signal.SIGINT, previous)


class _Loop:
    """The steps of an epoch, and what they need again and again."""

    def __init__(
        self,
        model: keras.Model,
        architecture: Architecture,
        images: Images,
        options: TrainingOptions,
        step_options: StepOptions,
        state: TrainingState,
    ) -> None:
        self.model = model
        self.architecture = architecture
        self.images = images
        self.options = options
        self.state = state
        self.sizes = epoch_sizes(len(images), options.epochs, options.hard_fraction)
        self.n_batches = [math.ceil(size / options.batch_size) for size in self.sizes]
        self.sampler = Sampler(len(images))
        self.optimizer: keras.Optimizer | None = None
        self.step = step_function(architecture, step_options)
        self.dtype = dtype_of(architecture)
        self.weights = weights_of(model)
        n_classes = model.output_shape[-1]
        smooth = options.label_smoothing
        self.targets = np.full((n_classes, n_classes), smooth / n_classes)
        np.fill_diagonal(self.targets, 1.0 - smooth + smooth / n_classes)

    def run_epoch(
        self, epoch: int, watch: keras.callbacks.CallbackList, interrupt: threading.Event
    ) -> dict[str, float]:
        """Take a pass over the images, or those of them that are its turn."""
        images, options, dtype = self.images, self.options, self.dtype
        generator = np.random.default_rng((options.seed, self.state.n_steps))
        order = self.sampler.draw(self.sizes[epoch], generator)
        n_before, n_steps = sum(self.n_batches[:epoch]), sum(self.n_batches)
        total, right, seen, rate = 0.0, 0.0, 0.0, 0.0
        # Parts of equal size: a last batch of one image would have no variance to
        # normalize by.
        for i, rows in enumerate(np.array_split(order, self.n_batches[epoch])):
            self.state.n_steps += 1
            share = rate_share(options.schedule, (n_before + i + 0.5) / n_steps)
            rate = self._largest_rate() * share
            watch.on_train_batch_begin(i)
            weights = images.weights[rows]
            losses, hits = self.step(
                *self.weights,
                self.state.moments,
                as_tensor(images[rows], dtype),
                as_tensor(self.targets[images.labels[rows]], dtype),
                as_tensor(weights, dtype),
                tf.constant(self.state.n_steps, tf.int32),
                tf.constant(options.seed, tf.int32),
                tf.constant(rate, dtype),
            )
            losses, hits = losses.numpy().astype(np.float64), hits.numpy()
            total, right = total + weights @ losses, right + weights @ hits
            seen += weights.sum()
            if not math.isfinite(total):
                raise FloatingPointError(
                    f"The training loss is no longer finite in epoch {epoch + 1}: "
                    f"learning_rate={options.learning_rate:g} is too high for these data. Pass a "
                    "lower one, or bring the images to a range such as [0, 1] with ImageScaler."
                )
            self.sampler.note(rows, losses, hits)
            watch.on_train_batch_end(i, {"loss": total / seen, "accuracy": right / seen})
            if interrupt.is_set() or self.model.stop_training:
                break
        if options.settle:
            settle_normalizations(self.model, self.architecture, images, generator)
        return self.sampler.averages(images.weights) | {"learning_rate": rate}

    def _largest_rate(self) -> float:
        """Return the largest learning rate, which callbacks may change."""
        given = self.options.learning_rate
        if self.optimizer is None:
            return given
        rate = float(self.optimizer.learning_rate.numpy())
        # Unchanged, it is the one given, not what float32 makes of it.
        return given if rate == np.float32(given) else rate


def rate_share(schedule: str, progress: float) -> float:
    """Return the learning rate at a point of the training, as a share of the largest.

    Parameters
    ----------
    schedule : {"one_cycle", "cosine", "constant"}
        "one_cycle" rises linearly over the first quarter and falls to zero along
        half a cosine (L. Smith, N. Topin, "Super-convergence", 2018); "cosine"
        only falls (I. Loshchilov, F. Hutter, "SGDR", 2017); "constant" does
        neither.
    progress : float in [0, 1]
        Share of the steps done.

    Returns
    -------
    float in [0, 1]
    """
    if schedule == "constant":
        return 1.0
    rise = WARM_UP if schedule == "one_cycle" else 0.0
    if progress < rise:
        return progress / rise
    fall = (progress - rise) / (1.0 - rise)
    return 0.5 * (1.0 + math.cos(math.pi * fall))
