"""What reads bytes from elsewhere: a target each, which fails if it is not refused in words."""

import io
import math
import os
import struct
import tempfile
import time
import zipfile
from functools import cache, partial
from pathlib import Path

import numpy as np
from contract import attempt
from PIL import Image

from mnist_estimator import find_digits, load, load_mnist, make_pipeline
from mnist_estimator.cli.draw._page import MOST_BYTES, REQUEST_PATH, REQUEST_TYPE, parse_drawing
from mnist_estimator.cli.draw._server import Endpoint, LoopbackServer, _Handler
from mnist_estimator.cli.inputs._base import ImageSpec, InputSpec
from mnist_estimator.cli.inputs._open import open_images
from mnist_estimator.persistence import _archive, _pipeline_file
from mnist_estimator.recognition import _open_image

SLOWEST = 20.0
"""Seconds after which an input counts as a hang."""
FORM = ImageSpec((4, 4, 1), (0.0, 255.0), classes=[0, 1])
SHARED = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # no disk, where there is such


@cache
def good_pipeline():
    """Return the file of a pipeline with as small a network as there is."""
    X = np.random.default_rng(0).integers(0, 256, (8, 16), dtype=np.uint8)
    pipe = make_pipeline(filters=(2,), kernel_size=1, epochs=1, random_state=0)
    return _pipeline_file.pack(pipe.fit(X, np.arange(8) % 2))


@cache
def good_members():
    """Return the members of that file."""
    with zipfile.ZipFile(io.BytesIO(good_pipeline())) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


@cache
def _file():
    return Path(tempfile.mkdtemp(dir=SHARED)) / "input"


def _written(data, suffix=""):
    path = _file().with_suffix(suffix)
    path.write_bytes(data)
    return path


def load_file(data):
    """Load a pipeline from the bytes as they are."""
    attempt(lambda: load(_written(data)))


def load_members(data):
    """Load a pipeline in which one member is other bytes; the checksums are right."""
    names = list(good_members())
    if data:
        name = names[data[0] % len(names)]
        attempt(lambda: load(_written(_archive.seal(good_members() | {name: data[1:]}))))


def _read_all(path, labelled):
    opened = open_images(str(path), FORM, InputSpec(labelled=labelled))
    for batch in opened.batches:
        assert batch.images.shape[1:] == FORM.image_shape
        assert batch.images.dtype.kind != "f" or np.isfinite(batch.images).all()


def read_images(data):
    """Read IDX, .npy, .npz or a picture, told by the content."""
    attempt(lambda: _read_all(_written(data), labelled=False))


def read_labelled_images(data):
    """Read an .npz archive with its labels, or load it as MNIST."""
    path = _written(data, ".npz")
    attempt(lambda: _read_all(path, labelled=True))
    attempt(lambda: load_mnist("test", source=path))


def read_csv(data):
    """Read a CSV file, with and without labels."""
    path = _written(data, ".csv")
    for labelled in (False, True):
        attempt(lambda labelled=labelled: _read_all(path, labelled))


def read_picture(data):
    """Find digits in a picture of any format that Pillow knows."""
    limit, _open_image.MOST_PIXELS = _open_image.MOST_PIXELS, 2500
    try:
        attempt(lambda: find_digits(io.BytesIO(data), page=0))
    finally:
        _open_image.MOST_PIXELS = limit


def draw(data):
    """Take a drawing from the body of a request."""
    drawing = attempt(lambda: parse_drawing(data))
    assert drawing is None or drawing.dtype == np.uint8


class _Connection:
    """A socket whose client has sent all it will, and keeps what is answered."""

    def __init__(self, sent):
        self.sent, self.answer = io.BytesIO(sent), bytearray()

    def makefile(self, mode, *_):
        return self.sent

    def sendall(self, data):
        self.answer += data

    def settimeout(self, seconds):
        pass

    def shutdown(self, how):
        pass


@cache
def _server():
    return LoopbackServer(
        0,
        page=lambda nonce: "page",
        endpoints={
            REQUEST_PATH: Endpoint(
                REQUEST_TYPE, MOST_BYTES, lambda body: {"pixels": parse_drawing(body).size}
            )
        },
    )


def request(data):
    """Answer an HTTP request: a status below 500, or nothing where nothing was asked."""
    host = f"127.0.0.1:{_server().server_port}".encode()
    connection = _Connection(data.replace(b"HOST", host))
    _Handler(connection, ("127.0.0.1", 1), _server())
    answer = bytes(connection.answer)
    assert not answer or (answer.startswith(b"HTTP/1.") and answer[9:12] < b"500"), answer[:80]


TARGETS = {
    target.__name__: target
    for target in (
        load_file, load_members, read_images, read_labelled_images, read_csv, read_picture, draw,
        request,
    )
}  # fmt: skip


def _npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _npz(save=np.savez, **arrays):
    file = io.BytesIO()
    save(file, **arrays)
    return file.getvalue()


def _idx(array, kind=8):
    return struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape) + array.tobytes()


def _picture(kind, mode="L", size=(4, 4), **options):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, kind, **options)
    return file.getvalue()


@cache
def seeds_of(name):
    """Return good inputs of a target, to be changed."""
    images = np.random.default_rng(0).integers(0, 256, (3, 4, 4), dtype=np.uint8)
    labels = np.array([1, 0, 1], np.uint8)
    picture = partial(_picture, size=(30, 20) if name == "read_picture" else (4, 4))
    pictures = [picture(kind) for kind in ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")]
    pictures += [picture("PNG", mode) for mode in ("RGBA", "P", "LA", "1", "I;16")]
    pictures.append(picture("TIFF", save_all=True, append_images=[Image.new("L", (4, 4))]))
    rows = "\n".join(
        ",".join(map(str, [label, *image.ravel()]))
        for label, image in zip(labels, images, strict=True)
    ).encode()
    named = ",".join(["label", *(f"pixel{i}" for i in range(1, 17))]).encode()
    drawing = b"P5\n4 3\n255\n" + bytes(range(12))
    head = b"Host: HOST\r\nContent-Type: image/x-portable-graymap\r\nContent-Length: "
    archives = [
        _npz(x_test=images, y_test=labels),
        _npz(np.savez_compressed, X=images / 255, y=labels),
        _npz(images=images.reshape(3, 16)),
    ]
    return {
        "load_file": [good_pipeline()],
        "load_members": [
            bytes([number]) + member for number, member in enumerate(good_members().values())
        ],
        "read_images": [
            _npy(images), _npy(np.asfortranarray(images / 255)), _npy(images.astype(">u2")),
            _idx(images), _idx(images.astype(">f4"), 13), *archives, *pictures,
        ],
        "read_labelled_images": archives,
        "read_csv": [rows, named + b"\n" + rows, b"\xef\xbb\xbf" + named + b"\r\n" + rows],
        "read_picture": pictures,
        "draw": [drawing],
        "request": [
            b"GET / HTTP/1.1\r\nHost: HOST\r\n\r\n",
            b"POST /read HTTP/1.1\r\n%s%d\r\n\r\n%s" % (head, len(drawing), drawing),
            b"HEAD / HTTP/1.0\r\nHost: HOST\r\nOrigin: http://HOST\r\n\r\n",
        ],
    }[name]  # fmt: skip


TOKENS = [
    b"\0", b"\xff", b"\n", b"\r\n", b",", b'"', b"nan", b"inf", b"-1", b"1e999", b"PK\x03\x04",
    b"PK\x05\x06", b"PK\x01\x02", b"\x93NUMPY", b"'descr': '|O'", b"'shape': (-1,)", b"'O'",
    b'"__loader__"', b'"__id__"', b"\x1f\x8b", b"P5\n", b"null", b"[" * 50, b"{}", b"../../", b"%",
    b"Host: x\r\n", b"Content-Length: 99999999999\r\n", b"Transfer-Encoding: chunked\r\n",
    b"9" * 30, b"\xed\xa0\x80", b"eval", b"os.system", b"builtins",
]  # fmt: skip
NUMBERS = [0, 1, 2, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1]


def changed(seeds, generator):
    """Return a good input with one to a few dozen changes.

    Parameters
    ----------
    seeds : list of bytes
        Good inputs.
    generator : random.Random
        Draws.

    Returns
    -------
    bytes
    """
    data = bytearray(generator.choice(seeds))
    for _ in range(math.ceil(generator.expovariate(0.4)) or 1):
        if not data:
            break
        start = generator.randrange(len(data))
        end = min(len(data), start + math.ceil(generator.expovariate(0.1)))
        kind = generator.randrange(8)
        if kind == 0:
            data[start] ^= 1 << generator.randrange(8)
        elif kind == 1:
            data[start] = generator.choice((0, 1, 127, 128, 255, generator.randrange(256)))
        elif kind == 2:
            del data[start:end]
        elif kind == 3:
            data[start:start] = data[start:end] * generator.choice((1, 1, 10, 100))
        elif kind == 4:
            order = generator.choice(("<", ">"))
            form = generator.choice("HI")
            number = generator.choice(NUMBERS) % (2**16 if form == "H" else 2**32)
            packed = struct.pack(order + form, number)
            data[start : start + len(packed)] = packed
        elif kind == 5:
            data[start:start] = generator.choice(TOKENS)
        elif kind == 6:
            other = generator.choice(seeds)
            data[start:] = other[generator.randrange(len(other)) :]
        else:
            del data[start if generator.random() < 0.3 else end :]
    return bytes(data)


def run(name, data):
    """Give an input to a target, and fail if it takes too long, too."""
    started = time.monotonic()
    TARGETS[name](data)
    assert time.monotonic() - started < SLOWEST, "it hangs"
