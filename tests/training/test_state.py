"""The state in a pickle or a file: what older versions wrote is read, what does not fit is told."""

import copy
import pickle

import numpy as np
import pytest
import skops.io
from numpy.testing import assert_array_equal
from packaging.version import Version

import mnist_estimator
from mnist_estimator import CNNClassifier

NEWER = f"{Version(mnist_estimator.__version__).major + 1}.0"


def from_state(state):
    """Return a classifier with a state, as pickle makes it."""
    restored = CNNClassifier.__new__(CNNClassifier)
    restored.__setstate__(state)
    return restored


@pytest.mark.parametrize("version", ["0.1.0", "0.3.0.dev1", None])
def test_a_state_of_an_older_version_is_read(fitted, digits, version):
    """One that knew fewer parameters, too; and before 0.2 no version was in it."""
    state = fitted.__getstate__() | {"_written_by": version}
    if version is None:
        del state["_written_by"]
    del state["test_time_shift"], state["hard_fraction"]
    restored = from_state(state)
    assert restored.get_params() == fitted.get_params()
    assert_array_equal(restored.predict_proba(digits[0]), fitted.predict_proba(digits[0]))


def test_a_state_with_moments_that_nobody_needs_is_read(fitted, digits):
    """As up to 0.3.0, where every fit left them in."""
    moments = [(np.zeros(w.shape, "f"),) * 2 for w in fitted.model_.trainable_variables]
    restored = from_state(fitted.__getstate__() | {"_moments": moments, "_n_steps": 5})
    assert restored._training_state.n_steps == 5
    assert_array_equal(restored.predict_proba(digits[0]), fitted.predict_proba(digits[0]))


@pytest.mark.parametrize("state", ["fitted", "unfitted"])
def test_a_newer_version_is_refused_by_every_reader(fitted, monkeypatch, state):
    original = fitted if state == "fitted" else CNNClassifier()
    with monkeypatch.context() as patch:
        patch.setattr("mnist_estimator.classifier.__version__", NEWER)
        pickled, dumped = pickle.dumps(original), skops.io.dumps(original)
    words = rf"written by version {NEWER} of mnist_estimator, and this is .* Upgrade mnist_est"
    with pytest.raises(ValueError, match=words):
        pickle.loads(pickled)
    with pytest.raises(ValueError, match=words):
        skops.io.loads(dumped, trusted=skops.io.get_untrusted_types(data=dumped))


def test_weights_of_another_network_are_told(fitted):
    state = fitted.__getstate__()
    architecture = dict(state["_architecture"]) | {"filters": (8, 17)}
    with pytest.raises(ValueError, match=r"A weight does not fit .* \(3, 3, 8, 17\) is due, the"):
        from_state(state | {"_architecture": tuple(architecture.items())})


@pytest.mark.slow
def test_the_optimizer_is_in_the_state_where_training_goes_on(small, digits):
    X, y = digits
    large = {"filters": (32, 64), "epochs": 1}
    fitted, warm = (small(**large, warm_start=warm).fit(X, y) for warm in (False, True))
    weights = sum(weight.nbytes for weight in fitted.model_.get_weights())
    assert len(pickle.dumps(fitted)) < 1.2 * weights
    assert 2.5 * weights < len(pickle.dumps(warm)) < 3.2 * weights
    assert 2.5 * weights < len(pickle.dumps(copy.deepcopy(fitted).partial_fit(X, y)))
    assert len(pickle.dumps(warm.set_params(warm_start=False).fit(X, y))) < 1.2 * weights


def test_what_goes_on_after_a_fit_starts_anew_in_the_copy_and_in_the_original(small, digits):
    X, y = digits
    original = small(epochs=1).fit(X, y)
    copied = pickle.loads(pickle.dumps(original))
    for estimator in (original, copied):
        estimator.set_params(warm_start=True).fit(X, y)
    assert_array_equal(copied.predict_proba(X), original.predict_proba(X))


@pytest.mark.parametrize("size", [0, -1, 2.0, "2", True, None, 10**9])
def test_an_ensemble_of_another_size_is_refused(fitted, size):
    state = fitted.__getstate__()
    architecture = dict(state["_architecture"]) | {"ensemble_size": size}
    wrong = r"sizes of the network are (out of range|not readable)|A weight does not fit"
    with pytest.raises(ValueError, match=wrong):
        from_state(state | {"_architecture": tuple(architecture.items())})


def test_states_from_before_ensembles_are_single_networks(fitted, digits):
    state = fitted.__getstate__()
    architecture = dict(state["_architecture"])
    assert architecture.pop("ensemble_size") == 1
    older = {name: value for name, value in state.items() if name != "ensemble_size"}
    read = from_state(older | {"_architecture": tuple(architecture.items())})
    assert read.ensemble_size == 1
    assert_array_equal(read.predict_proba(digits[0]), fitted.predict_proba(digits[0]))
