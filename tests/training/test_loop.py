"""The training loop: the schedules of the learning rate, and the state between calls."""

import numpy as np
from numpy.testing import assert_array_equal

from mnist_estimator.network._architecture import NetworkConfig
from mnist_estimator.network._functions import StepOptions
from mnist_estimator.network._network import Network
from mnist_estimator.network._optimizers import Optimizer
from mnist_estimator.training._data import Images, TrainingData
from mnist_estimator.training._loop import TrainingOptions, TrainingState, train


def options(**changed):
    return TrainingOptions(
        **{
            "epochs": 2, "batch_size": 8, "learning_rate": 0.01, "schedule": "constant",
            "label_smoothing": 0.0, "hard_fraction": 1.0, "patience": None, "recalibrate": True,
            "seed": 0, "step": StepOptions(False, Optimizer("adam", 0.9, 0.99, False), None),
        }
        | changed
    )  # fmt: skip


def network_and_data():
    generator = np.random.default_rng(0)
    images = Images.from_arrays(
        generator.normal(size=(24, 8, 8, 1)), np.arange(24) % 3, np.ones(24)
    )
    network = Network.build(NetworkConfig((8, 8, 1), 3, filters=(4,), kernel_size=3))
    return network, TrainingData(images, images, len(images))


def test_training_counts_its_steps_and_tells_of_each_epoch():
    network, data = network_and_data()
    state = TrainingState.start(network)
    result = train(network, data, options(), state)
    assert state.n_steps == 6
    assert result.best_epoch == 2
    assert not result.interrupted
    names = {"loss", "accuracy", "learning_rate", "val_loss", "val_accuracy"}
    assert {name: len(values) for name, values in result.history.items()} == dict.fromkeys(names, 2)
    logits = network.logits(data.validation)
    correct = logits.argmax(axis=1) == data.validation.labels
    assert result.history["val_accuracy"][-1] == correct.mean()


def test_a_snapshot_brings_back_weights_moments_and_the_count_of_steps():
    network, data = network_and_data()
    state = TrainingState.start(network)
    train(network, data, options(), state)
    before = [variable.numpy() for variable in state.variables(network)]
    restore = state.snapshot(network)
    train(network, data, options(), state)
    after = [variable.numpy() for variable in state.variables(network)]
    assert not all(map(np.array_equal, before, after))
    restore()
    assert state.n_steps == 6
    for variable, value in zip(state.variables(network), before, strict=True):
        assert_array_equal(variable.numpy(), value)
