"""What "auto" means by the number of images: the rule, and what a fit makes of it."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits

from mnist_estimator import CNNClassifier, make_pipeline
from mnist_estimator.training import _few_images
from mnist_estimator.training._few_images import PLANS, Plan, choose, fewest_held_out_of

TINY = {"filters": (4,), "kernel_size": 3, "random_state": 0}


@pytest.fixture(scope="module")
def scaled():
    """Return 200 images of 8×8 pixels in [0, 1], and their labels."""
    X, y = load_digits(return_X_y=True)
    return X[:200] / 16, y[:200]


@pytest.fixture
def short_plans(monkeypatch):
    """Let few images take few epochs, so that a fit takes a second."""
    plans = {"auto": Plan(2, 2 * 4096, 40), "short": Plan(1, 10_000, 20)}
    monkeypatch.setattr(_few_images, "PLANS", plans)


def seen_and_steps(n_images, **parameters):
    """Return the images seen in a fit on so many, and its training steps."""
    choices = choose(CNNClassifier(**parameters), n_images, n_images)
    steps = choices.epochs * -(-n_images // choices.batch_size)
    return choices.epochs * n_images, steps


@pytest.mark.parametrize("epochs", ["auto", "short"])
@pytest.mark.parametrize("n_images", [2, 10, 100, 300, 1000, 2000, 4000, 9999])
def test_few_images_are_seen_often_enough_in_a_bounded_number_of_steps(epochs, n_images):
    plan = PLANS[epochs]
    seen, steps = seen_and_steps(n_images, epochs=epochs)
    assert seen >= plan.n_seen or steps >= plan.n_steps
    n_epochs = seen // n_images
    less = n_epochs - 1
    assert n_epochs == plan.epochs or (
        less * n_images < plan.n_seen and less * steps / n_epochs < plan.n_steps
    )


@pytest.mark.parametrize("n_images", [4096, 10_000, 60_000])
def test_many_images_are_trained_on_as_before(n_images):
    choices = choose(CNNClassifier(), n_images, n_images, has_validation=True)
    assert choices == (22, min(512, -(-n_images // 32)), "robust", True, 10)
    if n_images >= 10_000:
        assert choose(CNNClassifier(epochs="short"), n_images, n_images).epochs == 2


@pytest.mark.parametrize("epochs", ["auto", "short"])
def test_the_rule_begins_without_a_step(epochs):
    enough = PLANS[epochs].enough
    clf = CNNClassifier(epochs=epochs)
    below, there = (choose(clf, n, n).epochs for n in (enough - 1, enough))
    assert (below, there) == (PLANS[epochs].epochs + 1, PLANS[epochs].epochs)


def test_explicit_parameters_win():
    given = {"epochs": 3, "patience": 4, "early_stopping": True, "augmentation": None}
    for name, value in given.items():
        chosen = choose(CNNClassifier(**{name: value}), 100, 100)
        assert getattr(chosen, name) == value
    chosen = choose(CNNClassifier(**given, batch_size=20), 100, 97, has_validation=True)
    assert chosen == (3, 20, None, True, 4)
    assert fewest_held_out_of("auto", True) == fewest_held_out_of(5, "auto") == 0


def test_a_number_of_epochs_leaves_the_rest_as_it_is_for_many():
    chosen = choose(CNNClassifier(epochs=5), 100, 97, has_validation=True)
    assert chosen == (5, 8, "robust", True, 10)


def test_an_adaptation_takes_no_more_epochs():
    assert choose(CNNClassifier(), 100, 100, adapts=True).epochs == 22


@pytest.mark.usefixtures("short_plans")
def test_a_fit_says_what_it_did(scaled):
    clf = CNNClassifier(**TINY).fit(*scaled)
    assert clf.resolved_params_ == {
        "epochs": 6, "batch_size": 32, "augmentation": "strong",
        "early_stopping": False, "patience": 30,
    }  # fmt: skip
    assert clf.n_iter_ == clf.best_epoch_ == clf.resolved_params_["epochs"]
    assert "val_loss" not in clf.history_
    assert clone(clf).get_params() == CNNClassifier(**TINY).get_params()


@pytest.mark.usefixtures("short_plans")
def test_a_fit_is_that_of_the_parameters_it_says(scaled):
    clf = CNNClassifier(**TINY).fit(*scaled)
    same = CNNClassifier(**TINY, **clf.resolved_params_).fit(*scaled)
    assert_array_equal(same.predict_proba(scaled[0]), clf.predict_proba(scaled[0]))
    assert same.resolved_params_ == {}


@pytest.mark.usefixtures("short_plans")
def test_rows_without_weight_do_not_count(scaled):
    X, y = scaled
    weights = (np.arange(len(y)) % 2).astype(float)
    weighed = CNNClassifier(**TINY).fit(X, y, sample_weight=weights)
    alone = CNNClassifier(**TINY).fit(X[1::2], y[1::2])
    assert weighed.resolved_params_ == alone.resolved_params_
    assert_array_equal(weighed.predict_proba(X), alone.predict_proba(X))


@pytest.mark.usefixtures("short_plans")
def test_given_validation_data_stop_a_fit_on_few_images(scaled):
    X, y = scaled
    clf = CNNClassifier(**TINY).fit(X[:100], y[:100], X_val=X[100:], y_val=y[100:])
    assert clf.resolved_params_["early_stopping"]
    assert len(clf.history_["val_loss"]) == clf.n_iter_


@pytest.mark.usefixtures("short_plans")
def test_partial_fit_takes_one_epoch_of_the_usual_augmentation(scaled):
    X, y = scaled
    clf = CNNClassifier(**TINY).partial_fit(X[:50], y[:50], classes=np.arange(10))
    assert clf.n_iter_ == 1
    assert clf.resolved_params_["augmentation"] == "robust"


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"epochs": "many"}, "The 'epochs' parameter of CNNClassifier must be"),
        ({"early_stopping": "never"}, "The 'early_stopping' parameter of CNNClassifier must be"),
        ({"patience": "long"}, "The 'patience' parameter of CNNClassifier must be"),
    ],
)
def test_other_words_are_refused(parameters, words, scaled):
    with pytest.raises(ValueError, match=words):
        CNNClassifier(**parameters).fit(*scaled)


@pytest.mark.slow
def test_ten_labels_a_class_are_enough_for_96_percent():
    """On images held back from the training set: the test set takes no part."""
    from mnist_estimator import load_mnist

    X, y = load_mnist("train", return_X_y=True)
    rows = np.concatenate([np.flatnonzero(y[:50_000] == label)[:10] for label in range(10)])
    pipe = make_pipeline(random_state=0).fit(X[rows], y[rows])
    assert pipe.score(X[50_000:], y[50_000:]) > 0.95
