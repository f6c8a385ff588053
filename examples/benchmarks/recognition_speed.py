"""Measure how long the recognition of large pages takes: digits, print, noise, patterns.

    python examples/benchmarks/recognition_speed.py
    python examples/benchmarks/recognition_speed.py --model digits.pipeline --repeats 5

Each page is recognized once unmeasured, then so many times, of which the fastest counts; CPU time
is that of all threads. The table goes to examples/benchmarks/recognition_speed.csv and
docs/pictures.md. Without --model, the default pipeline learns the 60,000 training images first.
"""

import argparse
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pages import model_of
from reporting import describe, replace_between, to_markdown

ROOT = Path(__file__).resolve().parents[2]
START, END = "<!-- table of recognition_speed.py -->", "<!-- end of the table of speed -->"


def page_of_digits(height: int, width: int, n_lines: int) -> np.ndarray:
    """Return a photo of a page with lines of ten digits."""
    from handwriting.kinds import Drawing

    drawing = Drawing("strokes", 0)
    lines = [drawing.digits(10) for _ in range(n_lines)]
    ink = drawing.sheet(lines, height / (2 * n_lines + 2), margin=1.0)[:height, :width]
    sheet = np.zeros((height, width), dtype=np.float32)
    sheet[: ink.shape[0], : ink.shape[1]] = ink
    return drawing.photo(sheet)


def pages() -> dict[str, Callable[[], np.ndarray]]:
    """Return what draws each page, by name."""
    from handwriting.printed import PAGES

    own = {
        "50 digits, 1 megapixel": lambda: page_of_digits(866, 1155, 5),
        "100 digits, 12 megapixels": lambda: page_of_digits(3000, 4000, 10),
    }
    return {**own, **PAGES}


def measure(model: Any, page: np.ndarray, repeats: int) -> dict[str, Any]:
    """Return the size of a page, what was found, and the seconds that it took."""
    from mnist_estimator import recognize

    seconds, cpu = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # too many marks for a page of digits
        for _ in range(repeats + 1):
            start, start_cpu = time.perf_counter(), time.process_time()
            found = recognize(model, page)
            seconds.append(time.perf_counter() - start)
            cpu.append(time.process_time() - start_cpu)
    return {
        "megapixels": f"{page.shape[0] * page.shape[1] / 1e6:.1f}",
        "digits": len(found),
        "letters and others": found.n_letters,
        "seconds": f"{min(seconds[1:]):.2f}",
        "CPU seconds": f"{min(cpu[1:]):.2f}",
    }


def main() -> None:
    """Run as a program."""
    from mnist_estimator import load_predictor, save

    sys.path.insert(0, str(ROOT / "examples"))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", type=Path, help="a saved pipeline")
    parser.add_argument("--repeats", type=int, default=3, help="default: 3")
    parser.add_argument("--pages", nargs="+", default=[], help="beginnings of names of pages")
    options = parser.parse_args()
    model = model_of(options.model)
    if options.model is None:
        with tempfile.TemporaryDirectory() as folder:
            save(model, Path(folder) / "model.pipeline")
            model = load_predictor(Path(folder) / "model.pipeline")
    rows = []
    for name, draw in pages().items():
        if options.pages and not name.startswith(tuple(options.pages)):
            continue
        rows.append({"page": name, **measure(model, draw(), options.repeats)})
        print(rows[-1], flush=True)
    if not options.pages:
        write(pd.DataFrame(rows).astype(str).set_index("page"))


def write(table: pd.DataFrame) -> None:
    """Write the rows to the CSV file, and the table to the documentation."""
    note = describe(date.today().isoformat())
    path = ROOT / "examples" / "benchmarks" / "recognition_speed.csv"
    path.write_text(f"# {note}\n{table.to_csv()}", encoding="utf-8")
    text = f"{to_markdown(table)}\n\nMeasured on: {note}."
    replace_between(ROOT / "docs" / "pictures.md", START, END, text)


if __name__ == "__main__":
    main()
