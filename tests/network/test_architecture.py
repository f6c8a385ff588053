"""From sizes to layers: the config, its pairs in files, the shapes of its weights."""

from dataclasses import fields, replace

import keras
import numpy as np
import pytest

from mnist_estimator.network._architecture import NetworkConfig, changed_parameters
from mnist_estimator.network._build import build

CONFIG = NetworkConfig((28, 28, 1), 10, compact=True)


def test_kernel_sizes_of_any_depth():
    model = build(NetworkConfig((28, 28, 1), 10, filters=(2, 3, 4), kernel_size=(5, 3)))
    kernels = [model.get_layer(f"conv{i}_1").kernel_size[0] for i in (1, 2, 3)]
    assert kernels == [5, 3, 3]
    one_stage = build(NetworkConfig((28, 28, 1), 10, filters=(2,)))
    assert one_stage.get_layer("conv1_1").kernel_size == (5, 5)


def test_network_has_the_layers_asked_for():
    model = build(NetworkConfig((28, 28, 1), 10, filters=(4, (6, 8)), dense_units=(12,)))
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds.count("Conv2D") == 3
    assert kinds.count("MaxPooling2D") == 2
    assert kinds.count("Dropout") == 2
    assert kinds.count("Dense") == 2
    assert model.get_layer("conv1_1").kernel_size == (5, 5)
    assert model.get_layer("flatten").output.shape[-1] == 6 * 6 * 8  # (28 - 4) / 2 / 2
    unpadded, padded = (build(NetworkConfig((side, side, 1), 2, filters=(4,))) for side in (16, 15))
    assert unpadded.get_layer("conv1_1").padding == "valid"
    assert padded.get_layer("conv1_1").padding == "same"


@pytest.mark.parametrize(
    ("shape", "sides"),
    [
        ((28, 28, 1), [24, 12, 10, 8, 4, 4]),
        ((20, 20, 1), [16, 8, 6, 4, 4]),  # 4 is under six, and 4 - 3 + 1 under three
        ((64, 64, 3), [60, 30, 28, 26, 13, 11, 5]),
        ((15, 15, 1), [15, 7, 7, 7, 3, 3, 1]),  # as without compact
    ],
)
def test_compact_networks_pad_and_pool_only_while_enough_is_left(shape, sides):
    model = build(NetworkConfig(shape, 2, filters=(4, (6, 6), 8), compact=True))
    kinds = keras.layers.Conv2D | keras.layers.MaxPooling2D
    found = [layer.output.shape[1] for layer in model.layers if isinstance(layer, kinds)]
    assert found == sides


@pytest.mark.parametrize("compact", [True, False])
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (1, 20, 1), (3, 1, 2), (2, 2, 4), (33, 17, 3), (16, 90, 1)]
)
def test_any_image_shape(shape, compact):
    model = build(NetworkConfig(shape, 2, compact=compact))
    assert model(np.zeros((3, *shape), dtype=np.float32)).shape == (3, 2)


def check_weight_shapes(config):
    assert list(config.weight_shapes()) == [tuple(weight.shape) for weight in build(config).weights]


@pytest.mark.parametrize("compact", [True, False])
@pytest.mark.parametrize("kernel_size", [3, (5, 3), 17])
@pytest.mark.parametrize("filters", [(4,), (4, (8, 8)), ((3, 3), 5, 6, 7, 8)])
@pytest.mark.parametrize("image_shape", [(28, 28, 1), (17, 40, 3), (1, 50, 1), (3, 2, 2)])
def test_shapes_foretold_are_those_of_the_network(image_shape, filters, kernel_size, compact):
    """All that the sides of the images depend on, with each other."""
    sizes = {"filters": filters, "kernel_size": kernel_size, "compact": compact}
    check_weight_shapes(NetworkConfig(image_shape, 3, **sizes, dense_units=(6, 5)))


@pytest.mark.parametrize("compact", [True, False])
@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("dense_units", [(), (6, 5)])
@pytest.mark.parametrize("ensemble_size", [1, 3])
def test_shapes_foretold_with_what_changes_no_side(ensemble_size, dense_units, batch_norm, compact):
    config = NetworkConfig(
        (17, 40, 3), 3, filters=(4, (8, 8)), dense_units=dense_units, batch_norm=batch_norm,
        compact=compact, ensemble_size=ensemble_size,
    )  # fmt: skip
    check_weight_shapes(config)


def test_configs_of_equal_sizes_are_one_key_whatever_the_containers():
    given = NetworkConfig(
        [28, 28, 1], np.int64(10), filters=[4, np.array([6, 8])], kernel_size=np.int32(3),
        dense_units=np.array([5]), batch_norm=np.True_,
    )  # fmt: skip
    same = NetworkConfig((28, 28, 1), 10, (4, (6, 8)), 3, (5,))
    assert {given: 1}[same] == 1
    assert type(given.kernel_size) is int
    assert type(given.batch_norm) is bool


def test_pairs_are_sorted_plain_and_come_back():
    config = NetworkConfig((28, 28, 3), 4, filters=(2, (3, 4)), kernel_size=(5, 3), compact=True)
    pairs = config.to_pairs()
    assert [name for name, _ in pairs] == sorted(field.name for field in fields(config))
    assert dict(pairs)["filters"] == (2, (3, 4))
    assert NetworkConfig.from_pairs(pairs) == config


def test_pairs_of_the_first_versions_lack_what_came_later():
    """Their networks were not compact, not ensembles, and of float32."""
    pairs = dict(CONFIG.to_pairs())
    older = {name: pairs[name] for name in pairs.keys() - {"compact", "ensemble_size", "dtype"}}
    assert NetworkConfig.from_pairs(older.items()) == replace(CONFIG, compact=False)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"filters": (-1,)}, "not readable"),
        ({"dense_units": 5}, "not readable"),
        ({"image_shape": (28, 28)}, "not readable"),
        ({"image_shape": (0, 28, 1)}, "out of range"),
        ({"n_classes": "ten"}, "out of range"),
        ({"dropout": 1.0}, "out of range"),
        ({"dropout": "none"}, "not readable"),
        ({"batch_norm": 1}, "out of range"),
        ({"compact": None}, "out of range"),
        ({"ensemble_size": True}, "out of range"),
        ({"dtype": "float16"}, "out of range"),
        ({"unknown": 1}, "out of range"),
    ],
)
def test_damaged_pairs_are_refused(change, words):
    with pytest.raises(ValueError, match=f"sizes of the network are {words}"):
        NetworkConfig.from_pairs((dict(CONFIG.to_pairs()) | change).items())


@pytest.mark.parametrize("name", [field.name for field in fields(NetworkConfig)][:7])
def test_pairs_without_a_size_are_refused(name):
    pairs = dict(CONFIG.to_pairs())
    del pairs[name]
    with pytest.raises(ValueError, match=rf"not readable: .*{name}"):
        NetworkConfig.from_pairs(pairs.items())


def test_changed_parameters_go_by_the_names_of_the_classifier():
    wanted = replace(CONFIG, compact=False, dtype="float64", filters=(3,))
    assert changed_parameters(CONFIG, wanted) == ["filters", "precision"]


def test_all_rates_of_dropout_above_zero_are_traced_as_one():
    rates = [replace(CONFIG, dropout=rate).for_tracing() for rate in (0.0, 0.1, 0.6)]
    assert rates[0] != rates[1]
    assert rates[1] == rates[2]


def test_small_images_are_predicted_in_float64():
    sides = [replace(CONFIG, image_shape=(side, 28, 1)).prediction_dtype for side in (15, 16)]
    assert sides == ["float64", "float32"]


def test_batches_hold_fewer_of_large_images():
    assert CONFIG.batches(5, 2) == [slice(0, 2), slice(2, 4), slice(4, 6)]
    large = replace(CONFIG, image_shape=(1024, 1024, 2))
    assert large.batches(2, 100) == [slice(0, 1), slice(1, 2)]
