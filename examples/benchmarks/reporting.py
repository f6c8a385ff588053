"""What the benchmarks say of the machine, the versions and the memory, and their tables."""

import os
import platform
import textwrap
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pandas as pd

from mnist_estimator import __version__


def machine() -> str:
    """Name the processor, the cores that may be used, the memory and the system."""
    cpu = platform.processor() or platform.machine()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        cpu = names[0] if names else cpu
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parts = [cpu, f"{cores} cores"]
    if hasattr(os, "sysconf"):
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        parts.append(f"{size / 2**30:.0f} GiB of memory")
    try:
        parts.append(platform.freedesktop_os_release()["PRETTY_NAME"])
    except OSError:
        parts.append(platform.platform(terse=True))
    return ", ".join(parts).replace(";", ",")


PACKAGES = {
    "TensorFlow": "tensorflow",
    "Keras": "keras",
    "scikit-learn": "scikit-learn",
    "NumPy": "numpy",
    "scikeras": "scikeras",
    "PyTorch": "torch",
    "ONNX Runtime": "onnxruntime",
    "OpenVINO": "openvino",
    "LiteRT": "ai-edge-litert",
}
ABSENT = "not installed"


def versions() -> dict[str, str]:
    """Return the installed versions."""
    found = {"mnist_estimator": __version__, "Python": platform.python_version()}
    for title, package in PACKAGES.items():
        try:
            found[title] = version(package)
        except PackageNotFoundError:
            found[title] = ABSENT
    return found


def describe(today: str) -> str:
    """Return the first line of the CSV file, without its mark: machine, versions and date."""
    named = ", ".join(f"{title} {number}" for title, number in versions().items())
    return f"{machine()}; {named}; {today}"


def read_description(path: Path) -> str:
    """Return the first line of a CSV file, without its mark."""
    with path.open(encoding="utf-8") as file:
        return file.readline().removeprefix("#").strip()


def is_comparable(then: str, now: str) -> bool:
    """Tell whether runs under two descriptions may stand in one table.

    They may where the machine is the same, and each package that both have but ours, whose
    version is in the parameters.
    """

    def packages(description: str) -> dict[str, str]:
        items = description.split("; ")[1].split(", ")
        found = dict(item.split(" ", 1) for item in items)
        return {name: number for name, number in found.items() if number != ABSENT}

    if then.count("; ") != 2 or then.split("; ")[0] != now.split("; ")[0]:
        return False
    old, new = packages(then), packages(now)
    return all(old[name] == new[name] for name in old.keys() & new.keys() - {"mnist_estimator"})


def memory() -> tuple[float, float]:
    """Return the memory of this process that is resident, now and at its highest, in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # not getrusage: under Linux its peak begins at that of the parent
        lines = dict(line.split(":", 1) for line in status.read_text("utf-8").splitlines())
        now, highest = (int(lines[key].split()[0]) * 1024 / 1e6 for key in ("VmRSS", "VmHWM"))
        return now, highest
    try:
        import resource
    except ImportError:  # Windows
        return np.nan, np.nan
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes under macOS
    return highest, highest


def replace_between(page: Path, start: str, end: str, text: str) -> None:
    """Replace what is between two marks of a page of Markdown, which stay."""
    before, _, rest = page.read_text(encoding="utf-8").partition(start)
    after = rest.partition(end)[2]
    page.write_text(wrap(f"{before}{start}\n\n{text}\n\n{end}{after}"), encoding="utf-8")


def wrap(page: str, width: int = 120) -> str:
    """Break the long lines of text of a page of Markdown; headings, tables and pictures stay."""
    lines = []
    for line in page.split("\n"):
        if len(line) <= width or line.startswith(("#", "|", "![")):
            lines.append(line)
        else:
            indent = "  " if line.startswith("- ") else ""
            lines += textwrap.wrap(
                line,
                width,
                subsequent_indent=indent,
                break_long_words=False,
                break_on_hyphens=False,
            )
    return "\n".join(lines)


def to_markdown(table: pd.DataFrame) -> str:
    """Write a table in Markdown."""
    rows = [
        [str(table.index.name), *table.columns],
        ["---", *["---:"] * len(table.columns)],
        *([label, *row] for label, row in zip(table.index, table.to_numpy(), strict=True)),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
