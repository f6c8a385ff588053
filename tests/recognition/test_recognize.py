"""The parameters of recognize, and what its result holds."""

import html.parser
import json
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.neighbors import KNeighborsClassifier

from mnist_estimator import RejectingClassifier, RotationWarning, recognize
from mnist_estimator.recognition import Recognition
from mnist_estimator.recognition._groups import Separator, find_groups
from mnist_estimator.recognition._rotation import ROTATIONS, choose_rotation, turn, turn_boxes_back


@pytest.fixture(scope="module")
def reader(mnist):
    """A classifier that is not always sure, which rotation="auto" needs."""
    return KNeighborsClassifier(3).fit(*mnist)


class Counting(ClassifierMixin, BaseEstimator):
    """Count the calls of a classifier."""

    def __init__(self, inner):
        self.inner = inner
        self.calls = []
        self.classes_, self.n_features_in_ = inner.classes_, 784

    def fit(self, X, y):
        return self

    def predict(self, X):
        return self.inner.predict(X)

    def predict_proba(self, X):
        self.calls.append(len(X))
        return self.inner.predict_proba(X)


def page_of(mnist, *lines, space=30):
    """Return a page with a line of MNIST's digits for each line of rows; None is a gap."""
    X, _ = mnist
    blank = np.zeros((56, 3 * space), np.uint8)
    rows = []
    for line in lines:
        parts = [blank if row is None else np.kron(X[row].reshape(28, 28), np.ones((2, 2)))
                 for row in line]  # fmt: skip
        rows.append(np.hstack(parts))
    width = max(row.shape[1] for row in rows)
    rows = [np.pad(row, ((10, 10), (0, width - row.shape[1]))) for row in rows]
    return np.pad(255 - np.vstack(rows), 15, constant_values=255).astype(np.uint8)


@pytest.mark.parametrize("rotation", [0, "auto"])
def test_classifier_is_called_once(rotation, mnist, reader):
    counting = Counting(reader)
    page = page_of(mnist, range(5), range(5, 10))
    found = recognize(counting, page, rotation=rotation)
    assert len(counting.calls) == 1
    assert counting.calls[0] >= len(found) * (4 if rotation == "auto" else 1)
    assert_array_equal(found.labels, recognize(reader, page).labels)


@pytest.mark.parametrize("rotation", ROTATIONS)
def test_boxes_are_turned_back(rotation):
    generator = np.random.default_rng(rotation)
    picture = np.zeros((30, 50), int)
    top, left = generator.integers(0, 20, 2)
    picture[top : top + 7, left : left + 4] = 1
    turned = turn(picture, rotation)
    rows, columns = np.nonzero(turned)
    box = np.array([[rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]])
    assert turn_boxes_back(box, rotation, picture.shape).tolist() == [
        [top, left, top + 7, left + 4]
    ]


@pytest.mark.parametrize("rotation", ROTATIONS)
def test_turned_page_gives_the_text_and_boxes_of_the_upright_one(rotation, mnist, reader):
    page = page_of(mnist, range(5), range(5, 10))
    upright = recognize(reader, page)
    turned = turn(page, -rotation % 360)
    for asked in (rotation, "auto"):
        found = recognize(reader, turned, rotation=asked)
        assert (found.text, found.rotation) == (upright.text, rotation)
        assert found.rotation_is_sure
        assert found.picture.shape == turned.shape
        for digit in found:
            top, left, bottom, right = digit.box
            ink = turned[top:bottom, left:right] < 255
            assert all(edge.any() for edge in (ink[0], ink[-1], ink[:, 0], ink[:, -1]))


def test_unclear_rotation_is_flagged(mnist, reader):
    with pytest.warns(RotationWarning, match="clearly upright") as caught:
        found = recognize(reader, page_of(mnist, [8]) * 0 + _bar(), rotation="auto")
    assert caught[0].filename == __file__
    assert (found.rotation, found.rotation_is_sure) == (0, False)


def _bar():
    """Return a page with a bar, which looks the same upside down."""
    bar = np.full((106, 86), 255)
    bar[25:80, 40:46] = 0
    return bar


def test_the_clearly_most_confident_rotation_is_chosen():
    low, high = np.full(6, 0.5), np.full(6, 0.99)
    assert choose_rotation([low, low, high, low]) == (2, True)
    assert choose_rotation([low, high, high, low]) == (0, False)
    assert choose_rotation([np.empty(0)] * 4) == (0, True)
    assert choose_rotation([None] * 4) == (0, False)


def test_region_keeps_the_pixels_of_the_picture(mnist, reader):
    page = page_of(mnist, range(4), range(4, 8))
    whole = recognize(reader, page)
    middle = page.shape[0] // 2
    region = (middle, 0, *page.shape)
    part = recognize(reader, page, region=region)
    assert part.text == whole.text.splitlines()[1]
    assert_array_equal(part.boxes, whole.boxes[whole.lines == 1])
    assert part.picture.shape == whole.picture.shape
    turned = recognize(reader, turn(page, 180), region=(0, 0, middle, page.shape[1]), rotation=180)
    assert turned.text == part.text


def test_polarity_is_as_said(mnist, reader):
    page = page_of(mnist, range(4))
    text = recognize(reader, page).text
    assert recognize(reader, page, polarity="dark_on_light").text == text
    assert recognize(reader, 255 - page, polarity="light_on_dark").text == text
    assert recognize(reader, page, polarity="light_on_dark").text != text


def test_gaps_are_spaces_and_uniform_ones_are_not(mnist, reader):
    _, y = mnist
    found = recognize(reader, page_of(mnist, [0, 1, None, 2, 3, 4, None, 5]))
    words = [y[:2], y[2:5], y[5:6]]
    assert found.text == " ".join("".join(map(str, word)) for word in words)
    assert found.texts == ["".join(map(str, y[:6]))]
    assert found.groups.tolist() == [0, 0, 1, 1, 1, 2]
    boxes = np.array([[0, 60 * i, 40, 60 * i + 28] for i in range(6)])
    assert find_groups(boxes, np.zeros(6, int))[0].tolist() == [0] * 6


def test_separators_are_in_the_text_but_no_digits():
    boxes = np.array([[0, 0, 30, 20], [0, 35, 30, 55], [0, 60, 30, 80], [0, 140, 30, 160]])
    marks = [
        Separator(",", (26, 25, 34, 30), 0),
        Separator("-", (14, 105, 17, 115), 0),
    ]
    found = Recognition(
        np.array([3, 1, 4, 7]), None, None, boxes, np.zeros(4, int),
        np.zeros((4, 28, 28), np.uint8), np.ones((40, 170)), separators=marks,
    )  # fmt: skip
    assert found.text == "3,14 - 7"
    assert found.texts == ["3147"]
    assert len(found) == 4
    groups = found.to_dict()["lines"][0]["groups"]
    assert [len(group["digits"]) for group in groups] == [3, 0, 1]
    assert [mark["character"] for mark in groups[0]["separators"]] == [","]


def test_doubtful_and_rejected_digits_are_marked_by_choice(mnist, reader):
    page = page_of(mnist, range(9))
    plain = recognize(reader, page)
    limit = 0.9
    found = recognize(reader, page, min_confidence=limit)
    below = plain.confidences < limit
    assert 0 < below.sum() < 9
    expected = "".join("?" if low else str(label)
                       for low, label in zip(below, plain.labels, strict=True))  # fmt: skip
    assert found.text == expected
    assert_array_equal(found.doubtful, below)
    assert recognize(reader, page, min_confidence=limit, placeholder="_").text == (
        expected.replace("?", "_")
    )
    assert recognize(reader, page, min_confidence=limit, placeholder=None).text == plain.text
    rejecting = RejectingClassifier(reader, cv="prefit", random_state=0).fit(*mnist)
    rejecting.threshold_ = limit
    for placeholder, text in (("?", None), (None, plain.text)):
        rejected = recognize(rejecting, page, placeholder=placeholder)
        assert rejected.rejected.any()
        assert ("?" in rejected.text) == (placeholder is not None)
        assert text is None or rejected.text == text


def test_items_frame_and_json_say_the_same(mnist, reader):
    found = recognize(reader, page_of(mnist, range(3), range(3, 5)), min_confidence=0.9)
    frame = found.to_frame()
    assert len(found) == len(list(found)) == len(frame) == 5
    for i, digit in enumerate(found):
        row = frame.iloc[i]
        assert (row["label"], row["line"], row["group"]) == (digit.label, digit.line, digit.group)
        assert (*row[["top", "left", "bottom", "right"]],) == digit.box
    assert found[-1].box == found[4].box
    with pytest.raises(IndexError):
        found[5]
    values = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    digits = [digit for line in values["lines"] for group in line["groups"]
              for digit in group["digits"]]  # fmt: skip
    assert [digit["box"] for digit in digits] == found.boxes.tolist()


def test_html_has_the_picture_and_a_box_for_each_digit(mnist, reader):
    found = recognize(reader, page_of(mnist, range(3)))
    found.labels = np.array(["<a>", "b", "c"])
    page = found._repr_html_()
    seen = []
    parser = html.parser.HTMLParser()
    parser.handle_starttag = lambda tag, attributes: seen.append(tag)
    parser.feed(page)
    assert (seen.count("rect"), seen.count("image"), seen.count("a")) == (3, 1, 0)
    assert "data:image/" in page


@pytest.mark.parametrize(
    ("parameters", "error", "words"),
    [
        ({"rotation": 45}, ValueError, "rotation must be 0, 90, 180, 270"),
        ({"rotation": None}, TypeError, "rotation must be"),
        ({"rotation": True}, TypeError, "rotation must be"),
        ({"polarity": "dim"}, ValueError, "polarity must be 'auto'"),
        ({"polarity": 1}, TypeError, "polarity must be"),
        ({"min_confidence": 1.5}, ValueError, "min_confidence must be None or a number from 0"),
        ({"min_confidence": float("nan")}, ValueError, "min_confidence must be"),
        ({"min_confidence": "high"}, TypeError, "min_confidence must be"),
        ({"placeholder": 0}, TypeError, "placeholder must be None or a str"),
        ({"region": (0, 0, 10)}, ValueError, "region must be None or"),
        ({"region": (5, 0, 5, 9)}, ValueError, "region must be None or"),
        ({"region": (0, 0, 5.0, 9)}, TypeError, "region must be None or"),
        ({"region": (0, 0, 10, 10_000)}, ValueError, "region must be inside the picture of"),
    ],
)
def test_bad_parameters_are_named(parameters, error, words, mnist, reader):
    with pytest.raises(error, match=words):
        recognize(reader, page_of(mnist, [0]), **parameters)


def test_min_confidence_needs_probabilities(mnist):
    from sklearn.svm import LinearSVC

    X, y = mnist
    svc = LinearSVC(max_iter=50, tol=1.0).fit(X[:200], y[:200])
    with pytest.raises(TypeError, match="CalibratedClassifierCV"):
        recognize(svc, page_of(mnist, [0]), min_confidence=0.5)
    assert len(recognize(svc, page_of(mnist, [0, 1]))) == 2


def test_a_predictor_is_recognized_with_without_the_heavy_packages(mnist, small_pipeline, tmp_path):
    from mnist_estimator import save

    X, y = mnist
    save(small_pipeline(epochs=1).fit(X, y), tmp_path / "a.pipeline")
    np.save(tmp_path / "page.npy", page_of(mnist, range(3)))
    script = (
        "import sys, numpy as np; from mnist_estimator import load_predictor, recognize;"
        "found = recognize(load_predictor(sys.argv[1]), np.load(sys.argv[2]), rotation='auto');"
        "assert len(found) == 3; found.to_image(); found._repr_html_();"
        "heavy = 'sklearn', 'pandas', 'tensorflow', 'matplotlib';"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, tmp_path / "a.pipeline",
         tmp_path / "page.npy"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"
