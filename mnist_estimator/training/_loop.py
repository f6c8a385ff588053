"""How a network is trained: batches, schedule, validation, early stopping."""

import contextlib
import itertools
import math
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..network._functions import (
    Architecture,
    StepOptions,
    as_tensor,
    dtype_of,
    step_function,
    variables_of,
    weights_of,
    zero_moments,
)
from ..network._inference import predict_logits
from ..network._optimizers import Moments
from ..utils._quiet_tensorflow import keras, tf
from ..utils._tensorflow_process import check_process
from ._batch_norm import settle_normalizations
from ._checkpoint import Arrays, Checkpoint
from ._data import Images
from ._early_stopping import BestEpoch, cross_entropy, softened
from ._sampling import Sampler, epoch_sizes

SCHEDULES = ("one_cycle", "cosine", "constant")
WARM_UP = 0.25
"""Share of the training over which "one_cycle" raises the learning rate."""
UNDISTURBED = 0.2
"""Share of the training, its end, in which no image is disturbed. (What was learned of disturbed
images stays for as long; half of it is lost in twice the time.)"""

History = dict[str, list[float]]


@dataclass(frozen=True)
class TrainingOptions:
    """How to train; the names are those of ``CNNClassifier``'s parameters.

    Attributes
    ----------
    epochs : int
        Largest number of passes over the data.
    batch_size : int
        Images a step; see :func:`~mnist_estimator.training._data.resolve_batch_size`.
    learning_rate : float
        Largest learning rate.
    schedule : {"one_cycle", "cosine", "constant"}
        Course of the learning rate; see :func:`rate_share`.
    label_smoothing : float in [0, 1)
        Share of the target spread evenly over the classes.
    hard_fraction : float in (0, 1]
        Share of the images that later epochs take; see
        :func:`~mnist_estimator.training._sampling.epoch_sizes`.
    patience : int or None
        Epochs after the best one before training stops; None
        goes on to the last.
    settle : bool
        Whether each epoch ends with
        :func:`~mnist_estimator.training._batch_norm.settle_normalizations`. Not for
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
        What the optimizer remembers of each weight.
    n_steps : int
        Steps taken so far.
    """

    moments: list[Moments]
    n_steps: int = 0

    @classmethod
    def start(cls, model: keras.Model) -> "TrainingState":
        """Return the state before the first step."""
        return cls(zero_moments(model))

    def variables(self, model: keras.Model) -> list[tf.Variable]:
        """Return all variables that training changes: the network's and the moments."""
        return [*variables_of(model.variables), *itertools.chain(*self.moments)]

    def keep(self, model: keras.Model) -> Callable[[], None]:
        """Return a function that brings this state and a network back to where they stand now."""
        variables = self.variables(model)
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
    checkpoint: Checkpoint | None = None,
) -> TrainingResult:
    """Train a network in place, and leave it with the weights of its best epoch.

    The best epoch is told by :class:`~mnist_estimator.training._early_stopping.BestEpoch`.
    Where nothing is held out, or ``patience`` is None, it is the last one. Ctrl-C
    ends the epoch under way early; what was learned stays. All that an epoch needs of
    those before it, random numbers included, is in ``checkpoint`` after each epoch.

    Parameters
    ----------
    model : keras.Model
        From ``build_cnn`` with the arguments in ``architecture``.
    architecture : tuple of pairs
        From :func:`~mnist_estimator.network._functions.freeze`.
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
        the optimizer is there for that only. ``params`` has, beside what Keras puts
        there, the ``history`` so far, the ``total_steps`` and the ``steps_done``.
    checkpoint : Checkpoint or None, default=None
        Where to go on from, and what to write after each epoch.

    Returns
    -------
    TrainingResult

    Raises
    ------
    FloatingPointError
        If the loss is no longer finite.
    OSError, ValueError
        If there is no room for a checkpoint, or it cannot be used.
    """
    check_process()
    loop = _Loop(model, architecture, images, options, step_options, state)
    if callbacks:
        # Not by ``compile``: a model saved with an optimizer that never took a step cannot
        # be loaded.
        model.optimizer = keras.optimizers.Adam(options.learning_rate, name="adam")
        loop.optimizer = model.optimizer
    result = TrainingResult()
    best = None
    if validation is not None and options.patience is not None:
        best = BestEpoch(model, options.patience, len(validation))
    progress = _Progress(loop, best, result.history)
    if checkpoint is not None:
        found = checkpoint.begin(progress.state())
        if found is not None:
            progress.resume(found)
    watch = keras.callbacks.CallbackList(list(callbacks), model=model)
    params = {
        "epochs": options.epochs, "verbose": 0, "history": result.history,
        "total_steps": sum(loop.n_batches), "steps_done": sum(loop.n_batches[: progress.n_epochs]),
    }  # fmt: skip
    watch.set_params(params | {"steps": loop.n_batches[0]})
    model.stop_training = False

    with _interrupts() as interrupt:
        watch.on_train_begin()
        while not progress.over:
            epoch = progress.n_epochs
            watch.set_params(params | {"steps": loop.n_batches[epoch]})
            watch.on_epoch_begin(epoch)
            logs = loop.run_epoch(epoch, watch, interrupt)
            if validation is not None:
                logits = predict_logits(model, architecture, validation).astype(np.float64)
                losses = cross_entropy(logits, validation.labels)
                hits = logits.argmax(axis=1) == validation.labels
                logs["val_loss"] = float(np.average(losses, weights=validation.weights))
                logs["val_accuracy"] = float(np.average(hits, weights=validation.weights))
            for name, value in logs.items():
                result.history.setdefault(name, []).append(value)
            progress.n_epochs += 1
            watch.on_epoch_end(epoch, logs)

            if validation and best:
                softer = softened(logits, validation.labels, validation.weights)
                losses = cross_entropy(softer, validation.labels)
                progress.over = best.judge(progress.n_epochs, losses, validation.weights)
            progress.over |= model.stop_training or progress.n_epochs == options.epochs
            if interrupt.is_set():  # perhaps in the midst of the epoch: that is no checkpoint
                break
            if checkpoint is not None:
                checkpoint.save(progress.state())
        result.best_epoch = progress.n_epochs
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
        amounts = dict(step_options.augmentation or ())
        self.sampler = Sampler(len(images))
        self.optimizer: keras.Optimizer | None = None
        self.step = step_function(architecture, step_options)
        self.dtype = dtype_of(architecture)
        self.weights = weights_of(model)
        self.dropout = tf.constant(dict(architecture).get("dropout", 0.0), tf.float32)
        self.disturbed = amounts.get("disturbed", 0.0)
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
            progress = (n_before + i + 0.5) / n_steps
            rate = self.largest_rate() * rate_share(options.schedule, progress)
            disturbed = self.disturbed if progress < 1.0 - UNDISTURBED else 0.0
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
                tf.constant(disturbed, tf.float32),
                self.dropout,
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

    def largest_rate(self) -> float:
        """Return the largest learning rate, which callbacks may change."""
        given = self.options.learning_rate
        if self.optimizer is None:
            return given
        rate = float(self.optimizer.learning_rate.numpy())
        # Unchanged, it is the one given, not what float32 makes of it.
        return given if rate == np.float32(given) else rate


@dataclass
class _Progress:
    """How far a training has come: all that its next epoch depends on.

    Attributes
    ----------
    loop : _Loop
        With the network, its moments and what is known of the images.
    best : BestEpoch or None
        The best epoch so far.
    history : dict of lists of float
        One value an epoch.
    n_epochs : int
        Epochs done.
    over : bool
        Whether the last one was the last.
    """

    loop: _Loop
    best: BestEpoch | None
    history: History
    n_epochs: int = 0
    over: bool = False

    def state(self) -> Arrays:
        """Return all of it as arrays, whose shapes stay the same but for the history."""
        loop = self.loop
        variables = loop.state.variables(loop.model)
        return {
            "n_epochs": np.array(self.n_epochs),
            "n_steps": np.array(loop.state.n_steps),
            "over": np.array(self.over),
            "learning_rate": np.array(loop.largest_rate()),
            **{f"variable_{i}": variable.numpy() for i, variable in enumerate(variables)},
            **loop.sampler.state(),
            **(self.best.state() if self.best else {}),
            **{f"history_{name}": np.array(values) for name, values in self.history.items()},
        }

    def resume(self, state: Arrays) -> None:
        """Go on from where ``state`` was taken."""
        loop = self.loop
        self.n_epochs, self.over = int(state["n_epochs"]), bool(state["over"])
        loop.state.n_steps = int(state["n_steps"])
        if loop.optimizer is not None:
            loop.optimizer.learning_rate.assign(float(state["learning_rate"]))
        for i, variable in enumerate(loop.state.variables(loop.model)):
            variable.assign(state[f"variable_{i}"])
        loop.sampler.resume(state)
        if self.best is not None:
            self.best.resume(state)
        for name, values in state.items():
            if name.startswith("history_"):
                self.history[name.removeprefix("history_")] = values.tolist()


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
