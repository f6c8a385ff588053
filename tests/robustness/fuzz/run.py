"""Fuzz the targets of ``byte_targets.py`` for as long as one likes.

``python tests/robustness/fuzz/run.py --minutes 60`` changes good inputs at random, and with atheris
(``pip install atheris``) by what code they reach: ``--engine atheris``. What fails is written to
``--findings``, to be tried again by ``python tests/robustness/fuzz/run.py TARGET FILE``.
"""

import argparse
import hashlib
import json
import os
import random
import resource
import subprocess
import sys
import time
import traceback
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[2])]
MOST_MEMORY = 12 * 2**30
"""Bytes of address space of a process that reads changed files."""


def main():
    """Fuzz each target for its share of the time, or try one input again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", nargs="?")
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", choices=["loop", "atheris"], default="loop")
    parser.add_argument("--findings", type=Path, default=Path("findings"))
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    if options.engine == "atheris" and options.target is None:
        names = _targets().TARGETS
        for name in names:
            _with_atheris(name, options, 60 * options.minutes / len(names))
        return
    if options.engine == "atheris":
        _fuzz_with_atheris(options)
        return
    targets = _targets()
    if options.file is not None:
        targets.run(options.target, options.file.read_bytes())
        return
    names = [options.target] if options.target else list(targets.TARGETS)
    for name in names:
        found = _loop(targets, name, options, 60 * options.minutes / len(names))
        print(json.dumps({"target": name} | found), flush=True)


def _targets():
    import byte_targets

    return byte_targets


def _loop(targets, name, options, seconds):
    """Return what came of a target: inputs, those of them read and no two alike, findings."""
    generator = random.Random(f"{name} {options.seed}")
    end, n_inputs, places = time.monotonic() + seconds, 0, set()
    seeds = targets.seeds_of(name)
    while time.monotonic() < end:
        data = targets.changed(seeds, generator)
        n_inputs += 1
        try:
            targets.run(name, data)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            cause = error.__cause__ or error
            place = traceback.extract_tb(cause.__traceback__)[-1]
            key = f"{type(cause).__name__} at {Path(place.filename).name}:{place.lineno}"
            if key not in places:
                places.add(key)
                _keep(options.findings, name, data)
                print(f"{name}: {key}: {cause!s:.200}", file=sys.stderr, flush=True)
    return {"inputs": n_inputs, "seconds": round(seconds), "findings": sorted(places)}


def _keep(folder, name, data):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}").write_bytes(data)


def _with_atheris(name, options, seconds):
    """Fuzz a target in a process of its own, which libFuzzer ends at its first finding."""
    command = [sys.executable, __file__, name, "--engine", "atheris"]
    command += ["--minutes", str(seconds / 60), "--findings", str(options.findings)]
    subprocess.run(command, check=False)


def _fuzz_with_atheris(options):
    import atheris

    with atheris.instrument_imports(include=["mnist_estimator", "PIL", "skops", "zipfile"]):
        targets = _targets()
        import mnist_estimator.cli.inputs._arrays
        import mnist_estimator.cli.inputs._csv
        import mnist_estimator.cli.inputs._pictures  # noqa: F401
    options.findings.mkdir(parents=True, exist_ok=True)
    corpus = options.findings / "corpus" / options.target
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(targets.seeds_of(options.target)):
        (corpus / f"seed-{number}").write_bytes(data)
    arguments = [
        sys.argv[0], str(corpus), f"-max_total_time={round(60 * options.minutes)}",
        f"-artifact_prefix={options.findings}{os.sep}{options.target}-", "-max_len=20000",
        "-rss_limit_mb=4096", "-timeout=20", "-print_final_stats=1",
    ]  # fmt: skip
    atheris.Setup(arguments, lambda data: targets.run(options.target, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
