"""Each attack file is refused in words, in bounded memory and time, and nothing in it is run."""

import time
from pathlib import Path

import pytest
from attacks import ATTACKS, tiff
from byte_targets import FORM
from contract import is_told

from mnist_estimator import find_digits, load, load_mnist
from mnist_estimator.cli.inputs._open import open_images

MEMORY = 60e6
"""Bytes at most; the bombs unpack to 100 million."""


def read_images(path):
    """Read all images of a file."""
    return [batch.images for batch in open_images(str(path), FORM).batches]


@pytest.mark.parametrize("reader", [read_images, find_digits, load_mnist, load])
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused(name, reader, tmp_path, monkeypatch, traced_memory):
    marker = tmp_path / "marker"
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    path = folder / name
    _, make = ATTACKS[name]
    path.write_bytes(make(marker))
    started = time.monotonic()
    with traced_memory() as peak:
        with pytest.raises((ValueError, OSError)) as raised:
            reader(path) if reader is not load_mnist else reader("test", source=path)
        assert peak() < MEMORY
    assert time.monotonic() - started < 20, "it hangs"
    assert is_told(raised.value), raised.value
    assert list(tmp_path.rglob("*")) == [folder, path]


def test_pages_that_point_at_themselves_are_read_once(tmp_path):
    (tmp_path / "loop.tif").write_bytes(tiff(4, 4, 24))
    (images,) = read_images(tmp_path / "loop.tif")
    assert images.shape == (1, 4, 4, 1)


def test_the_documentation_lists_them():
    page = (Path(__file__).parents[3] / "docs" / "fuzzing.md").read_text("utf-8")
    for name, (what, _) in ATTACKS.items():
        assert f"| `{name}` | {what} |" in page


def test_postscript_is_never_given_to_ghostscript(tmp_path, monkeypatch):
    def run(*arguments, **keywords):
        pytest.fail("Ghostscript is run")

    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", run)
    (tmp_path / "picture.png").write_bytes(ATTACKS["picture.eps"][1](tmp_path / "marker"))
    for reader in (read_images, find_digits):
        with pytest.raises(ValueError, match="picture"):
            reader(tmp_path / "picture.png")
