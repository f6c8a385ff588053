"""Keras models of a config: ensembles, seeds, roles."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mnist_estimator.network._architecture import NetworkConfig
from mnist_estimator.network._build import batch_norms_of, build, members_of
from mnist_estimator.network._sublayers import all_layers

CONFIG = NetworkConfig((8, 8, 1), 3, filters=(4, 6), kernel_size=3)


def test_an_ensemble_answers_with_the_mean_of_its_members_logits():
    model = build(NetworkConfig((28, 28, 1), 10, filters=(4, (6, 8)), ensemble_size=3), seed=1)
    images = np.random.default_rng(0).normal(size=(5, 28, 28, 1)).astype(np.float32)
    model.get_layer("standardize").set_weights([np.ones(1), 4 * np.ones(1)])
    members = members_of(model)
    assert len(members) == 3
    answers = [np.asarray(member((images - 1) / 2)) for member in members]
    assert not np.allclose(answers[0], answers[1], atol=0.1)
    assert_allclose(model(images), np.mean(answers, axis=0), atol=1e-5)
    assert members_of(members[0]) == [members[0]]


def test_seed_decides_the_weights():
    one, same, other = (build(CONFIG, seed=seed) for seed in (1, 1, 2))
    assert_array_equal(one.get_weights()[3], same.get_weights()[3])
    kernels = [model.get_layer("conv1_1").kernel.numpy() for model in (one, other)]
    assert not np.array_equal(*kernels)


@pytest.mark.parametrize("image_shape", [(8, 8, 1), (28, 28, 3)])
@pytest.mark.parametrize("ensemble_size", [1, 2])
def test_models_of_all_roles_have_the_same_variables_in_the_same_order(image_shape, ensemble_size):
    config = replace(CONFIG, image_shape=image_shape, ensemble_size=ensemble_size, dense_units=(5,))
    reference, *others = (build(config, role, seed=1) for role in ("reference", "train", "predict"))
    assert all(map(np.array_equal, reference.get_weights(), others[0].get_weights()))
    for model in others:
        for one, other in zip(reference.variables, model.variables, strict=True):
            assert (one.name, one.shape) == (other.name, other.shape)


def test_a_model_for_training_has_the_logits_of_each_member_apart():
    config = replace(CONFIG, ensemble_size=2)
    images = np.zeros((3, 8, 8, 1), np.float32)
    assert [logits.shape for logits in build(config, "train")(images)] == [(3, 3), (3, 3)]
    assert build(config)(images).shape == (3, 3)


def test_layers_of_an_ensemble_are_those_of_its_members_in_turn():
    standardize, *names = [layer.name for layer in all_layers(build(CONFIG))]
    ensemble = build(replace(CONFIG, ensemble_size=2))
    members = [["member1", *names], ["member2", *names]]
    found = [layer.name for layer in all_layers(ensemble)]
    assert found == [standardize, *members[0], *members[1], "logits"]
    assert [layer.name for layer in batch_norms_of(ensemble)] == 2 * ["norm1_1", "norm2_1"]
