"""Files made to harm whoever opens them, and what each tries.

``python tests/robustness/fuzz/attacks.py FOLDER`` writes them into a folder. Those on ``load``
stand in ``tests/persistence/test_save_load.py``, which writes none to disk that runs anything.
"""

import gzip
import io
import pickle
import struct
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np

HEADER = {"descr": "|u1", "fortran_order": False, "shape": (3, 4, 4)}


class Payload:
    """What leaves a mark where it is unpickled."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return exec, (f"open({self.marker!r}, 'w').close()",)


def npy(content=bytes(48), **changed):
    """Return an .npy file that says what it likes."""
    text = repr(HEADER | changed).encode() + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text + content


def npz(*members, compression=zipfile.ZIP_DEFLATED):
    """Return an archive of (name, content)."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def idx(*dimensions, kind=8, content=b""):
    """Return an IDX file that announces what it likes."""
    return struct.pack(f">HBB{len(dimensions)}I", 0, kind, len(dimensions), *dimensions) + content


def objects(marker):
    """Return an .npy file with a pickle in it."""
    return npy(pickle.dumps(np.array([Payload(marker)] * 48)), descr="|O")


def two_of_a_name(marker):
    """Return an archive with a good and a bad array of one name."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for content in (npy(), objects(marker)):
            info = zipfile.ZipInfo("X.npy" if content == npy() else "Y.npy")
            archive.writestr(info, content)
    return file.getvalue().replace(b"Y.npy", b"X.npy")


def overlapping():
    """Return an archive in which many names stand for one compressed kernel (D. Fifield, 2019)."""
    data = npz(("X.npy", npy(bytes(10**7), shape=(10**7,))))
    end = data.rindex(b"PK\x05\x06")
    start = struct.unpack("<I", data[end + 16 : end + 20])[0]
    entry, n = data[start:end], 100
    tail = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, n, n, n * len(entry), start, 0)
    return data[:start] + entry * n + tail


def png(width, height, *chunks, rows=b""):
    """Return a PNG that announces what it likes."""

    def chunk(kind, content):
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    head = chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0))
    body = b"".join(chunk(kind, content) for kind, content in chunks)
    ends = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + body + ends


def tiff(width, height, next_page, pixels_at=8):
    """Return a TIFF of one page that says where the next one is."""
    tags = [
        (256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1),
        (273, 4, pixels_at), (277, 3, 1), (278, 4, height), (279, 4, width * height),
    ]  # fmt: skip
    pixels = bytes(range(16))
    entries = b"".join(struct.pack("<2H2I", tag, kind, 1, value) for tag, kind, value in tags)
    directory = struct.pack("<H", len(tags)) + entries
    return b"II*\0" + struct.pack("<I", 24) + pixels + directory + struct.pack("<I", next_page)


SVG = b"""<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">
<!ENTITY file SYSTEM "file:///etc/passwd">]><svg xmlns="http://www.w3.org/2000/svg" width="4"
height="4"><text>&b;&file;</text><script>alert(1)</script></svg>"""
EPS = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 4 4
%%EndComments
(MARKER) (w) file closefile
showpage
%%EOF
"""
ZEROS = 10**8
"""Bytes that a bomb unpacks to; it is a thousandth as long."""

ATTACKS = {
    # name of the file: what it tries, and the file, for a marker that nothing may make
    "objects.npy": ("run a pickle by an array of objects", objects),
    "pickle.npy": ("run a pickle named .npy", lambda m: pickle.dumps(Payload(m))),
    "header.npy": (
        "run an expression in the header",
        lambda m: npy().replace(b"False", b"exit("),
    ),
    "deep-header.npy": ("exhaust the parser's stack", lambda m: npy(shape=b"(" * 5000)),
    "long-header.npy": (
        "exhaust memory by the header",
        lambda m: b"\x93NUMPY\x02\0" + struct.pack("<I", 2**32 - 1) + bytes(100),
    ),
    "huge.npy": ("have a terabyte allocated", lambda m: npy(shape=(10**12, 4, 4))),
    "overflow.npy": (
        "overflow the product of the sizes",
        lambda m: npy(shape=(2**60, 4, 4)),
    ),
    "negative.npy": ("have all of the file read, and more", lambda m: npy(shape=(-1, 4, 4))),
    "wide.npy": ("hold items of no size", lambda m: npy(descr="|V0")),
    "structured.npy": ("hold fields in place of numbers", lambda m: npy(descr=[("a", "|O")])),
    "objects.npz": ("run a pickle in an archive", lambda m: npz(("X.npy", objects(m)))),
    "pickle.npz": ("run a pickle beside arrays", lambda m: npz(("X", pickle.dumps(Payload(m))))),
    "huge.npz": (
        "have a terabyte allocated, unmapped",
        lambda m: npz(("X.npy", npy(shape=(10**12, 4, 4)))),
    ),
    "bomb.npz": (
        "fill the memory (zip bomb)",
        lambda m: npz(("X.npy", npy(bytes(ZEROS), shape=(ZEROS,)))),
    ),
    "mnist-bomb.npz": (
        "fill the memory, as MNIST",
        lambda m: npz(("x_test.npy", npy(bytes(ZEROS), shape=(ZEROS,)))),
    ),
    "overlap.npz": ("fill the memory by overlapping members", lambda m: overlapping()),
    "twice.npz": ("show a checker one array, a reader another", two_of_a_name),
    "outside.npz": (
        "be unpacked outside of the folder",
        lambda m: npz((f"../{m.name}", b"x"), (f"{m}", b"x"), ("X.npy", npy(shape=(3,)))),
    ),
    "huge.idx": ("announce 68 billion pixels", lambda m: idx(2**32 - 1, 4, 4)),
    "dimensions.idx": (
        "announce 255 dimensions of four billion",
        lambda m: idx(*[2**32 - 1] * 255),
    ),
    "no-dimension.idx": ("have none of the dimensions that it counts", lambda m: b"\0\0\x08\xff"),
    "bomb.idx.gz": (
        "fill the memory (gzip bomb)",
        lambda m: gzip.compress(idx(2**31, 4, 4, content=bytes(ZEROS // 10))),
    ),
    "line-bomb.csv.gz": (
        "fill the memory by a line without end",
        lambda m: gzip.compress(b"1," * (ZEROS // 2)),
    ),
    "columns.csv": ("exhaust the memory by columns", lambda m: b"," * 10**6 + b"\n"),
    "quote.csv": ("never close a quote", lambda m: b'"' + b"1,2\n" * 10**5),
    "digits.csv": ("take ages to parse a number", lambda m: b"1" * 10**6 + b",1" * 15 + b"\n"),
    "null.csv": ("end text by a null byte", lambda m: b"1,2\0,3\n" * 16),
    "formula.csv": ("run a spreadsheet's formula", lambda m: b"\"=cmd|'/c calc'!A1\"\n" * 16),
    "bomb.png": ("fill the memory (50,000 × 50,000)", lambda m: png(50_000, 50_000)),
    "largest.png": ("overflow width × height", lambda m: png(2**31 - 1, 2**31 - 1)),
    "text-bomb.png": (
        "fill the memory by a comment",
        lambda m: png(4, 4, (b"zTXt", b"a\0\0" + zlib.compress(bytes(ZEROS)))),
    ),
    "profile-bomb.png": (
        "fill the memory by a colour profile",
        lambda m: png(4, 4, (b"iCCP", b"a\0\0" + zlib.compress(bytes(ZEROS)))),
    ),
    "empty.png": ("hold no pixels", lambda m: png(0, 0)),
    "far.tif": ("point outside of the file", lambda m: tiff(4, 4, 0, 2**31)),
    "large.tif": ("fill the memory (65,535 × 65,535)", lambda m: tiff(65_535, 65_535, 0)),
    "picture.svg": ("read a file, expand entities, run a script", lambda m: SVG),
    "picture.eps": (
        "have Ghostscript run PostScript",
        lambda m: EPS.replace(b"MARKER", str(m).encode()),
    ),
    "script.pgm": ("be a shell script", lambda m: b"#!/bin/sh\ntouch " + str(m).encode()),
}

if __name__ == "__main__":
    for name, (_, make) in ATTACKS.items():
        (Path(sys.argv[1]) / name).write_bytes(make(Path(sys.argv[1], "marker").resolve()))
