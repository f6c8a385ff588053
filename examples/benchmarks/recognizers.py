"""Compare the recognition of pictures with RapidOCR and Tesseract, by kind.

    pip install rapidocr onnxruntime
    apt-get install tesseract-ocr
    python examples/benchmarks/recognizers.py                     # all kinds: half an hour
    python examples/benchmarks/recognizers.py --kinds plain --pictures 10
    python examples/benchmarks/recognizers.py --folder PICTURES   # see pages.py

Pictures, and when they are right, are those of pages.py; only digits count. What is not installed
is left out. RapidOCR has its default models; pictures that are lower than 100 pixels are enlarged
for it. Tesseract is called with digits as its whitelist, and takes the picture for one block of
text (--psm 6). With all kinds, the tables go to examples/benchmarks/recognizers.csv and
docs/pictures.md. Without --model, the default pipeline learns the 60,000 training images first.
"""

import io
import shutil
import subprocess
import time
import warnings
from collections.abc import Callable, Iterable
from datetime import date
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pages import TURNED, edit_distance, model_of, parser_of, pictures_of, plain_digits
from PIL import Image
from reporting import describe, replace_between, to_markdown
from rich.console import Console
from rich.progress import track

ROOT = Path(__file__).resolve().parents[2]
START, END = "<!-- table of recognizers.py -->", "<!-- end of the table of recognizers.py -->"
LEAST_HEIGHT = 100
"""Lower pictures are enlarged for RapidOCR, in pixels."""
SAME_LINE = 0.5
"""Minimum overlap of the boxes of a line, relative to the lower one."""

Recognizer = Callable[[Any, bool], str]
"""Takes a picture, and whether it may be turned, and returns the text."""


def own(model: Any) -> Recognizer:
    """Return this package's recognizer with a model."""
    from mnist_estimator import RotationWarning, recognize

    def text_of(picture: Any, is_turned: bool) -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RotationWarning)
            return recognize(model, picture, rotation="auto" if is_turned else 0).text

    return text_of


def rapidocr() -> Recognizer:
    """Return RapidOCR with its default models."""
    from rapidocr import RapidOCR

    engine = RapidOCR(params={"Global.log_level": "error"})

    def text_of(picture: Any, is_turned: bool) -> str:
        image = as_image(picture)
        factor = max(1.0, LEAST_HEIGHT / image.height)
        image = image.resize((round(image.width * factor), round(image.height * factor)))
        found = engine(np.asarray(image)[..., ::-1])  # blue, green, red
        if found.boxes is None:
            return ""
        return "\n".join(in_lines(np.asarray(found.boxes), list(found.txts)))

    return text_of


def tesseract() -> Recognizer:
    """Return Tesseract, which may answer digits only."""
    command = ["tesseract", "-", "-", "--psm", "6", "-c", "tessedit_char_whitelist=0123456789"]

    def text_of(picture: Any, is_turned: bool) -> str:
        file = io.BytesIO()
        as_image(picture).save(file, "PNG")
        done = subprocess.run(command, input=file.getvalue(), capture_output=True, check=True)
        return done.stdout.decode()

    return text_of


def recognizers(model: Any) -> dict[str, Recognizer]:
    """Return what is installed, by name."""
    found = {f"mnist_estimator {version('mnist_estimator')}": own(model)}
    if find_spec("rapidocr") is not None:
        found[f"RapidOCR {version('rapidocr')}"] = rapidocr()
    if shutil.which("tesseract"):
        said = subprocess.run(["tesseract", "--version"], capture_output=True, check=True)
        number = (said.stdout or said.stderr).decode().split()[1]
        found[f"Tesseract {number}"] = tesseract()
    return found


def as_image(picture: Any) -> Image.Image:
    """Return a picture, array or path, as an RGB image, turned as its EXIF data say."""
    from PIL import ImageOps

    if isinstance(picture, Path):
        with Image.open(picture) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    return Image.fromarray(picture).convert("RGB")


def in_lines(boxes: np.ndarray, texts: list[str]) -> list[str]:
    """Return texts with boxes of shape (n, 4, 2), x and y of the corners, joined to lines."""
    tops, bottoms = boxes[..., 1].min(axis=1), boxes[..., 1].max(axis=1)
    lines: list[list[int]] = []
    for i in np.argsort((tops + bottoms) / 2):
        for line in lines:
            last = line[-1]
            common = min(bottoms[i], bottoms[last]) - max(tops[i], tops[last])
            if common > SAME_LINE * min(bottoms[i] - tops[i], bottoms[last] - tops[last]):
                line.append(int(i))
                break
        else:
            lines.append([int(i)])
    lefts = boxes[..., 0].min(axis=1)
    return [" ".join(texts[i] for i in sorted(line, key=lambda i: lefts[i])) for line in lines]


def compare(
    found: dict[str, Recognizer], pictures: Iterable[tuple[str, str, Any, str]]
) -> pd.DataFrame:
    """Return a row for each picture and recognizer."""
    rows = []
    for kind, _, picture, truth in pictures:
        wanted = plain_digits(truth)
        for name, text_of in found.items():
            start = time.perf_counter()
            text = plain_digits(text_of(picture, kind in TURNED))
            rows.append(
                {
                    "kind": kind,
                    "recognizer": name,
                    "right": text == wanted,
                    "errors": edit_distance(text, wanted),
                    "digits": len(wanted.replace("\n", "")),
                    "seconds": time.perf_counter() - start,
                }
            )
    return pd.DataFrame(rows)


def tables(answers: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the share of right pictures by kind and recognizer, and the sums of all kinds."""
    names = list(dict.fromkeys(answers["recognizer"]))
    right = answers.pivot_table("right", "kind", "recognizer", sort=False)[names]
    groups = answers.groupby("recognizer", sort=False)
    total = pd.DataFrame(
        {
            "pictures right": groups["right"].mean().map("{:.1%}".format),
            "digit errors": (groups["errors"].sum() / groups["digits"].sum()).map("{:.1%}".format),
            "seconds a picture": groups["seconds"].mean().map("{:.2f}".format),
        }
    )
    return right.map("{:.0%}".format), total


def main() -> None:
    """Run as a program."""
    options = parser_of(__doc__, n_pictures=20).parse_args()
    pictures, total = pictures_of(options)
    found = recognizers(model_of(options.model))
    shown = track(pictures, total=total, console=Console(stderr=True))
    right, summary = tables(compare(found, shown))
    print(right.to_string(), summary.to_string(), sep="\n\n")
    if options.folder is None and not options.kinds and len(found) == 3:
        write(right, summary, options.pictures)


def write(right: pd.DataFrame, summary: pd.DataFrame, n_pictures: int) -> None:
    """Write the tables to the CSV file and the documentation."""
    note = describe(date.today().isoformat())
    path = ROOT / "examples" / "benchmarks" / "recognizers.csv"
    path.write_text(f"# {note}\n{right.to_csv()}\n{summary.to_csv()}", encoding="utf-8")
    text = (
        f"{to_markdown(summary)}\n\nPictures right, of {n_pictures} of each kind:\n\n"
        f"{to_markdown(right)}\n\nMeasured on: {note}."
    )
    replace_between(ROOT / "docs" / "pictures.md", START, END, text)


if __name__ == "__main__":
    main()
