"""``model_card``: what it says, and that nothing in a file becomes markup."""

import itertools
import re

import numpy as np
import pytest
from markdown_it import MarkdownIt
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from mnist_estimator import RejectingClassifier, evaluate, make_pipeline, model_card, save, to_onnx

SECTIONS = [
    "Model description", "Intended use and limits", "Training", "Evaluation", "Use",
]  # fmt: skip


@pytest.fixture(scope="module")
def pipe(quick_pipeline, digits):
    """Return a fitted pipeline; tests must not change it."""
    return quick_pipeline(epochs=1).fit(*digits)


@pytest.fixture(scope="module")
def report(pipe, digits):
    """Return its report."""
    return evaluate(pipe, *digits)


def sections(card):
    """Return the headings of second order."""
    return re.findall(r"^## (.*)$", card, re.MULTILINE)


def test_a_card_of_a_pipeline_and_of_its_file_say_the_same(pipe, report, tmp_path):
    save(pipe, tmp_path / "digits.pipeline")
    one, other = model_card(pipe, report), model_card(tmp_path / "digits.pipeline", report)
    assert sections(one) == SECTIONS
    dates = re.compile(r"\| saved \| .* \|")
    assert dates.sub("", one) == dates.sub("", other)


def test_the_evaluation_is_in_the_card(pipe, report):
    card = model_card(pipe, report)
    low, high = report.accuracy_interval
    assert f"| accuracy | {report.accuracy:.4f} (95 % interval {low:.4f} to {high:.4f}) |" in card
    assert f"| log loss | {report.log_loss:.4f} |" in card
    row = report.per_class.loc[3]
    numbers = " | ".join(f"{row[name]:.4f}" for name in ("precision", "recall", "f1"))
    assert f"| 3 | {numbers} | {row['support']:.0f} |" in card
    first = report.top_confusions.iloc[0].astype(int)
    assert f"| {first['true']} | {first['predicted']} | {first['count']} |" in card
    assert "No evaluation was given." in model_card(pipe)


def test_rejections_and_absent_classes(pipe, digits):
    X, y = digits
    rejecting = RejectingClassifier(pipe, error_rate=0.5, cv=2, random_state=0).fit(X, y)
    report = evaluate(rejecting, X[y < 8], y[y < 8])
    card = model_card(rejecting, report)
    assert "nan" not in card.lower()
    assert "| error\\_rate | 0.5 |" in card


def test_the_limits_name_what_mnist_is_not(pipe):
    assert "MNIST" not in model_card(pipe)  # images of 8×8
    images = np.zeros((40, 784), np.uint8)
    images[:, 1] = 255
    mnist = make_pipeline(filters=(4,), epochs=1, random_state=0).fit(images, np.arange(40) % 10)
    assert "those of MNIST" in model_card(mnist)
    assert model_card(mnist).startswith("# Digit classifier\n")


def test_an_onnx_file_has_what_is_known(pipe, tmp_path):
    to_onnx(pipe, tmp_path / "digits.onnx")
    card = model_card(tmp_path / "digits.onnx")
    assert sections(card) == SECTIONS
    assert "load_predictor('digits.onnx')" in card
    assert "Neither the training data nor the scores are in the file." in card
    assert "They are not in the file." in card


def test_texts_in_a_file_add_no_markup(pipe, tmp_path):
    evil = "a | b\n\n# heading\n[link](http://x) <script>alert(1)</script> `code` *em* ![i](x) \\"
    save(pipe, tmp_path / "`a` ''\n```# x.pipeline", metadata={evil: evil})
    card = model_card(tmp_path / "`a` ''\n```# x.pipeline")
    assert sections(card) == [*SECTIONS, "Notes of the author"]
    page = MarkdownIt("commonmark").enable("table").render(card)
    assert not re.search(r"<(script|a|em|img)\b|<code>code", page)
    assert page.count("<h1>") == 1
    assert page.count("<pre>") == 1
    notes = page.split("Notes of the author")[1]
    assert notes.count("<td>") == 2


def test_a_card_is_written_by_the_rules(pipe, report):
    lines = model_card(pipe, report).splitlines()
    assert max(len(line) for line in lines if not line.startswith("|")) <= 120
    assert not any(one == other == "" for one, other in itertools.pairwise(lines))
    assert not any(line != line.rstrip() for line in lines)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ((7,), TypeError, "pipe_or_path must be a fitted pipeline, or the path.*got 7"),
        ((LogisticRegression,), TypeError, "pipe_or_path must be"),
        ((make_pipeline(),), NotFittedError, "Call fit before model_card"),
        (("none.pipeline",), FileNotFoundError, "must name a file that exists"),
    ],
)
def test_other_models_are_refused(given, error, words):
    with pytest.raises(error, match=words):
        model_card(*given)


def test_another_report_is_refused(pipe, report):
    with pytest.raises(TypeError, match=r"report must be what evaluate gave.*report=evaluate\("):
        model_card(pipe, report.to_dict())
