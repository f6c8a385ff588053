"""The optimizers: Muon for the kernels of convolutions, Adam for the other weights."""

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..utils._quiet_tensorflow import keras, tf

OPTIMIZERS = ("muon", "adam")

Moments = tuple[tf.Variable, ...]
"""State of an optimizer for a weight, two variables of its shape: Adam's first and second moment;
Muon's momentum buffer, and zeros that are not used. Of Keras's optimizers, all their variables."""

Update = Callable[
    [Sequence[tf.Variable], Sequence[Moments], Sequence[tf.Tensor], tf.Tensor, tf.Tensor], None
]
"""Takes one step in place: weights, moments, a gradient for each weight that learns, number of the
step, and learning rate."""

MOMENTUM = 0.6
"""Muon's momentum: share of the buffer that stays from one step to the next."""

KERNEL_RATE = 10.0
"""Muon's learning rate as a multiple of Adam's."""

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the Newton–Schulz iteration, which orthogonalizes a matrix."""

N_ITERATIONS = 3
"""Iterations per training step."""


def zero_moments(weights: Sequence[tf.Variable]) -> list[Moments]:
    """Return the state of an optimizer before the first step.

    Parameters
    ----------
    weights : sequence of tf.Variable
        The weights to be trained.

    Returns
    -------
    list of pairs of tf.Variable
        One pair per weight, of its shape and dtype.
    """
    return [
        (tf.Variable(tf.zeros_like(weight)), tf.Variable(tf.zeros_like(weight)))
        for weight in weights
    ]


class Optimizer(NamedTuple):
    """A rule that updates weights; hashable, since a training step is traced for it.

    Attributes
    ----------
    name : {"muon", "adam"}
        "adam" updates all weights by Adam (D. Kingma, J. Ba, 2015); "muon" those of
        convolutions by Muon (K. Jordan and others, "Muon: an optimizer for hidden layers in
        neural networks", 2024), with momentum and number of iterations of K. Jordan's
        airbench.
    beta_1, beta_2 : float in [0, 1)
        Decay rates of Adam's two moments.
    rescale : bool
        Whether Muon first scales a kernel to a Frobenius norm of the square root of its
        number of filters, so that each step turns it by the same share. Only for kernels whose
        scale has no effect, as before batch normalization.
    """

    name: str
    beta_1: float
    beta_2: float
    rescale: bool

    def zero_moments(self, weights: Sequence[tf.Variable]) -> list[Moments]:
        """Return the state before the first step; see :func:`zero_moments`."""
        return zero_moments(weights)

    def updater(self, twins: Sequence[keras.Variable], learns: Sequence[bool]) -> Update:
        """Return what takes a step, for a traced function to call.

        Parameters
        ----------
        twins : sequence of keras.Variable
            Variables of the traced network, which correspond to the weights; not used here.
        learns : sequence of bool
            Which weights learn.
        """

        def update(
            weights: Sequence[tf.Variable], moments: Sequence[Moments],
            gradients: Sequence[tf.Tensor], number: tf.Tensor, learning_rate: tf.Tensor,
        ) -> None:  # fmt: skip
            learned = list(itertools.compress(weights, learns))
            own = list(itertools.compress(moments, learns))
            self.update(learned, own, gradients, number, learning_rate)

        return update

    def update(
        self,
        weights: Sequence[tf.Variable],
        moments: Sequence[Moments],
        gradients: Sequence[tf.Tensor],
        number: tf.Tensor,
        learning_rate: tf.Tensor,
    ) -> None:
        """Take one step, in place.

        Keras's optimizers own their state (TensorFlow's backend refuses ``stateless_apply``), so
        a cached traced function would keep the variables of one estimator alive.

        Parameters
        ----------
        weights : sequence of tf.Variable
            Updated. Kernels of convolutions are the ones with four dimensions.
        moments : sequence of pairs of tf.Variable
            From :func:`zero_moments`; updated.
        gradients : sequence of tf.Tensor
            One per weight, of its shape and dtype.
        number : scalar tf.Tensor, int32
            Number of the step, from 1.
        learning_rate : scalar tf.Tensor
            Adam's learning rate, in the dtype of the weights.
        """
        dtype = learning_rate.dtype
        count = tf.cast(number, dtype)
        beta_1, beta_2 = tf.constant(self.beta_1, dtype), tf.constant(self.beta_2, dtype)
        beta_1_power, beta_2_power = tf.pow(beta_1, count), tf.pow(beta_2, count)
        for weight, (first, second), gradient in zip(weights, moments, gradients, strict=True):
            if self.name == "muon" and len(weight.shape) == 4:
                _update_kernel(weight, first, gradient, learning_rate, self.rescale)
                continue
            tf.raw_ops.ResourceApplyAdam(
                var=weight.handle, m=first.handle, v=second.handle,
                beta1_power=beta_1_power, beta2_power=beta_2_power, lr=learning_rate,
                beta1=beta_1, beta2=beta_2, epsilon=tf.constant(1e-7, dtype), grad=gradient,
            )  # fmt: skip


def _update_kernel(
    kernel: tf.Variable,
    total: tf.Variable,
    gradient: tf.Tensor,
    learning_rate: tf.Tensor,
    rescale: bool,
) -> None:
    """Take a step of Muon with Nesterov momentum."""
    running = total.assign(MOMENTUM * total + gradient)
    ahead = gradient + MOMENTUM * running
    # One column per filter, (height * width * channels, filters).
    matrix = tf.reshape(ahead, [-1, kernel.shape[-1]])
    step = tf.reshape(orthogonalize(matrix), kernel.shape)
    value = tf.convert_to_tensor(kernel)
    if rescale:
        value *= kernel.shape[-1] ** 0.5 / (tf.norm(value) + 1e-7)
    kernel.assign(value - KERNEL_RATE * learning_rate * step)


def orthogonalize(matrix: tf.Tensor) -> tf.Tensor:
    """Bring the singular values of a matrix near 1 and keep its singular vectors.

    A few Newton–Schulz iterations with the quintic polynomial of K. Jordan's Muon bring singular
    values that are not far below the largest one to between about 0.5 and 1.5.

    Parameters
    ----------
    matrix : tf.Tensor of shape (m, n)
        Any matrix; zeros stay zeros.

    Returns
    -------
    tf.Tensor of shape (m, n)
    """
    n_rows, n_columns = matrix.shape
    wide = matrix if n_rows <= n_columns else tf.transpose(matrix)
    wide /= tf.norm(wide) + 1e-7
    a, b, c = NEWTON_SCHULZ
    for _ in range(N_ITERATIONS):
        gram = tf.matmul(wide, wide, transpose_b=True)
        wide = a * wide + tf.matmul(b * gram + c * tf.matmul(gram, gram), wide)
    return wide if n_rows <= n_columns else tf.transpose(wide)
