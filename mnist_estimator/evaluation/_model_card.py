"""``model_card``: what is known of a model, as a Markdown document."""

import html
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..utils._output_files import PIPELINE_FILE
from ..utils._templates import load_template
from ..utils._wording import shown
from ._model_info import ModelInfo, info_of, printable, read_info

if TYPE_CHECKING:
    from ._report import EvaluationReport

TEMPLATES = Path(__file__).parent / "templates"
N_CONFUSIONS = 5
"""Most pairs of labels that a card names."""

_SPECIAL = re.compile(r"([\\`*_\[\]|~])")


def model_card(pipe_or_path: Any, report: "EvaluationReport | None" = None) -> str:
    """Describe a model as a model card in Markdown (M. Mitchell and others, 2019).

    The sections are those of ``skops.card``: description, intended use and limits, training with
    hyperparameters, evaluation, use, and your own notes.

    Parameters
    ----------
    pipe_or_path : fitted estimator, str or path-like
        A fitted pipeline, or a file as for :func:`~mnist_estimator.read_info`, of which the card
        is made without TensorFlow and scikit-learn.
    report : EvaluationReport, default=None
        What :func:`~mnist_estimator.evaluate` gave. None: the card says that there is none.

    Returns
    -------
    str
        Markdown. Names and texts in the file are escaped: they add no markup.

    Raises
    ------
    TypeError
        If ``pipe_or_path`` is no estimator or path, or ``report`` no report.
    NotFittedError
        If the pipeline is not fitted.
    ValueError, OSError
        As :func:`~mnist_estimator.read_info`.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from mnist_estimator import evaluate, make_pipeline, model_card
    >>> X, y = load_digits(return_X_y=True)
    >>> pipe = make_pipeline(filters=(8,), epochs=1, random_state=0).fit(X[:300], y[:300])
    >>> card = model_card(pipe, evaluate(pipe, X[300:], y[300:]))
    >>> [line for line in card.splitlines() if line.startswith("## ")][:3]
    ['## Model description', '## Intended use and limits', '## Training']
    """
    if report is not None:
        from ._report import EvaluationReport

        if not isinstance(report, EvaluationReport):
            raise TypeError(
                f"report must be what evaluate gave, or None; got {shown(report)}. Pass "
                "report=evaluate(pipe, X_test, y_test)."
            )
    if isinstance(pipe_or_path, str | os.PathLike):
        return card_of(read_info(pipe_or_path), report)
    if not hasattr(pipe_or_path, "get_params") or isinstance(pipe_or_path, type):
        raise TypeError(
            "pipe_or_path must be a fitted pipeline, or the path of a saved one; got "
            f"{shown(pipe_or_path)}."
        )
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(pipe_or_path, msg="The pipeline is not fitted. Call fit before model_card.")
    return card_of(info_of(pipe_or_path), report)


def card_of(info: ModelInfo, report: "EvaluationReport | None" = None) -> str:
    """Return the card of a model.

    Parameters
    ----------
    info : ModelInfo
    report : EvaluationReport, default=None

    Returns
    -------
    str
    """
    rows = info.rows()
    top = [name for name, _ in rows]
    training = rows[top.index("training data") : top.index("parameters")]
    is_digits = info.classes == list(range(10)) and info.image_shape == [28, 28, 1]
    return str(
        load_template(TEMPLATES, "card.md.jinja", {"md": _escaped, "code": _literal}).render(
            title="Digit classifier" if is_digits else "Image classifier",
            description=(
                "A convolutional network for images, trained with mnist_estimator; "
                + ("an ONNX file." if info.kind == "onnx" else "a scikit-learn estimator.")
            ),
            facts=[row for row in rows[: top.index("training data")] if row[0] != "file"],
            value_range=info.value_range,
            is_digits=is_digits,
            training=[row for row in training if info.training_data or info.scores],
            parameters=[
                (name, printable(value)) for name, value in (info.parameters or {}).items()
            ],
            report=report,
            metrics=[] if report is None else _metrics(report),
            per_class=[] if report is None else _per_class(report),
            confusions=[] if report is None else _confusions(report),
            path=Path(info.path).name or PIPELINE_FILE,
            metadata=[(name, printable(value)) for name, value in info.metadata.items()],
        )
    )


def _metrics(report: "EvaluationReport") -> list[tuple[str, str]]:
    low, high = report.accuracy_interval
    rows = [("accuracy", f"{report.accuracy:.4f} (95 % interval {low:.4f} to {high:.4f})")]
    for name in ("precision", "recall", "f1"):
        weighted, macro = getattr(report, name)
        rows.append((name, f"{weighted:.4f} weighted, {macro:.4f} macro"))
    for name, value in (("log loss", report.log_loss), ("calibration error", report.ece)):
        if value is not None:
            rows.append((name, f"{value:.4f}"))
    return rows


def _per_class(report: "EvaluationReport") -> list[list[str]]:
    """Return label, precision, recall, F1 and images of each class; – where undefined."""
    rows = report.to_dict()["per_class"]
    return [
        [
            label,
            *(
                "–" if row[name] is None else f"{row[name]:.4f}"
                for name in ("precision", "recall", "f1")
            ),
            str(int(row["support"])),
        ]
        for label, row in rows.items()
    ]


def _confusions(report: "EvaluationReport") -> list[list[str]]:
    """Return the most frequent mistakes: true and predicted label, images."""
    pairs = report.top_confusions.head(N_CONFUSIONS).to_dict("records")
    return [[str(pair[name]) for name in ("true", "predicted", "count")] for pair in pairs]


def _escaped(value: Any) -> Any:
    """Return a text as Markdown shows it, without markup."""
    from markupsafe import Markup

    text = html.escape(printable(str(value)), quote=False)
    return Markup(_SPECIAL.sub(r"\\\1", text.strip()))


def _literal(value: str) -> Any:
    """Return a text as a string of Python, for a block of code."""
    from markupsafe import Markup

    return Markup(ascii(value).replace("`", "\\x60"))
