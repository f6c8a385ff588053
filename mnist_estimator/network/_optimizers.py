"""How a training step changes the weights: Muon for kernels of convolutions, Adam for the rest."""

from collections.abc import Sequence
from typing import NamedTuple

from ..utils._quiet_tensorflow import tf

OPTIMIZERS = ("muon", "adam")

Moments = tuple[tf.Variable, tf.Variable]
"""What an optimizer remembers of a weight, both of its shape: Adam's running mean and mean
square of the gradient; Muon's running sum of the gradients, and nothing."""

MOMENTUM = 0.6
"""Share of Muon's running sum that stays from one step to the next."""

KERNEL_RATE = 10.0
"""Muon's learning rate as a multiple of Adam's."""

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the iteration that makes a matrix orthogonal."""
N_ITERATIONS = 3


class Optimizer(NamedTuple):
    """How to update weights; hashable, since a training step is traced for it.

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
        Whether Muon brings a kernel to a root mean square of 1 an output, before it updates
        it: a step then always turns it by the same share. Only for kernels whose
        scale makes no difference, as before batch normalization.
    """

    name: str
    beta_1: float
    beta_2: float
    rescale: bool

    def update(
        self,
        weights: Sequence[tf.Variable],
        moments: Sequence[Moments],
        gradients: Sequence[tf.Tensor],
        number: tf.Tensor,
        learning_rate: tf.Tensor,
    ) -> None:
        """Take a step, in place.

        Keras's optimizers own their state and cannot be given another's (``stateless_apply``
        is refused on TensorFlow), so one would hold the variables of one estimator for as
        long as the traced function is kept.

        Parameters
        ----------
        weights : sequence of tf.Variable
            To be updated. Kernels of convolutions are the ones of four dimensions.
        moments : sequence of pairs of tf.Variable
            Two a weight, of its shape; updated, too.
        gradients : sequence of tf.Tensor
            One a weight.
        number : tf.Tensor, int32
            Counts the steps from 1.
        learning_rate : tf.Tensor
            Of the dtype of the weights.
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
    """Take a step of Muon with Nesterov's momentum."""
    running = total.assign(MOMENTUM * total + gradient)
    ahead = gradient + MOMENTUM * running
    # Column by column an output: all that one filter multiplies stands in one column.
    matrix = tf.reshape(ahead, [-1, kernel.shape[-1]])
    step = tf.reshape(orthogonalize(matrix), kernel.shape)
    value = tf.convert_to_tensor(kernel)
    if rescale:
        value *= kernel.shape[-1] ** 0.5 / (tf.norm(value) + 1e-7)
    kernel.assign(value - KERNEL_RATE * learning_rate * step)


def orthogonalize(matrix: tf.Tensor) -> tf.Tensor:
    """Bring the singular values of a matrix near 1, and leave its singular vectors.

    By a few Newton–Schulz iterations with the quintic polynomial of K. Jordan's Muon: what
    is not far below the largest singular value comes to between about 0.5 and 1.5.

    Parameters
    ----------
    matrix : tf.Tensor of shape (m, n)
        Any; of zeros comes zeros.

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
