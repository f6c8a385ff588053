"""The page of a report: what it shows, that it needs no other file, and how it is written."""

import base64
import io
import re
from html.parser import HTMLParser

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from stand_ins import Fixed, fixed

from mnist_estimator.evaluation import _html, evaluate, occlusion_map

HISTORY = {"loss": [0.9, 0.5], "accuracy": [0.7, 0.8], "val_loss": [0.8, 0.6]}
HISTORY["val_accuracy"] = [0.72, 0.81]


class Page(HTMLParser):
    """The page's text, tags and attributes; checks that what is opened is closed."""

    EMPTY = frozenset({"meta", "img", "br", "path", "use", "rect"})

    def __init__(self, text):
        super().__init__()
        self.words, self.tags, self.attributes, self.open = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []
        self.text = " ".join(" ".join(self.words).split())

    def values_of(self, tag, name):
        return [value for *found, value in self.attributes if found == [tag, name]]

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attributes]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attributes]

    def handle_endtag(self, tag):
        if tag not in self.EMPTY:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.words.append(data)


def random_proba(n_samples, n_classes):
    return np.random.default_rng(0).dirichlet(np.ones(n_classes), n_samples)


def test_page_holds_the_numbers(report, tmp_path):
    path = report.to_html(tmp_path / "page.html", title="Digits & more")
    page = Page(path.read_text("utf-8"))
    assert "Digits & more" in page.text
    percent = "\N{NARROW NO-BREAK SPACE}%"
    low, high = report.accuracy_interval
    for number in (report.accuracy, low, high, report.ece):
        assert f"{100 * number:.2f}{percent}" in page.text.replace(" %", percent)
    for number in (report.f1.weighted, report.f1.macro, report.log_loss, *report.per_class["f1"]):
        assert f"{number:.4f}" in page.text
    assert "LogisticRegression" in page.text
    assert "Learning curves" not in page.text
    assert page.tags.count("table") == 4
    first = report.top_confusions.to_dict("records")[0]
    assert f"{first['true']} {first['predicted']} {first['count']}" in page.text


def test_page_needs_nothing_beside_it(all_digits, tmp_path):
    X, y = all_digits
    model = Fixed(range(10), history=HISTORY).fit(X, y)
    page = Page(evaluate(model, X, y).to_html(tmp_path / "page.html").read_text("utf-8"))
    links = [value for _, name, value in page.attributes if name in ("src", "href", "xlink:href")]
    assert links
    assert all(link.startswith(("data:image/png;base64,", "#")) for link in links)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    style = (tmp_path / "page.html").read_text("utf-8")
    assert "@import" not in style
    assert "url(http" not in style


def test_page_shows_learning_curves_in_its_own_colours(tmp_path):
    proba = random_proba(30, 2)
    report = evaluate(fixed(proba, [0, 1], history=HISTORY), proba, np.zeros(30, int))
    text = report.to_html(tmp_path / "page.html").read_text("utf-8")
    page = Page(text)
    assert page.tags.count("svg") == 4
    assert "The weights of epoch 2 of 2 were kept." in page.text
    assert "best epoch (2)" in page.text
    labels = [
        value for tag, name, value in page.attributes if (tag, name) == ("figure", "aria-label")
    ]
    assert labels[0].startswith("Loss by epoch, 2 in all: training from 0.9000 to 0.5000")
    drawing = text[text.index("<svg") : text.rindex("</svg>")]
    assert "var(--blue)" in drawing
    assert set(re.findall(r"#[0-9a-f]{6}\b", drawing)) == set()


def test_page_shows_mistakes_as_images(all_digits, model, report, tmp_path):
    page = Page(report.to_html(tmp_path / "page.html", n_images=7).read_text("utf-8"))
    captions = [alt for alt in page.values_of("img", "alt") if "true label" in alt]
    assert len(captions) == 7
    assert f"7 of {len(report.mistakes):,}, by falling confidence" in page.text
    first = report.mistakes[0]
    assert captions[0] == (
        f"Row {first} of the test data: true label {report.y_true[first]}, "
        f"predicted {report.y_pred[first]}"
    )
    assert f"{100 * report.confidence[first]:.1f}" in page.text
    sources = zip(page.values_of("img", "alt"), page.values_of("img", "src"), strict=True)
    source = next(source for alt, source in sources if alt == captions[0])
    pixels = matplotlib.image.imread(io.BytesIO(base64.b64decode(source.split(",")[1])))
    expected = report.images[0] / report.images.max()
    assert np.allclose(pixels, expected, atol=1 / 255)


def test_page_shows_how_far_confidence_can_be_trusted(report, tmp_path):
    page = Page(report.to_html(tmp_path / "page.html").read_text("utf-8"))
    assert page.tags.count("svg") == 2
    labels = page.values_of("figure", "aria-label")
    assert labels[0].startswith("Accuracy by confidence in 15 bins; they differ by ")
    at_90 = report.coverage[report.coverage["coverage"] <= 0.9].iloc[-1]
    assert f"{100 * at_90['accuracy']:.2f}" in labels[1]
    assert f"{at_90['threshold']:.4f}" in page.text


def test_page_shows_examples_of_confused_pairs(report, tmp_path):
    page = Page(report.to_html(tmp_path / "page.html", n_images=0).read_text("utf-8"))
    assert "Examples of the most confused pairs" in page.text
    true, predicted = report.top_confusions.loc[0, ["true", "predicted"]]
    rows = report.examples_of(true, predicted)
    assert (report.y_true[rows] == true).all()
    assert (report.y_pred[rows] == predicted).all()
    assert len(rows) == min(8, report.top_confusions.loc[0, "count"])
    assert (np.diff(report.confidence[rows]) <= 0).all()
    titles = page.values_of("img", "title")
    assert titles[: len(rows)] == [f"row {row}" for row in rows]
    assert f"true {true} , predicted {predicted}" in page.text


def test_page_shows_suspected_label_errors(all_digits, model, tmp_path):
    X, y = all_digits[0][300:], all_digits[1][300:].copy()
    planted = np.flatnonzero(model.predict_proba(X).max(axis=1) > 0.9)[:9]
    y[planted] = (y[planted] + 1) % 10
    report = evaluate(model, X, y)
    found = report.label_errors
    assert set(planted) <= set(found["row"])
    row = int(found.loc[0, "row"])
    assert np.array_equal(report.examples[row], X[row].reshape(8, 8))
    page = Page(report.to_html(tmp_path / "page.html").read_text("utf-8"))
    first = found.iloc[0]
    words = (
        f"Row {first['row']} of the test data: labelled {first['label']}, "
        f"perhaps {first['suggested']}"
    )
    assert words in page.values_of("img", "alt")
    assert len([alt for alt in page.values_of("img", "alt") if "labelled" in alt]) == 12
    assert f"12 of {len(found)} samples" in page.text


def test_page_shows_what_was_looked_at(all_digits, model, tmp_path):
    X, y = all_digits[0][300:], all_digits[1][300:]
    report = evaluate(model, X, y, n_occlusion_maps=3)
    assert list(report.occlusion_maps) == report.mistakes[:3].tolist()
    row = int(report.mistakes[0])
    assert np.array_equal(report.occlusion_maps[row], occlusion_map(model, X[row]))
    page = Page(report.to_html(tmp_path / "page.html").read_text("utf-8"))
    shown = [alt for alt in page.values_of("img", "alt") if alt.startswith("What speaks for")]
    assert shown == [
        f"What speaks for {label} in it" for label in report.y_pred[report.mistakes[:3]]
    ]
    assert "Occlusion maps" in page.text
    with pytest.raises(ValueError, match="n_occlusion_maps must be a whole number from 0 to 40"):
        evaluate(model, X, y, n_occlusion_maps=41)


def test_page_stays_small(tmp_path):
    """10,000 samples with 2,000 mistakes: what is shown does not grow with them."""
    generator = np.random.default_rng(0)
    X = generator.random((10_000, 784))
    model = fixed(X, range(10))
    y = np.where(generator.random(10_000) < 0.2, 0, model.predict(X))
    report = evaluate(model, X, y, n_occlusion_maps=2)
    assert report.to_html(tmp_path / "page.html").stat().st_size < 1_000_000


def test_page_escapes_labels_and_title(tmp_path):
    proba = random_proba(40, 3)
    names = np.array(["<b>", "a&b", "<script>alert(1)</script>"])
    model = fixed(proba, names)
    report = evaluate(model, proba, names[np.arange(40) % 3])
    page = Page(report.to_html(tmp_path / "page.html", title="<i>x</i>").read_text("utf-8"))
    assert not {"script", "i"} & set(page.tags)
    assert page.tags.count("b") == 0  # there are no images, whose captions have some
    assert "<b>" in page.text
    assert "<i>x</i>" in page.text


def test_page_without_a_mistake_says_so(tmp_path):
    proba = np.eye(2)
    report = evaluate(fixed(proba, [0, 1]), proba, [0, 1])
    page = Page(report.to_html(tmp_path / "page.html").read_text("utf-8"))
    assert page.text.count("None: every sample was predicted correctly.") == 2


def test_page_is_the_same_each_time(all_digits, tmp_path):
    X, y = all_digits
    model = Fixed(range(10), history=HISTORY).fit(X, y)
    pages = [evaluate(model, X, y).to_html(tmp_path / name).read_bytes() for name in "ab"]
    assert pages[0] == pages[1]


def test_page_leaves_matplotlib_as_it_was(tmp_path):
    proba = random_proba(30, 2)
    report = evaluate(fixed(proba, [0, 1], history=HISTORY), proba, np.zeros(30, int))
    with matplotlib.rc_context({"axes.facecolor": "#123456", "text.usetex": True}):
        before = dict(matplotlib.rcParams)
        text = report.to_html(tmp_path / "page.html").read_text("utf-8")
        assert dict(matplotlib.rcParams) == before
    assert "#123456" not in text
    assert plt.get_fignums() == []


def test_page_appears_whole_or_not_at_all(report, tmp_path, monkeypatch):
    path = tmp_path / "page.html"
    path.write_text("old")

    def fail(*arguments, **keywords):
        raise RuntimeError("rendering failed")

    with monkeypatch.context() as patch:
        patch.setattr(_html, "_confusion_cells", fail)
        with pytest.raises(RuntimeError, match="rendering failed"):
            report.to_html(path)
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", fail)
        with pytest.raises(RuntimeError, match="rendering failed"):
            report.to_html(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    assert report.to_html(str(path)) == path
    assert path.read_text("utf-8").startswith("<!doctype html>")
    assert list(tmp_path.iterdir()) == [path]


def test_page_in_a_folder_that_is_missing_error_names_it(report, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*nowhere'\. Create it"):
        report.to_html(tmp_path / "nowhere" / "page.html")
    with pytest.raises(IsADirectoryError, match="path must name a file; got the folder"):
        report.to_html(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("n_images", [-1, 101, "5"])
def test_page_with_a_wrong_number_of_images(report, tmp_path, n_images):
    kind = TypeError if n_images == "5" else ValueError
    with pytest.raises(kind, match="n_images must be a whole number from 0 to 100; got"):
        report.to_html(tmp_path / "page.html", n_images=n_images)
