"""The training loop: epochs, learning rate schedule, validation, early stopping."""

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

from ..network._functions import StepInputs, StepOptions, as_tensor
from ..network._keras_optimizers import KerasOptimizer
from ..network._network import Network
from ..network._optimizers import Moments, Optimizer, zero_moments
from ..utils._quiet_tensorflow import keras, tf
from ..utils._tensorflow_process import check_process
from ._batch_norm import recalibrate_batch_norm
from ._callbacks import Observer
from ._checkpoint import Arrays, Checkpoint
from ._data import Images, TrainingData
from ._early_stopping import EarlyStopping, cross_entropy, temperature_scale
from ._sampling import Sampler, epoch_sizes
from ._schedules import Schedule, learning_rate_at

FINAL_CLEAN_SHARE = 0.2
"""Share of the training, at its end, in which no image is corrupted. The robustness gained survives
it; after twice that share, half of it is lost."""

History = dict[str, list[float]]


@dataclass(frozen=True)
class TrainingOptions:
    """How to train; the names are those of ``CNNClassifier``'s parameters.

    Attributes
    ----------
    epochs : int
        Largest number of passes over the data.
    batch_size : int
        Images per step; see :func:`~mnist_estimator.training._data.resolve_batch_size`.
    learning_rate : float
        Largest learning rate.
    schedule : str, callable or keras.optimizers.schedules.LearningRateSchedule
        Course of the learning rate; see
        :func:`~mnist_estimator.training._schedules.learning_rate_at`.
    label_smoothing : float in [0, 1)
        Share of the target spread evenly over the classes.
    hard_fraction : float in (0, 1]
        Share of the images that later epochs take; see
        :func:`~mnist_estimator.training._sampling.epoch_sizes`.
    patience : int or None
        Epochs after the best one before training stops; None for no early stopping.
    recalibrate : bool
        Whether each epoch ends with
        :func:`~mnist_estimator.training._batch_norm.recalibrate_batch_norm`. Not for data too
        few to compute statistics from.
    seed : int
        Seeds the order of the images and their augmentation.
    step : StepOptions
        What the training step is traced for.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    schedule: Schedule
    label_smoothing: float
    hard_fraction: float
    patience: int | None
    recalibrate: bool
    seed: int
    step: StepOptions


@dataclass
class TrainingResult:
    """The outcome of a training.

    Attributes
    ----------
    history : dict of lists of float
        ``loss``, ``accuracy``, ``learning_rate`` and, with validation images, ``val_loss`` and
        ``val_accuracy``; one value per epoch.
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
    """The state of training besides the weights, carried from one call to the next.

    Attributes
    ----------
    moments : list of tuples of tf.Variable
        The optimizer's state: one pair per trained variable, or all variables of one of Keras's.
    n_steps : int
        Steps taken so far.
    """

    moments: list[Moments]
    n_steps: int = 0
    rule: str = ""
    """Name of the Keras optimizer whose state it is; "" for the package's."""

    @classmethod
    def start(cls, network: Network) -> "TrainingState":
        """Return the state before the first step."""
        return cls(zero_moments(network.variables().trained))

    @classmethod
    def from_arrays(
        cls, moments: list[tuple[NDArray[Any], ...]], n_steps: int, rule: str = ""
    ) -> "TrainingState":
        """Return the state with these moments, tuples of arrays."""
        return cls([tuple(map(tf.Variable, arrays)) for arrays in moments], n_steps, rule)

    def suit(self, network: Network, optimizer: Optimizer | KerasOptimizer) -> None:
        """Start moments anew if they are those of another kind of optimizer."""
        rule = optimizer.kind if isinstance(optimizer, KerasOptimizer) else ""
        if not rule and not self.rule:
            return
        fresh = optimizer.zero_moments(network.variables().trained)
        if rule != self.rule or _shapes(fresh) != _shapes(self.moments):
            self.moments, self.rule = fresh, rule

    def variables(self, network: Network) -> list[tf.Variable]:
        """Return all variables that training changes: the network's and the moments."""
        variables = (variable.value for variable in network.model.variables)
        return [*variables, *itertools.chain(*self.moments)]

    def snapshot(self, network: Network) -> Callable[[], None]:
        """Return a function that restores this state and the network as they are now."""
        variables = self.variables(network)
        values = [variable.numpy() for variable in variables]
        before = (self.n_steps, self.moments, self.rule)

        def restore() -> None:
            self.n_steps, self.moments, self.rule = before
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)

        return restore


def _shapes(moments: Sequence[Moments]) -> list[list[tuple[int, ...]]]:
    """Return the shapes of moments."""
    return [[tuple(variable.shape) for variable in variables] for variables in moments]


def train(
    network: Network,
    data: TrainingData,
    options: TrainingOptions,
    state: TrainingState,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoint: Checkpoint | None = None,
) -> TrainingResult:
    """Train a network in place, and give it the weights of its best epoch.

    The best epoch is that of :class:`~mnist_estimator.training._early_stopping.EarlyStopping`;
    without validation images or ``patience`` it is the last one. Ctrl-C ends the current epoch
    early and keeps what was learned.

    Parameters
    ----------
    network : Network
        Updated.
    data : TrainingData
        Images to train on, and to validate on.
    options : TrainingOptions
        How to train.
    state : TrainingState
        Optimizer state and number of steps; updated.
    callbacks : sequence of keras.callbacks.Callback, default=()
        Called at every step and epoch, as by ``keras.Model.fit``. They find the largest learning
        rate in ``model.optimizer.learning_rate`` and may set it; that optimizer has no other
        use. Besides Keras's entries, ``params`` has the ``history`` so far, ``total_steps`` and
        ``steps_done``.
    checkpoint : Checkpoint or None, default=None
        Where to resume from, and what to write after each epoch. It holds all that an epoch
        depends on, including random numbers.

    Returns
    -------
    TrainingResult

    Raises
    ------
    FloatingPointError
        If the loss is not finite.
    OSError, ValueError
        If there is no room for a checkpoint, or it cannot be used.
    """
    check_process()
    model, validation = network.model, data.validation
    optimizer = None
    if not all(isinstance(callback, Observer) for callback in callbacks):
        # Not by ``compile``: a model saved with an optimizer that has taken no step cannot be
        # loaded.
        optimizer = model.optimizer = keras.optimizers.Adam(options.learning_rate, name="adam")
    loop = _Loop(network, data.training, options, state, optimizer)
    result = TrainingResult()
    stopping = None
    if validation is not None and options.patience is not None:
        stopping = EarlyStopping(model, options.patience, len(validation))
    progress = _Progress(loop, stopping, result.history)
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
        while not progress.is_over:
            epoch = progress.n_epochs
            watch.set_params(params | {"steps": loop.n_batches[epoch]})
            watch.on_epoch_begin(epoch)
            logs = loop.run_epoch(epoch, watch, interrupt)
            logits = None
            if validation is not None:
                logits = network.logits(validation).astype(np.float64)
                logs |= _validation_logs(logits, validation)
            for name, value in logs.items():
                result.history.setdefault(name, []).append(value)
            progress.n_epochs += 1
            watch.on_epoch_end(epoch, logs)

            if validation is not None and stopping is not None and logits is not None:
                scaled = temperature_scale(logits, validation.labels, validation.weights)
                losses = cross_entropy(scaled, validation.labels)
                progress.is_over = stopping.update(progress.n_epochs, losses, validation.weights)
            progress.is_over |= model.stop_training or progress.n_epochs == options.epochs
            if interrupt.is_set():  # the epoch may be incomplete, so it is not saved
                break
            if checkpoint is not None:
                checkpoint.save(progress.state())
        result.best_epoch = progress.n_epochs
        if stopping is not None:
            stopping.restore()
            result.best_epoch = stopping.best_epoch
        watch.on_train_end()
    result.interrupted = interrupt.is_set()
    return result


def _validation_logs(logits: NDArray[np.float64], images: Images) -> dict[str, float]:
    """Return the mean loss and the accuracy on validation images."""
    losses = cross_entropy(logits, images.labels)
    correct = logits.argmax(axis=1) == images.labels
    return {
        "val_loss": float(np.average(losses, weights=images.weights)),
        "val_accuracy": float(np.average(correct, weights=images.weights)),
    }


@contextlib.contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into an event, so that it never interrupts a training step.

    The second one interrupts as usual. Outside the main thread, where Python delivers no signals,
    nothing changes.
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
    """Runs epochs, with what they need again and again."""

    def __init__(
        self,
        network: Network,
        images: Images,
        options: TrainingOptions,
        state: TrainingState,
        optimizer: keras.Optimizer | None = None,
    ) -> None:
        self.network = network
        self.images = images
        self.options = options
        self.state = state
        self.optimizer = optimizer
        self.sizes = epoch_sizes(len(images), options.epochs, options.hard_fraction)
        self.n_batches = [math.ceil(size / options.batch_size) for size in self.sizes]
        self.sampler = Sampler(len(images))
        self.step = network.train_step(options.step)
        state.suit(network, options.step.optimizer)
        self.variables = network.variables()
        self.dropout = tf.constant(network.config.dropout, tf.float32)
        self.corruption_rate = dict(options.step.augmentation or ()).get("corruption", 0.0)
        n_classes, smooth = network.config.n_classes, options.label_smoothing
        self.targets = np.full((n_classes, n_classes), smooth / n_classes)
        np.fill_diagonal(self.targets, 1.0 - smooth + smooth / n_classes)

    def run_epoch(
        self, epoch: int, watch: keras.callbacks.CallbackList, interrupt: threading.Event
    ) -> dict[str, float]:
        """Take one pass over the images, or over those drawn for this epoch.

        Returns
        -------
        dict
            ``loss``, ``accuracy`` and ``learning_rate``.
        """
        images, options = self.images, self.options
        generator = np.random.default_rng((options.seed, self.state.n_steps))
        order = self.sampler.draw(self.sizes[epoch], generator)
        n_before, n_steps = sum(self.n_batches[:epoch]), sum(self.n_batches)
        total = n_correct = n_seen = rate = 0.0
        # Batches of equal size: a last batch of one image would have no variance.
        for i, rows in enumerate(np.array_split(order, self.n_batches[epoch])):
            self.state.n_steps += 1
            progress = (n_before + i + 0.5) / n_steps
            rate = learning_rate_at(
                options.schedule, self.largest_rate(), progress, n_before + i, options.learning_rate
            )
            watch.on_train_batch_begin(i)
            losses, correct = self.run_step(rows, rate, progress)
            weights = images.weights[rows]
            total += float(weights @ losses)
            n_correct += float(weights @ correct)
            n_seen += float(weights.sum())
            if not math.isfinite(total):
                raise FloatingPointError(
                    f"The training loss is not finite in epoch {epoch + 1}: "
                    f"learning_rate={options.learning_rate:g} is too high for these data. Pass a "
                    "lower one, or bring the images to a range such as [0, 1] with ImageScaler."
                )
            self.sampler.update(rows, losses, correct)
            watch.on_train_batch_end(i, {"loss": total / n_seen, "accuracy": n_correct / n_seen})
            if interrupt.is_set() or self.network.model.stop_training:
                break
        if options.recalibrate:
            recalibrate_batch_norm(self.network, images, generator)
        return self.sampler.averages(images.weights) | {"learning_rate": rate}

    def run_step(
        self, rows: NDArray[np.int64], rate: float, progress: float
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Take one training step.

        Parameters
        ----------
        rows : ndarray of shape (k,), int
            Indices of the images.
        rate : float
            Learning rate.
        progress : float in [0, 1]
            Share of the training done.

        Returns
        -------
        losses : ndarray of shape (k,), float64
        correct : ndarray of shape (k,), bool
            Whether each image is classified correctly.
        """
        images, dtype = self.images, self.network.config.dtype
        is_clean = progress >= 1.0 - FINAL_CLEAN_SHARE
        inputs = StepInputs(
            images=as_tensor(images[rows], dtype),
            targets=as_tensor(self.targets[images.labels[rows]], dtype),
            weights=as_tensor(images.weights[rows], dtype),
            number=tf.constant(self.state.n_steps, tf.int32),
            seed=tf.constant(self.options.seed, tf.int32),
            learning_rate=tf.constant(rate, dtype),
            corruption_rate=tf.constant(0.0 if is_clean else self.corruption_rate, tf.float32),
            dropout=self.dropout,
        )
        losses, correct = self.step(self.variables, self.state.moments, inputs)
        return losses.numpy().astype(np.float64), correct.numpy()

    def largest_rate(self) -> float:
        """Return the largest learning rate, which callbacks may change."""
        rate = self.options.learning_rate
        if self.optimizer is None:
            return rate
        set_rate = float(self.optimizer.learning_rate.numpy())
        # Unchanged, it is the one given, without the rounding to float32.
        return rate if set_rate == np.float32(rate) else set_rate


@dataclass
class _Progress:
    """How far a training has come: all that its next epoch depends on.

    Attributes
    ----------
    loop : _Loop
        With the network, the moments and the losses of the images.
    stopping : EarlyStopping or None
        With the best epoch so far.
    history : dict of lists of float
        One value per epoch.
    n_epochs : int
        Epochs done.
    is_over : bool
        Whether training is done.
    """

    loop: _Loop
    stopping: EarlyStopping | None
    history: History
    n_epochs: int = 0
    is_over: bool = False

    def state(self) -> Arrays:
        """Return everything as arrays, whose shapes are constant except for the history."""
        loop = self.loop
        variables = loop.state.variables(loop.network)
        return {
            "n_epochs": np.array(self.n_epochs),
            "n_steps": np.array(loop.state.n_steps),
            "over": np.array(self.is_over),
            "learning_rate": np.array(loop.largest_rate()),
            **{f"variable_{i}": variable.numpy() for i, variable in enumerate(variables)},
            **loop.sampler.state(),
            **(self.stopping.state() if self.stopping else {}),
            **{f"history_{name}": np.array(values) for name, values in self.history.items()},
        }

    def resume(self, state: Arrays) -> None:
        """Restore what :meth:`state` returned."""
        loop = self.loop
        self.n_epochs, self.is_over = int(state["n_epochs"]), bool(state["over"])
        loop.state.n_steps = int(state["n_steps"])
        if loop.optimizer is not None:
            loop.optimizer.learning_rate.assign(float(state["learning_rate"]))
        for i, variable in enumerate(loop.state.variables(loop.network)):
            variable.assign(state[f"variable_{i}"])
        loop.sampler.resume(state)
        if self.stopping is not None:
            self.stopping.resume(state)
        for name, values in state.items():
            if name.startswith("history_"):
                self.history[name.removeprefix("history_")] = values.tolist()
