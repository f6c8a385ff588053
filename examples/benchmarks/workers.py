"""Scripts that call themselves, so that what is measured has a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console


class RunError(Exception):
    """A worker did not come to its end."""


def ask_worker(script: Path, *arguments: str) -> Any:
    """Run a script in another process, without GPUs, and return what its last line says."""
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(
        [sys.executable, str(script), *arguments],
        env=os.environ | quiet | {"KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
    )
    if done.returncode < 0:
        raise RunError(f"ended by signal {-done.returncode}")
    lines = (done.stderr if done.returncode else done.stdout).strip().splitlines()
    if done.returncode or not lines:
        raise RunError(lines[-1] if lines else "it said nothing")
    return json.loads(lines[-1])


def tell(console: Console, text: str) -> None:
    """Print a line as it is."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)
