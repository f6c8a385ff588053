"""Damaged and hostile files and requests: ten thousand of them, each refused in words, or read."""

import random
import zlib

import pytest
from byte_targets import TARGETS, changed, run, seeds_of

N_INPUTS = {
    "load_file": 1500, "load_members": 700, "read_images": 1500, "read_labelled_images": 1000,
    "read_csv": 800, "read_picture": 800, "draw": 2000, "request": 1800,
}  # fmt: skip
"""Of the slower targets fewer."""


@pytest.mark.parametrize("name", TARGETS)
def test_good_inputs_of_a_target_are_read(name, monkeypatch):
    """So that what is refused below is refused for what was changed."""
    refused = []

    def attempt(call):
        try:
            return call()
        except Exception as error:
            refused.append(error)

    monkeypatch.setattr("byte_targets.attempt", attempt)
    for seed in seeds_of(name):
        refused.clear()
        run(name, seed)
        # What has no labels, or is no MNIST, is refused by the other half of a target.
        assert len(refused) < {"read_labelled_images": 3, "read_csv": 2}.get(name, 1), refused


@pytest.mark.parametrize("name", TARGETS)
def test_changed_bytes_are_refused_in_words_or_read(name):
    generator = random.Random(zlib.crc32(name.encode()))
    for number in range(N_INPUTS[name]):
        data = changed(seeds_of(name), generator)
        try:
            run(name, data)
        except Exception as error:
            error.add_note(f"Input {number} of {name}: {data!r:.2000}")
            raise


def test_they_are_ten_thousand():
    assert sum(N_INPUTS[name] for name in TARGETS) >= 10_000
