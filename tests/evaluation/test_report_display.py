"""A report in a figure and in a notebook."""

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from stand_ins import HISTORY, fixed
from test_html import Page, random_proba

from mnist_estimator import RejectingClassifier, evaluate
from mnist_estimator.evaluation import EvaluationReportDisplay


@pytest.fixture
def with_history():
    proba = random_proba(60, 3)
    return evaluate(fixed(proba, [0, 1, 2], history=HISTORY), proba, np.arange(60) % 3)


def test_the_figure_holds_what_the_report_has(report):
    display = report.plot()
    assert isinstance(display, EvaluationReportDisplay)
    assert list(display.axes_) == ["confusion", "mistakes", "calibration", "coverage"]
    assert np.array_equal(display.displays_["confusion"].confusion_matrix, report.confusion)
    assert display.displays_["confusion"].ax_ is display.axes_["confusion"]
    mistakes = display.displays_["mistakes"]
    assert mistakes.indices.tolist() == report.mistakes[:9].tolist()
    first = report.mistakes[0]
    assert mistakes.titles[0].startswith(f"true: {report.y_true[first]}\npredicted:")
    assert np.allclose(mistakes.images_[0].get_array(), report.images[0])
    filled = report.calibration[report.calibration["count"] > 0]
    drawn = display.displays_["calibration"].line_.get_ydata()
    assert np.array_equal(drawn, filled["accuracy"])
    assert display.axes_["confusion"].get_title().startswith("Accuracy ")
    assert display.figure_ in map(plt.figure, plt.get_fignums())


def test_the_figure_has_learning_curves(with_history):
    display = with_history.plot()
    assert {"loss", "accuracy"} < set(display.axes_)
    assert "mistakes" not in display.axes_  # rows of three numbers are no images
    assert display.displays_["history"].lines_["loss"].get_ydata().tolist() == HISTORY["loss"]


def test_the_figure_may_be_given(with_history):
    figure = plt.figure()
    left, _ = figure.subfigures(1, 2)
    assert with_history.plot(left).figure_ is left
    assert plt.get_fignums() == [figure.number]


def test_labels_are_no_formulas(tmp_path):
    proba = random_proba(20, 2)
    names = np.array(["$a_1$ and more", "$\\frac$"])
    display = evaluate(fixed(proba, names), proba, names[np.arange(20) % 2]).plot()
    labels = [label.get_text() for label in display.axes_["confusion"].get_xticklabels()]
    assert labels == sorted(names.tolist())
    display.figure_.savefig(tmp_path / "figure.png")  # a formula would not parse


def test_a_report_without_a_mistake_or_probabilities(all_digits):
    X, y = all_digits
    model = fixed(np.eye(10), range(10))
    report = evaluate(model, np.hstack([X, np.eye(10)[y]]), y)
    assert report.plot().axes_.keys() == {"confusion", "calibration", "coverage"}
    assert "None: every sample was predicted correctly." in Page(report._repr_html_()).text


def test_a_notebook_shows_the_main_parts(report):
    text = report._repr_html_()
    page = Page(text)
    assert page.tags.count("table") == 2
    assert page.tags.count("svg") == 2
    assert page.tags.count("img") == 16
    assert "Calibration and coverage" in page.text
    assert f"16 of {len(report.mistakes)}" in page.text
    for number in (report.f1.weighted, *report.per_class["f1"]):
        assert f"{number:.4f}" in page.text
    sources = page.values_of("img", "src")
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert not {"script", "link", "iframe", "html", "body"} & set(page.tags)
    # Several reports in one notebook: no identifier but those of equal drawings.
    assert [name for tag, name, _ in page.attributes if name == "id" and tag == "section"] == []
    assert text == report._repr_html_()


def test_a_notebook_has_no_style_for_what_is_not_the_report(report):
    text = report._repr_html_()
    style = text[text.index("<style>") + 7 : text.index("</style>")]
    outside, depth = "", 0
    for character in style:
        depth += (character == "{") - (character == "}")
        outside += character if depth == 0 else ""
    assert outside.replace("}", "").strip() == ".mnist-report"


def test_a_notebook_shows_learning_curves(with_history):
    page = Page(with_history._repr_html_())
    assert page.tags.count("svg") == 4
    assert "Learning curves, calibration and coverage" in page.text
    assert "mistakes" not in " ".join(page.values_of("section", "aria-label")).lower()


def test_a_notebook_escapes_labels():
    proba = random_proba(40, 3)
    names = np.array(["<b>", "a&b", "<script>alert(1)</script>"])
    page = Page(evaluate(fixed(proba, names), proba, names[np.arange(40) % 3])._repr_html_())
    assert not {"script", "b"} & set(page.tags)
    assert "<b>" in page.text


def test_a_notebook_shows_rejections(all_digits, model):
    X, y = all_digits
    rejecting = RejectingClassifier(model, error_rate=0.1, cv="prefit")
    report = evaluate(rejecting.fit(X[300:900], y[300:900]), X[900:], y[900:])
    assert report.n_rejected
    page = Page(report._repr_html_())
    assert "Accuracy of answered samples" in page.text
    assert f"{report.n_rejected} of {report.n_samples} samples" in page.text
    assert report.plot().axes_["confusion"].get_title().startswith("Accuracy")


def test_the_page_without_a_path_is_its_text(report, tmp_path):
    text = report.to_html(title="Digits")
    assert text == report.to_html(tmp_path / "page.html", title="Digits").read_text("utf-8")
    with pytest.raises(ValueError, match="n_images"):
        report.to_html(n_images=101)
