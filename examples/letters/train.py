"""Train the network of shapes, and write it into the package: five minutes on two cores.

    python examples/letters/train.py

See glyphs.py for the packages that it takes. A tenth of the images is left out to say how well it
does on others of the same fonts and pens; examples/benchmarks/pages.py says how well on other ones.
"""

import sys
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from handwriting.hands import _cropped, _enlarged
from handwriting.strokes import Writer
from scipy import ndimage

from letters.glyphs import CLEAR, DIGITS, LIKE_DIGITS, Glyphs
from mnist_estimator import load_mnist, make_pipeline, save
from mnist_estimator.preprocessing._digit_image import as_bytes, fit_box
from mnist_estimator.recognition import _digit_shape
from mnist_estimator.recognition._blob import Blob
from mnist_estimator.recognition._polarity import stroke_width
from mnist_estimator.recognition._touching import pieces_of_line

LETTER, PART = "letter", "part"
"""The classes of letters and other signs, and of parts of signs and signs that touch."""
N_MNIST = 50_000
"""The last 10,000 training images are left for choices."""
N_LETTERS, N_LIKE_DIGITS, N_PAIRS = 32_000, 2_500, 5_000
N_DRAWN, N_PRINTED = 10_000, 8_000
N_PIECES = 32_000
SAME, APART = 0.9, 0.75
"""A piece is a sign if its overlap with one, as intersection over union, is at least the first,
and none if it is less than the second."""
MOST_WRONG = 2
"""Maximum number of pieces of a blob that are no sign."""
NARROW = 0.35
"""Narrower pieces, relative to the height, that are no sign may look like a 1: left out."""


def characters(seed, texts, n):
    """Return so many images of texts chosen at random, in fonts and in strokes."""
    glyphs = Glyphs(seed)
    images, names = [], []
    while len(images) < n:
        text = texts[glyphs.generator.integers(len(texts))]
        image = glyphs.image(text, strokes=len(images) % 2 == 0)
        if image is not None:
            images.append(image)
            names.append(text)
    return np.array(images), names


def drawn_digits(seed, n):
    """Return digits in strokes of many hands, each of which writes eight, with their labels."""
    generator = np.random.default_rng(seed)
    images, labels = [], generator.integers(0, 10, n)
    for number, label in enumerate(labels.tolist()):
        if number % 8 == 0:
            writer = Writer(int(generator.integers(2**31)), wobble=generator.uniform(0.01, 0.04))
        height = generator.uniform(18, 60)
        pen = height / generator.uniform(6, 25)
        images.append(as_bytes(fit_box(writer.write(label, height, pen))))
    return np.array(images), labels


def pieces_of_rows(images, labels, seed, n):
    """Return pieces of rows of one to three signs that touch, as they are cut on a page.

    The signs are MNIST's digits, digits in strokes of a pen, or letters. The label of a piece is
    the digit that it is, `LETTER` or `PART`.
    """
    generator = np.random.default_rng(seed)
    glyphs = Glyphs(seed)
    found, names = [], []
    while len(found) < n:
        height = generator.uniform(24, 60)
        chosen = generator.integers(0, len(images), generator.choice([1, 2, 3], p=[0.4, 0.4, 0.2]))
        signs = labels[chosen].tolist()
        kind = generator.choice(["pen", "mnist", "letters"])
        if kind == "mnist":
            parts = [_enlarged(_cropped(image), height / _cropped(image).shape[0])
                     for image in images[chosen]]  # fmt: skip
        elif kind == "pen":
            writer = Writer(int(generator.integers(2**31)), wobble=generator.uniform(0.01, 0.04))
            pen = height / generator.uniform(6, 20)
            parts = [writer.write(sign, height * generator.uniform(0.9, 1.1), pen)
                     for sign in signs]  # fmt: skip
        else:
            signs = [LETTER] * len(signs)
            texts = [CLEAR[i] for i in generator.integers(len(CLEAR), size=len(signs))]
            parts = [glyphs.part(text, height, strokes=len(found) % 2 == 0) for text in texts]
            if any(part is None for part in parts):
                continue
        for label, image in _pieces_of(*_row(parts, generator.uniform(-0.15, 0.0) * height), signs,
                                       height, generator):  # fmt: skip
            found.append(image)
            names.append(label)
    return np.array(found[:n]), names[:n]


def _pieces_of(ink, owners, signs, height, generator):
    """Yield each blob of a row, and some of its pieces, as images with their labels."""
    labelled, _ = ndimage.label(ink > 0.4, structure=np.ones((3, 3)))
    stroke = stroke_width(labelled > 0)
    for number, place in enumerate(ndimage.find_objects(labelled), start=1):
        blob = Blob(labelled[place] == number, place[0].start, place[1].start)
        if blob.height < 0.5 * height:
            continue
        pieces = [piece.part for piece in pieces_of_line([blob], stroke)[0]]
        labels = [_label_of(piece, owners, signs) for piece in pieces]
        wrong = [i for i, label in enumerate(labels) if label == PART]
        kept = {*generator.permutation(wrong)[:MOST_WRONG].tolist()} if wrong else set()
        for i, (piece, label) in enumerate(zip(pieces, labels, strict=True)):
            if label is not None and (label != PART or i in kept):
                yield label, as_bytes(fit_box(np.where(piece.mask, piece.cut_from(ink), 0.0)))


def _row(parts, gap):
    """Return ink of parts on one base line, and where each part's is."""
    height = max(part.shape[0] for part in parts) + 2
    width = sum(part.shape[1] for part in parts) + 2
    owners, left = np.zeros((len(parts), height, width), dtype=np.float32), 1
    for owner, part in zip(owners, parts, strict=True):
        owner[height - 1 - part.shape[0] : -1, left : left + part.shape[1]] = part
        left = max(1, left + part.shape[1] + round(gap))
    return owners.max(axis=0), owners > 0.4


def _label_of(part, owners, signs):
    """Return the sign that a piece is, or `PART`, or None where it is nearly a sign."""
    of_piece = [part.cut_from(owner) & part.mask for owner in owners]
    area = part.mask.sum()
    overlaps = [own.sum() / (owner.sum() + area - own.sum())
                for own, owner in zip(of_piece, owners, strict=True)]  # fmt: skip
    best = int(np.argmax(overlaps))
    if overlaps[best] >= SAME:
        return str(signs[best])
    narrow = part.width < NARROW * part.height
    return None if overlaps[best] >= APART or narrow else PART


def training_data(scale=1.0):
    """Return images and labels: digits, `LETTER` and `PART`."""
    mnist, labels = load_mnist("train", return_X_y=True)
    n_mnist = round(scale * N_MNIST)
    mnist, labels = mnist[:n_mnist].reshape(-1, 28, 28), labels[:n_mnist]
    both = [a + b for a in CLEAR[:36] for b in CLEAR[18:36] + LIKE_DIGITS[:16]]
    jobs = [
        (None, drawn_digits, 1, N_DRAWN),
        (None, characters, 2, DIGITS, N_PRINTED),
        (LETTER, characters, 3, CLEAR, N_LETTERS),
        (LETTER, characters, 4, LIKE_DIGITS, N_LIKE_DIGITS),
        (PART, characters, 5, both, N_PAIRS),
        *((None, pieces_of_rows, mnist, labels, seed, N_PIECES // 4) for seed in (6, 7, 8, 9)),
    ]
    made = Parallel(n_jobs=2)(
        delayed(make)(*arguments, round(scale * n)) for _, make, *arguments, n in jobs
    )
    names = [
        names if label is None else [label] * len(names)
        for (label, *_), (_, names) in zip(jobs, made, strict=True)
    ]
    return (
        np.concatenate([mnist, *(images for images, _ in made)]),
        np.concatenate([labels, *names]).astype(str),
    )


def main():
    """Run as a program."""
    scale = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    images, labels = training_data(scale)
    held = np.random.default_rng(1).random(len(labels)) < 0.1
    pipe = make_pipeline("fast", filters=(32, 48, 64), epochs=14, test_time_shift=0, random_state=0)
    pipe.fit(images[~held].reshape(-1, 784), labels[~held])
    save(pipe, _digit_shape.MODEL)
    _digit_shape.network.cache_clear()
    shapes = _digit_shape.shapes_of(images[held])
    kinds = np.where(np.isin(labels[held], (LETTER, PART)), labels[held], "digit")
    is_sign = kinds != PART
    for limit in (-4, -2, 0, 2, 4):
        kept, taken = (np.mean(shapes.digit_odds[kinds == kind] > limit)
                       for kind in ("digit", LETTER))  # fmt: skip
        whole, parts = (np.mean(shapes.sign_odds[chosen] > limit) for chosen in (is_sign, ~is_sign))
        print(f"log-odds over {limit}: {kept:.2%} of digits, {taken:.2%} of letters are digits;"
              f" {whole:.2%} of signs, {parts:.2%} of parts are signs")  # fmt: skip
    print(f"{_digit_shape.MODEL.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
