"""The classifier: a convolutional network with scikit-learn's interface."""

import contextlib
import inspect
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score
from sklearn.utils import assert_all_finite, check_random_state, column_or_1d
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from ._version import __version__
from .network._architecture import NetworkConfig, changed_parameters, check_sizes
from .network._augmentation import AUGMENTATIONS, resolve_augmentation
from .network._functions import StepOptions, resolve_precision
from .network._inference import predict_probabilities, resolve_shift
from .network._keras_config import KerasConfig
from .network._keras_optimizers import (
    KerasOptimizer,
    check_optimizer,
    classes_of,
    copy_optimizer,
    from_plain,
    instance_of,
    own_rate,
    to_plain,
)
from .network._model_changes import NOTHING_FROZEN, Frozen
from .network._network import Network
from .network._numpy_network import NumpyNetwork
from .network._optimizers import OPTIMIZERS, Optimizer
from .network._user_model import Builder, RebuiltModel, check_builder
from .training._adaptation import is_adaptation, rate_share
from .training._callbacks import (
    EpochTasks,
    ProgressReporter,
    clone_callbacks,
    copy_callback,
    picklable_callbacks,
)
from .training._checkpoint import Checkpoint, identity_of, open_checkpoint
from .training._data import (
    Images,
    Samples,
    TrainingData,
    channel_statistics,
    check_weights,
    prepare,
)
from .training._few_images import PLANS, Choices, choose, fewest_held_out_of
from .training._loop import History, TrainingOptions, TrainingState, train
from .training._schedules import SCHEDULES
from .training._state import (
    NETWORK_STATE,
    REMEDY,
    check_network_state,
    check_version,
    network_state,
    restore_network,
)
from .utils._fingerprint import fingerprint, source_fingerprint
from .utils._image_shape import check_image_shape
from .utils._input_checks import prefix_errors, unchanged_on_failure
from .utils._labels import as_numpy_labels, check_classes, check_targets
from .utils._quiet_tensorflow import keras
from .utils._scikeras_compat import ROUTED, MendedKerasClassifier
from .utils._sklearn_compat import (
    CallbackSupportMixin,
    Interval,
    StrOptions,
    validate_parameter_constraints,
    with_callbacks,
)
from .utils._tensorflow_process import check_process, is_cut_off
from .utils._validation import check_images
from .utils._value_range import ValueRange, extend_value_range
from .utils._wording import shown, suggest_names


class CNNClassifier(CallbackSupportMixin, MendedKerasClassifier):
    """Convolutional network classifier.

    Stages of convolutions, each followed by max pooling, then dropout and dense layers, trained
    with Muon and Adam on the cross-entropy. A stratified part of the training data is held out;
    training stops early when the loss on it no longer falls, and the weights of the best epoch
    are kept.

    Parameters
    ----------
    image_shape : None, (height, width) or (height, width, channels), default=None
        Shape of one image; needed for flat rows that are not square grey images. None takes it
        from X.
    filters : sequence of int or of sequences of int, default=(16, (48, 48), 96)
        One entry per stage: the number of filters of its convolution, or of each of several
        convolutions. Pooling halves the feature maps after each stage until they have fewer than
        6 pixels a side (1 pixel for images under 16 pixels); later stages keep that size.
    kernel_size : int or sequence of int, default=(5, 3)
        Side of the kernels, in pixels; for all stages, or stage by stage, the last number for
        all that follow. At most the size of the stage's feature maps, or 7.
    dense_units : sequence of int, default=()
        Units of the hidden dense layers.
    dropout : float in [0, 1), default=0.3
        Share of the activations dropped before each dense layer in training.
    batch_norm : bool, default=True
        Whether convolutions are followed by batch normalization.
    ensemble_size : int, default=1
        Number of networks, trained on the same batches from different initial weights; their
        logits are averaged (deep ensembles; B. Lakshminarayanan, A. Pritzel, C. Blundell, 2017).
        The time of fits and predictions is multiplied by it.
    model : callable or None, default=None
        Builds another network, as in scikeras: ``model(meta, **kwargs)`` returns a
        ``keras.Model`` from images of ``meta["image_shape_"]`` to ``meta["n_classes_"]`` logits or
        probabilities. ``meta`` holds the attributes known before training; a parameter of the
        function, such as ``units``, is the parameter ``model__units`` of the classifier. Leave
        ``filters``, ``kernel_size``, ``dense_units``, ``dropout``, ``batch_norm`` and
        ``ensemble_size`` at their defaults then: they describe the network of None. Layers must
        have a Keras config, by which copies are made.
    epochs : int, "auto" or "short", default="auto"
        Largest number of epochs. The first takes all training images, later ones
        ``hard_fraction`` of them. "auto": 22; for fewer than 4,096 images as many as show the
        network 90,112 images in all, as 22 epochs of 4,096 do, or take 2,000 steps, whichever are
        fewer. "short": 2; for fewer than 10,000 images as many as show it 20,000, or take 300
        steps. The fitted attribute ``resolved_params_`` has the number.
    batch_size : int or "auto", default="auto"
        Images per training step. "auto": 512, less for fewer than 16,384 images, and at least 8;
        where ``epochs`` takes more epochs for few images, 32 or a quarter of them.
    learning_rate : float, default=0.01
        Largest learning rate of Adam; that of Muon is ten times as high.
    schedule : str, callable or keras.optimizers.schedules.LearningRateSchedule, default="one_cycle"
        Course of the learning rate. "one_cycle": rising over the first quarter of the steps, then
        falling to zero; "cosine": only falling; "constant". A callable returns the rate as a share
        of ``learning_rate``, given the share of the steps done, from 0 to 1. A schedule of Keras
        gives the rate itself, by the number of the step in this fit; ``learning_rate`` then counts
        for ``partial_fit`` alone.
    optimizer : {"muon", "adam"}, keras.Optimizer or a class of them, default="muon"
        "muon": kernels of convolutions are updated by the orthogonalized running sum of their
        gradients (K. Jordan and others, "Muon", 2024), other weights by Adam. It learns more in
        few epochs. "adam": all weights are updated by Adam. An optimizer of Keras is copied and
        stays as it is; its learning rate is the largest one, in place of ``learning_rate``, which
        a class takes.
    beta_1 : float in [0, 1), default=0.9
        Decay rate of Adam's first moment, the running mean of the gradients.
    beta_2 : float in [0, 1), default=0.99
        Decay rate of Adam's second moment, the running mean of their squares.
    label_smoothing : float in [0, 1), default=0.0
        Share of the target spread evenly over the classes.
    hard_fraction : float in (0, 1], default=0.25
        Share of the images, but at least 4,096, that an epoch after the first takes: drawn at
        random, with probabilities in proportion to the running mean of their losses (importance
        sampling). Images with persistently high loss are treated as mislabelled and
        down-weighted. 1: every epoch takes all images; use it for better-calibrated
        probabilities when labels are noisy.
    augmentation : str, dict, callable or None, default="auto"
        Random changes of the images in training. "affine": rotation, zoom, shear and shift.
        "robust": these, and corruption of 6 % of the images except in the last fifth of the
        steps, which makes the network robust to images from other sources: contrast, noise,
        filters, inverted patches, lines, strong distortion, outlines only. "strong": larger
        amounts, for few images of characters. "objects": flips, crops and erased patches, for
        things that are no characters. "auto": "strong" where ``epochs`` is "auto" or "short" and
        the images are so few that more epochs are run, else "robust". None: no augmentation, for
        images that mean another thing when turned or moved. A dict gives the amounts, 0 for those
        left out:

        - ``"rotation"``: degrees, up to 180; ``"zoom"``: share of the size, below 1;
          ``"shear"``: pixels per pixel, up to 1; ``"shift"``: share of the side, up to 0.5.
          "affine" is ``{"rotation": 15.0, "zoom": 0.15, "shear": 0.15, "shift": 0.08}``;
        - ``"thickness"``: up to 1; strokes get thicker or thinner by up to so many pixels on each
          side;
        - ``"adversarial"``: up to 1; adversarial perturbation (fast gradient method) with a root
          mean square of up to so many standard deviations of the image, skipped for
          misclassified images. Doubles the training time;
        - ``"corruption"``: share of the images that are corrupted, as in "robust";
        - ``"flip"``: share of the images that are mirrored from left to right, up to 1; for things
          that have no left and right, not for characters;
        - ``"crop"``: share of the side, up to 0.5, by which images are shifted, in whole pixels,
          so without the blur of ``"shift"``;
        - ``"erase"``: cutout: the largest side of a square that is filled with the image's mean
          colour, as a share of the image's side, up to 1.

        Images under 8 pixels high or wide are never augmented in these ways. A callable, such as a
        ``keras.layers.RandomFlip`` or a function of a batch of images (n, height, width,
        channels), returns augmented images of the same shape. A function with a second parameter
        gets a seed of shape (2,), int32, for ``tf.random.stateless_…``; with random numbers from
        elsewhere fits are not reproducible. Layers are.
    test_time_shift : int or "auto", default="auto"
        Test-time augmentation: below a confidence of 0.8, logits are averaged over the image and
        its eight shifts by this many pixels (at most its side; edges are mirrored); the weight of
        the mean fades to 0 at 0.9. 0: no test-time augmentation. "auto": 1, or 0 for images under
        16 pixels high or wide. May be set after ``fit``.
    precision : {"auto", "float32", "bfloat16", "float64"}, default="auto"
        Arithmetic of the training steps. "auto": bfloat16, with float32 weights,
        where the processor has instructions for it, else float32. Predictions are
        float32. "float64", in training and prediction, is slow: for comparisons to
        the last digit.
    validation_fraction : float in (0, 1), default=0.03
        Share of the rows held out, stratified by class; classes of a few rows give none. Unused
        without early stopping, with ``X_val``, or where ``early_stopping="auto"`` holds out none.
    early_stopping : bool or "auto", default="auto"
        Whether to hold out validation data and keep the weights of the best epoch: the last one
        whose validation loss exceeds the lowest by at most one standard error of the difference.
        Training stops ``patience`` epochs after it. Logits are temperature-scaled before losses
        are compared; ``history_`` has the losses without scaling. "auto": True, but with
        ``epochs`` "auto" nothing is held out from fewer than 4,096 images ("short": 10,000).
    patience : int or "auto", default="auto"
        Epochs to wait for a better one. The loss is noisy while the learning rate is high, so
        use more patience with many epochs of "one_cycle". "auto": 10, or 10 of 22 epochs where
        ``epochs="auto"`` means more.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, ``{label: weight}``; "balanced" makes them
        inversely proportional to their sums of ``sample_weight``. Multiplied with
        ``sample_weight``.
    callbacks : sequence of keras.callbacks.Callback or None, default=None
        Instances or classes. ``fit`` works with copies, which share what cannot be copied, such
        as a stream or a lock; for searches and pickles, pass a class instead of such an instance.
        Setting ``model.optimizer.learning_rate`` sets the largest rate, which ``schedule``
        scales. Weights restored when training ends are kept. (scikit-learn's own callbacks go to
        ``set_callbacks``.)
    checkpoint_dir : str, os.PathLike or None, default=None
        An existing folder for this fit alone. ``fit`` writes ``checkpoint.npz`` there after each
        epoch and deletes it at the end. If it is killed and called again with the same arguments,
        it resumes after the last finished epoch and ends with the same weights, to the bit. The
        checkpoint of a fit on other data, with other parameters or by other versions is refused.
        With ``random_state=None`` the seed is that of the checkpoint. Not for stateful
        ``callbacks``, which start anew, nor for searches and cross-validation, whose fits would
        share it; use a ``CachedClassifier`` there.
    warm_start : bool, default=False
        Whether ``fit`` starts from the weights of the last fit. With fewer than half as many
        images it adapts the network, at the lower learning rate of :meth:`partial_fit`.
    verbose : int, default=0
        1 prints a line per epoch and, in a terminal or notebook, shows a progress bar.
    random_state : int, RandomState instance or None, default=None
        Seeds the weights, the hold-out, the order of the images, dropout and augmentation. An
        int makes fits reproducible to the bit on one machine.
    **model_parameters
        Arguments of ``model``, with the prefix ``model__``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    image_shape_ : tuple of int, (height, width, channels)
        Shape of one image.
    n_features_in_ : int
        Values per sample: height × width × channels.
    feature_names_in_ : ndarray of shape (n_features,)
        Column names, if X was a data frame with string names.
    model_ : keras.Model
        The network, from images to logits; a ``keras.Sequential`` except for ensembles. With the
        parameter ``model``, what that returned, which may give probabilities. Layers
        with ``trainable = False`` stay unchanged in further training, and weights may be set;
        a network with other layers or settings is refused.
    history_ : dict of lists of float
        ``loss`` and ``accuracy`` over all training images, each as of its last step;
        ``learning_rate`` of the last step; and, with validation data, ``val_loss`` and
        ``val_accuracy``. One value per epoch.
    resolved_params_ : dict
        What the parameters that were "auto" or "short" meant in the last fit: ``epochs``,
        ``batch_size``, ``augmentation``, ``early_stopping`` and ``patience``, as far as they were.
    n_iter_ : int
        Epochs run.
    best_epoch_ : int
        The epoch, counted from 1, whose weights are kept.

    See Also
    --------
    mnist_estimator.make_pipeline : The classifier behind an ``ImageScaler``.

    Notes
    -----
    The class derives from ``scikeras.wrappers.KerasClassifier`` but has its own constructor,
    checks, training and prediction. No global generator, seed or setting of Python, NumPy, Keras
    or TensorFlow is changed; only ``random_state=None`` draws a seed from NumPy's global
    generator, as everywhere in scikit-learn.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from mnist_estimator import CNNClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> clf = CNNClassifier(epochs=3, random_state=0).fit(X[:1000], y[:1000])
    >>> bool(clf.score(X[1000:], y[1000:]) > 0.9)
    True
    """

    classes_: NDArray[Any]
    image_shape_: tuple[int, int, int]
    _value_range: tuple[float, float, float]
    _network: Network | NumpyNetwork
    """The config and ``model_``; a ``NumpyNetwork`` if unpickled in a forked process."""
    _training_state: TrainingState
    _training_data: dict[str, Any]
    """Fingerprints of X and y of the first training, and how often it went on with how many."""
    _n_learned: int
    """Training images of the largest finished fit."""
    _unbuilt: dict[str, Any]
    """In a forked process, in place of ``model_``: the state that was unpickled."""

    _parameter_constraints: dict[str, list[Any]] = {  # noqa: RUF012  scikit-learn's own form
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "batch_norm": ["boolean"],
        "ensemble_size": [Interval(Integral, 1, None, closed="left")],
        "model": [callable, None],
        "epochs": [Interval(Integral, 1, None, closed="left"), StrOptions(set(PLANS))],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "schedule": [StrOptions(set(SCHEDULES)), callable],
        "optimizer": [StrOptions(set(OPTIMIZERS)), keras.Optimizer, type],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "hard_fraction": [Interval(Real, 0, 1, closed="right")],
        "augmentation": [StrOptions({"auto", *AUGMENTATIONS}), Mapping, callable, None],
        "test_time_shift": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
        "precision": [StrOptions({"auto", "float32", "bfloat16", "float64"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "early_stopping": ["boolean", StrOptions({"auto"})],
        "patience": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "class_weight": [StrOptions({"balanced"}), Mapping, None],
        "warm_start": ["boolean"],
        "callbacks": [list, tuple, None],
        "checkpoint_dir": [str, os.PathLike, None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    @suggest_names
    def __init__(
        self,
        *,
        image_shape: Sequence[int] | None = None,
        filters: Sequence[int | Sequence[int]] = (16, (48, 48), 96),
        kernel_size: int | Sequence[int] = (5, 3),
        dense_units: Sequence[int] = (),
        dropout: float = 0.3,
        batch_norm: bool = True,
        ensemble_size: int = 1,
        model: Callable[..., Any] | None = None,
        epochs: int | str = "auto",
        batch_size: int | str = "auto",
        learning_rate: float = 0.01,
        schedule: str | Callable[[float], float] = "one_cycle",
        optimizer: Any = "muon",
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        label_smoothing: float = 0.0,
        hard_fraction: float = 0.25,
        augmentation: str | Mapping[str, float] | Callable[..., Any] | None = "auto",
        test_time_shift: int | str = "auto",
        precision: str = "auto",
        validation_fraction: float = 0.03,
        early_stopping: bool | str = "auto",
        patience: int | str = "auto",
        class_weight: Mapping[Any, float] | str | None = None,
        callbacks: Sequence[Any] | None = None,
        checkpoint_dir: str | os.PathLike[str] | None = None,
        warm_start: bool = False,
        verbose: int = 0,
        random_state: Any = None,
        **model_parameters: Any,
    ) -> None:
        self.image_shape = image_shape
        self.filters = filters
        self.kernel_size = kernel_size
        self.dense_units = dense_units
        self.dropout = dropout
        self.batch_norm = batch_norm
        self.ensemble_size = ensemble_size
        self.model = model
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.optimizer = optimizer
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.label_smoothing = label_smoothing
        self.hard_fraction = hard_fraction
        self.augmentation = augmentation
        self.test_time_shift = test_time_shift
        self.precision = precision
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.patience = patience
        self.class_weight = class_weight
        self.callbacks = callbacks
        self.checkpoint_dir = checkpoint_dir
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state
        self.__dict__.update(model_parameters)

    @with_callbacks
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
    ) -> Self:
        """Train a network on images.

        Ctrl-C stops training after the current step; the classifier is then fitted with what was
        learned so far, with a warning. A checkpoint stays as of the last finished epoch, and the
        same call resumes from there.

        Parameters
        ----------
        X : array-like of shape (n, pixels), (n, height, width) or (n, height, width, channels)
            Images, of any numeric dtype; best with values of the order of 1.
        y : array-like of shape (n,)
            Class labels, of two classes or more.
        sample_weight : array-like of shape (n,), default=None
            Weights of the images, from 0 up. None: all 1.
        X_val, y_val : array-like, default=None
            Validation data, used instead of a part of X and y. In a pipeline, pass
            ``Pipeline(..., transform_input=["X_val"])`` to have them scaled too.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X is empty, holds NaN, infinity or strings, or its rows are not images; if y holds
            one class, continuous values or another number of rows; if weights are negative; if a
            parameter is out of range; if ``checkpoint_dir`` holds the checkpoint of another fit,
            or a damaged one.
        TypeError
            If a parameter has a wrong type, or X is sparse.
        FloatingPointError
            If training diverges.
        OSError
            Before training, if ``checkpoint_dir`` does not exist, is not writable, is full, or is
            in use by another fit.
        """
        self._check_parameters()
        if (X_val is None) != (y_val is None):
            missing = "X_val" if X_val is None else "y_val"
            raise ValueError(f"{missing} is None; pass both X_val and y_val, or neither.")
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        call = {"estimator": self, "X": X, "y": y, "metadata": metadata}
        goes_on = self.warm_start and hasattr(self, "model_")
        with (
            self._rollback_on_error(goes_on),
            open_checkpoint(self.checkpoint_dir) as checkpoint,
        ):
            samples = self._check_data(X, y, sample_weight, new=not goes_on)
            held_out = None if X_val is None else self._check_validation(X_val, y_val)
            seed = self._draw_seed(checkpoint)
            n_images = len(samples.images)
            adapts = goes_on and is_adaptation(n_images, self._n_learned, whole_fit=True)
            data = self._prepare(samples, held_out, seed, new=not goes_on, adapts=adapts)
            choices = self._choose(data, adapts=adapts)
            task = self._init_callback_context(max_subtasks=choices.epochs)
            task.call_on_fit_task_begin(**call)
            if goes_on:
                self._check_config()
            else:
                self._build(data.training, seed)
            if checkpoint:
                network, state = self._current_network(), self._training_state
                start = state.variables(network)
                checkpoint.identify(identity_of(self, seed, samples, held_out, network, start))
            self._record_training_data(X, samples)
            tasks = EpochTasks(task, call, self._fitted_attributes)
            finished = self._train(
                data, seed, choices, whole_fit=True, tasks=tasks, checkpoint=checkpoint
            )
            if finished:
                self._n_learned = max(self._n_learned, len(data.training))
            if not self.warm_start:  # later training starts with fresh moments, as in a copy
                self._training_state = TrainingState.start(self._current_network())
            task.call_on_fit_task_end(**call, reconstruction_attributes=dict)
            if checkpoint and finished:
                checkpoint.remove()
        return self

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Continue training for one pass over the images.

        The learning rate is constant and nothing is held out. After a finished ``fit`` the
        network is adapted, so that it does not forget: the rate is ``learning_rate`` times the
        loss of these images, relative to that of uniform probabilities, times B / (B + 128) for
        steps of B images; batch normalization uses the running statistics of the fit.

        Parameters
        ----------
        X : array-like of shape (n, pixels), (n, height, width) or (n, height, width, channels)
            Images.
        y : array-like of shape (n,)
            Class labels.
        classes : array-like of shape (n_classes,), default=None
            All class labels that will occur; required in the first call.
        sample_weight : array-like of shape (n,), default=None
            Weights of the images, from 0 up. None: all 1.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            As :meth:`fit`, and if ``classes`` is missing in the first call or differs later, or y
            holds another label; if all layers of ``model_`` are frozen, or it has other layers
            than when it was built.
        """
        self._check_parameters()
        first = not hasattr(self, "model_")
        if first and classes is None:
            raise ValueError(
                "classes must be passed on the first call to partial_fit: the labels of all "
                "classes that will occur, such as np.unique(y_all). Got None."
            )
        known: NDArray[Any] | None = getattr(self, "classes_", None)
        given = None if classes is None else check_classes(classes)
        if known is not None and given is not None and not np.array_equal(known, given):
            raise ValueError(
                f"classes={shown(given)} is not the same as on the first call to partial_fit: "
                f"{shown(known)}. Leave classes out, or start with a new classifier."
            )
        with self._rollback_on_error(not first):
            samples = self._check_data(X, y, sample_weight, new=first, classes=given)
            data = prepare(samples, self.classes_, self.class_weight)
            seed = self._draw_seed()
            if first:
                self._build(data.training, seed)
            else:
                self._check_config()
            self._record_training_data(X, samples)
            choices = self._choose(data, adapts=True)._replace(epochs=1)
            self._train(data, seed, choices, whole_fit=False)
        return self

    def initialize(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Build the network without training it.

        Parameters
        ----------
        X, y : array-like
            As for :meth:`fit`.

        Returns
        -------
        self
        """
        self._check_parameters()
        with self._rollback_on_error(False):
            images, labels, _ = self._check_data(X, y, None, new=True)
            weights = np.ones(len(images))
            self._build(Images.from_arrays(images, labels, weights), self._draw_seed())
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n, pixels), (n, height, width) or (n, height, width, channels)
            Images of the shape seen in ``fit``, of any numeric dtype.

        Returns
        -------
        ndarray of shape (n, n_classes), float64
            In the order of ``classes_``; rows sum to 1.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            If X is empty, holds NaN, infinity or strings, or its images have
            another shape than those of ``fit``.
        FloatingPointError
            If a logit is not finite.
        """
        check_is_fitted(self)
        images = check_images(self, X, reset=False)
        allowed = {"test_time_shift": self._parameter_constraints["test_time_shift"]}
        given = {"test_time_shift": self.test_time_shift}
        validate_parameter_constraints(allowed, given, caller_name=type(self).__name__)
        shift = resolve_shift(self.test_time_shift, self.image_shape_)
        network = self._network if "_unbuilt" in vars(self) else self._current_network()
        return predict_probabilities(network, images, shift)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable class labels.

        Parameters
        ----------
        X : array-like of shape (n, pixels), (n, height, width) or (n, height, width, channels)
            Images of the shape seen in ``fit``, of any numeric dtype.

        Returns
        -------
        ndarray of shape (n,)
            Of the dtype of ``classes_``.

        Raises
        ------
        NotFittedError, ValueError
            As :meth:`predict_proba`.
        """
        # First, since it checks that the classifier is fitted and has classes_.
        probabilities = self.predict_proba(X)
        labels: NDArray[Any] = self.classes_[probabilities.argmax(axis=1)]
        return labels

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the accuracy on images with labels.

        Parameters
        ----------
        X : array-like of shape (n, pixels), (n, height, width) or (n, height, width, channels)
            Images of the shape seen in ``fit``, of any numeric dtype.
        y : array-like of shape (n,)
            True labels, in any form that ``fit`` accepts.
        sample_weight : array-like of shape (n,), default=None
            Weights of the images. None: all 1.

        Returns
        -------
        float in [0, 1]

        Raises
        ------
        NotFittedError, ValueError
            As :meth:`predict_proba`, and if y does not hold the labels of these images.
        """
        true, predicted = as_numpy_labels(y), self.predict(X)
        if sample_weight is not None:  # scaled, as their sum may overflow
            weights = check_weights(sample_weight, predicted)
            sample_weight = weights / (weights.max() or 1.0)
        with np.errstate(invalid="ignore"):  # some floats exceed all integers
            accuracy: float = accuracy_score(true, predicted, sample_weight=sample_weight)
            return accuracy

    def _check_parameters(self) -> None:
        if is_cut_off():
            check_process("Training")
        self._validate_params()
        check_image_shape(self.image_shape)
        if not (callable(self.augmentation) or self.augmentation == "auto"):
            resolve_augmentation(self.augmentation)
        check_sizes(self.filters, self.kernel_size, self.dense_units)
        check_builder(self)
        if not isinstance(self.optimizer, str):
            signature = inspect.signature(CNNClassifier).parameters
            defaults = {name: parameter.default for name, parameter in signature.items()}
            check_optimizer(self.optimizer, self.get_params(deep=False), defaults)

    def _check_data(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        *,
        new: bool,
        classes: NDArray[Any] | None = None,
    ) -> Samples:
        """Check images and labels; set, or compare, the shape of the images and the classes."""
        images, y = check_images(self, X, y, reset=new, image_shape=self.image_shape)
        check_targets(y)
        if new:
            classes = np.unique(y) if classes is None else classes
            if len(classes) < 2:
                raise ValueError(
                    f"y holds one class, {classes.tolist()[0]!r}; CNNClassifier needs two classes "
                    "or more. Check how y was made, or whether a split has left a class out."
                )
            self.classes_ = classes
        elif hasattr(self, "_value_range"):  # versions before 0.7 did not save it
            learned = extend_value_range(ValueRange(*self._value_range), images)
            self._value_range = (*learned,)
        return Samples(images, self._encode_labels(y, "y"), sample_weight)

    def _check_validation(self, X_val: Any, y_val: Any) -> Samples:
        """Check validation data given by the user."""
        with prefix_errors("X_val"):
            images = check_images(self, X_val, reset=False, name="X_val")
        y_val = column_or_1d(as_numpy_labels(y_val, "y_val"), warn=True)
        assert_all_finite(y_val, input_name="y_val")
        check_consistent_length(images, y_val)
        return Samples(images, self._encode_labels(y_val, "y_val"))

    def _encode_labels(self, y: NDArray[Any], name: str) -> NDArray[np.int64]:
        """Return the indices of labels among the classes; refuse unknown labels."""
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(
                f"{name} holds labels that are not among the classes: {shown(unknown)}; known are "
                f"{shown(self.classes_)}. Leave these rows out, or fit on data that hold every "
                "class."
            )
        return np.searchsorted(self.classes_, y)

    def _prepare(
        self, samples: Samples, held_out: Samples | None, seed: int, *, new: bool, adapts: bool
    ) -> TrainingData:
        """Weigh and split the data of a fit."""
        fewest = 0 if adapts else fewest_held_out_of(self.epochs, self.early_stopping)
        data = prepare(
            samples,
            self.classes_,
            self.class_weight,
            validation=held_out,
            validation_fraction=self.validation_fraction if self.early_stopping else None,
            fewest=fewest,
            seed=seed,
        )
        if new and len(np.unique(data.training.labels)) < 2:
            raise ValueError(
                "sample_weight leaves fewer than two classes with a weight above 0; "
                "CNNClassifier needs two classes or more. Give rows of another class a weight."
            )
        return data

    def _choose(self, data: TrainingData, *, adapts: bool) -> Choices:
        """Return what "auto" means for these data."""
        n_training, has_validation = len(data.training), data.validation is not None
        return choose(self, data.n_given, n_training, has_validation=has_validation, adapts=adapts)

    @contextlib.contextmanager
    def _rollback_on_error(self, goes_on: bool) -> Iterator[None]:
        """Restore attributes and, if training goes on, the network's weights if the block fails."""
        restore = None
        if goes_on:
            network = self._current_network()
            network.check()
            restore = self._training_state.snapshot(network)
        try:
            with unchanged_on_failure(self):
                yield
        except BaseException:
            if restore is not None:
                restore()
            raise

    def _draw_seed(self, checkpoint: Checkpoint | None = None) -> int:
        """Draw a seed from ``random_state``; without one, take that of the fit to be resumed."""
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        if checkpoint and checkpoint.seed is not None and self.random_state is None:
            return checkpoint.seed
        return seed

    def _build(self, training: Images, seed: int) -> None:
        """Build the network, with initial weights and the statistics of the images."""
        builder = Builder.of(self)
        if builder is None:
            config = self._wanted_config()
            config.check_fit()
            self._network = Network.build(config, seed)
            self._network.standardize(*channel_statistics(training))
        else:
            dtype = resolve_precision(self.precision)[0]
            self._network = builder.build(self, len(training), dtype, seed)
            self._built_with = builder.arguments
        self.model_ = self._network.model
        self._training_state = TrainingState.start(self._network)
        self.history_: History = {}
        self.n_iter_ = self.best_epoch_ = self._n_learned = 0

    def _record_training_data(self, X: Any, samples: Samples) -> None:
        """Keep what identifies the data of the first training; count later calls and images."""
        if self.n_iter_ == 0:
            self._training_data = {
                "X": source_fingerprint(X, samples.images),
                "y": fingerprint(self.classes_[samples.labels]),
                "further_calls": 0,
                "further_images": 0,
            }
            return
        known = getattr(  # versions before 0.7 kept nothing
            self, "_training_data", {"X": None, "y": None, "further_calls": 0, "further_images": 0}
        )
        self._training_data = known | {
            "further_calls": known["further_calls"] + 1,
            "further_images": known["further_images"] + len(samples.images),
        }

    def _current_network(self) -> Network:
        """Return the network around ``model_``, which users may have replaced."""
        model = self.model_
        if not isinstance(self._network, Network) or self._network.model is not model:
            self._network = Network(self._network.config, model)
        return self._network

    def _wanted_config(self) -> NetworkConfig:
        """Return the architecture that the parameters describe."""
        return NetworkConfig(
            image_shape=self.image_shape_,
            n_classes=len(self.classes_),
            filters=self.filters,
            kernel_size=self.kernel_size,
            dense_units=self.dense_units,
            dropout=float(self.dropout),
            batch_norm=bool(self.batch_norm),
            compact=True,
            ensemble_size=int(self.ensemble_size),
            dtype=resolve_precision(self.precision)[0],
        )

    def _check_config(self) -> None:
        """Refuse to train a network that the parameters no longer describe."""
        if isinstance(self._network.config, KerasConfig):
            built_with = getattr(self, "_built_with", None)  # not known of a copy
            builder = Builder.of(self)
            given = built_with if builder is None else builder.arguments
            if built_with is not None and given != built_with:
                raise ValueError(
                    f"The arguments of model were {shown(built_with)} when the network was built, "
                    f"which is to be trained further, and are {shown(given)}. Set them back, or "
                    "fit with warm_start=False."
                )
            return
        changed = changed_parameters(self._network.config, self._wanted_config())
        if changed:
            raise ValueError(
                f"{', '.join(changed)} changed since the network was built, which is to be trained "
                "further. Set them back, or fit with warm_start=False."
            )

    def _train(
        self,
        data: TrainingData,
        seed: int,
        choices: Choices,
        *,
        whole_fit: bool,
        tasks: EpochTasks | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> bool:
        """Train the network, and set the fitted attributes; return whether it was finished."""
        network = self._current_network()
        options = self._training_options(network, data.training, seed, choices, whole_fit=whole_fit)
        callbacks = [copy_callback(callback) for callback in self.callbacks or ()]
        if tasks is not None:
            callbacks.append(tasks)
        if self.callbacks and checkpoint:
            checkpoint.warn_of_callbacks(stacklevel=3)
        reporter = ProgressReporter() if self.verbose else None
        if reporter is not None:
            callbacks.append(reporter)
        try:
            result = train(network, data, options, self._training_state, callbacks, checkpoint)
        finally:
            if reporter is not None:
                reporter.close()
        for name, value in self._fitted_attributes(result.history, result.best_epoch).items():
            setattr(self, name, value)
        self.resolved_params_ = choices.of(self)
        if result.interrupted:
            best = ", the best so far" if data.validation and options.patience else ""
            note = checkpoint.resume_note() if checkpoint else "With warm_start=True, fit goes on."
            warnings.warn(
                f"Training was interrupted in epoch {self.n_iter_}; the classifier is fitted with "
                f"the weights of epoch {self.best_epoch_}{best}. {note}",
                ConvergenceWarning,
                stacklevel=3,
            )
        return not result.interrupted

    def _training_options(
        self, network: Network, training: Images, seed: int, choices: Choices, *, whole_fit: bool
    ) -> TrainingOptions:
        """Return how to train: a whole fit or one pass, adapting a fitted network or not."""
        frozen = network.frozen()
        rate, schedule = own_rate(self.optimizer, float(self.learning_rate), self.schedule)
        adapts = is_adaptation(len(training), self._n_learned, whole_fit=whole_fit)
        if adapts:
            rate *= rate_share(network, training, choices.batch_size)
            frozen = frozen._replace(statistics=(True,) * network.n_batch_norms())
        return TrainingOptions(
            epochs=choices.epochs,
            batch_size=choices.batch_size,
            learning_rate=rate,
            schedule=schedule if whole_fit else "constant",
            label_smoothing=float(self.label_smoothing),
            hard_fraction=float(self.hard_fraction),
            patience=choices.patience if choices.early_stopping else None,
            recalibrate=whole_fit and not adapts,
            seed=seed,
            step=self._step_options(choices.augmentation, frozen),
        )

    def _step_options(self, augmentation: Any, frozen: Frozen = NOTHING_FROZEN) -> StepOptions:
        """Return what the training step is traced for, besides the config."""
        users, amounts = None, None
        if callable(augmentation):
            users = augmentation
        else:
            amounts = resolve_augmentation(augmentation, self.image_shape_)
        rule: Optimizer | KerasOptimizer
        if isinstance(self.optimizer, str):
            # The scale of a kernel matters where no batch normalization follows it.
            rescale = bool(self.batch_norm) and Builder.of(self) is None
            rescale = rescale and not any(frozen.statistics)
            rule = Optimizer(self.optimizer, float(self.beta_1), float(self.beta_2), rescale)
        else:
            rule = KerasOptimizer.of(instance_of(self.optimizer))
        return StepOptions(
            bfloat16=resolve_precision(self.precision)[1],
            optimizer=rule,
            augmentation=None if amounts is None else tuple(sorted(amounts.items())),
            users_augmentation=users,
            frozen=frozen.weights,
            fixed_statistics=frozen.statistics,
        )

    def _fitted_attributes(self, history: History, best_epoch: int | None = None) -> dict[str, Any]:
        """Return ``history_``, ``n_iter_`` and ``best_epoch_`` after epochs of this history."""
        n_before, n_epochs = self.n_iter_, len(history["loss"])
        return {
            "history_": {  # what is not known of an epoch is NaN
                name: self.history_.get(name, [math.nan] * n_before)
                + history.get(name, [math.nan] * n_epochs)
                for name in self.history_ | history
            },
            "n_iter_": n_before + n_epochs,
            "best_epoch_": n_before + (best_epoch or n_epochs),
        }

    def __getstate__(self) -> dict[str, Any]:
        """Return a state of plain types and arrays: weights in place of the network."""
        state = super().__getstate__().copy()
        for name in ("model_", "_network", "_training_state", "_built_with"):
            state.pop(name, None)
        if "model_" in vars(self):
            network = self._current_network()
            network.check_quickly()
            state |= network_state(network, self._training_state)
        if "_unbuilt" in state:
            state |= state.pop("_unbuilt")
        is_fitted = "classes_" in state
        classes: dict[str, Any] = {}
        for name in ("optimizer", "schedule"):
            classes |= classes_of(state.get(name))
            state[name] = to_plain(state.get(name))
        state |= {"_custom_classes": classes} if classes else {}
        state["callbacks"] = picklable_callbacks(state.get("callbacks"), is_fitted=is_fitted)
        written: dict[str, Any] = state | {"_written_by": __version__}
        return written

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Rebuild the network from a state that this or an earlier version has written.

        Raises
        ------
        ValueError
            If a newer version wrote the state, or the weights do not fit the network.
        """
        state = dict(state)
        check_version(state.pop("_written_by", "0"))
        architecture = state.pop("_architecture", None)
        network = {name: state.pop(name) for name in NETWORK_STATE if name in state}
        parameters = inspect.signature(type(self)).parameters
        defaults = {  # older versions had fewer parameters
            name: parameter.default
            for name, parameter in parameters.items()
            if parameter.default is not parameter.empty
        } | {"optimizer": "adam"}  # the only one up to 0.5
        classes = state.pop("_custom_classes", None) or {}
        for name in ("optimizer", "schedule"):
            if name in state:
                state[name] = from_plain(state[name], classes)
        super().__setstate__(defaults | state)
        if "_weights" not in network:
            return
        if is_cut_off():
            config, weights, _ = check_network_state(architecture, network)
            self._network = NumpyNetwork(config, weights)
            self._unbuilt = network | {"_architecture": architecture}
        else:
            self._network, self._training_state = restore_network(architecture, network)
            self.model_ = self._network.model
        if isinstance(self._network.config, KerasConfig) and Builder.of(self) is None:
            # From a file, which holds no functions.
            self.model = RebuiltModel(self._network.config)
            for name in [name for name in vars(self) if name.startswith(ROUTED)]:
                delattr(self, name)
        # Up to 0.6 it was not saved; without moments, the last training was a finished fit.
        is_finished = state.get("n_iter_", 0) > 0 and "_n_steps" not in network
        self._n_learned = state.get("_n_learned", sys.maxsize if is_finished else 0)
        config = self._network.config
        if (len(self.classes_), self.image_shape_) != (config.n_classes, config.image_shape):
            raise ValueError(
                "The state names other classes or another image shape than its network has. "
                f"{REMEDY}"
            )

    def __sklearn_clone__(self) -> Self:
        """Clone as scikit-learn does, but also callbacks that cannot be copied as a whole."""
        bare = object.__new__(type(self))
        bare.__dict__.update(vars(self), callbacks=None, optimizer="muon")
        twin: Self = super(CNNClassifier, bare).__sklearn_clone__()
        twin.callbacks = clone_callbacks(self.callbacks)
        twin.optimizer = copy_optimizer(self.optimizer)
        return twin

    def __getattr__(self, name: str) -> Any:
        """Explain why there is no ``model_`` in a forked process."""
        if name == "model_" and "_unbuilt" in vars(self):
            check_process("A Keras model")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
