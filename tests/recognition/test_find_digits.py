"""Digits found in pictures: pages written by a program, and pictures of every kind."""

import io
import os
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import ndimage, spatial
from sklearn.base import clone
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline

from mnist_estimator import ImageScaler, find_digits, recognize
from mnist_estimator.recognition import _broken_strokes, _segmentation

pytest.importorskip("skimage")  # with which the example draws paper
Image = pytest.importorskip("PIL.Image")

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
from handwriting import printed  # noqa: E402
from handwriting.paper import as_jpeg, lay_out, photograph, tilt  # noqa: E402
from handwriting.strokes import SHAPES, Writer  # noqa: E402

sys.path.pop(0)

CONDITIONS = {
    "clean": {},
    "felt pen": {"pen": 8, "color": (15, 15, 20)},
    "pencil": {"pen": 3.5, "color": (90, 90, 95), "strength": 0.6, "pencil": 0.5, "grain": 0.02},
    "shadow": {"light": 0.5, "shadow": 0.4},
    "ruled": {"ruled": 46},
    "squared": {"ruled": 30, "squared": True, "ruled_color": (170, 195, 220)},
    "ruled, tilted, shadow": {"ruled": 46, "angle": -2.5, "perspective": 0.03, "shadow": 0.25},
    "on a dark table": {"angle": 4, "perspective": 0.06},
    "chalk on a board": {"inverted": True, "color": (40, 40, 40), "grain": 0.02},
    "noisy and blurred": {"noise": 0.05, "blur": 1.2, "light": 0.4, "grain": 0.03},
    "lines go down": {"slope": 0.06},
}


def glyph(row, height):
    """Return a digit of MNIST as ink, cropped, of some height or width."""
    image = row.reshape(28, 28)
    image = image[np.ix_(image.any(axis=1), image.any(axis=0))]
    factor = height / 20
    shape = [max(1, round(side * factor)) for side in image.shape[::-1]]
    large = Image.fromarray(image).resize(shape, Image.Resampling.BICUBIC)
    return np.clip((np.asarray(large) / 255.0 - 0.5) * max(1, factor / 2) + 0.5, 0, 1)


def make_page(glyphs, seed, angle=0, perspective=0, slope=0.0, pen=None, **conditions):
    generator = np.random.default_rng(seed)
    ink, boxes = lay_out(glyphs, (330, 700), generator, slope=slope)
    picture = photograph(ink, generator, **conditions)
    if angle:
        picture, boxes = tilt(picture, boxes, angle=angle, perspective=perspective)
    return picture, boxes


def overlap(box, other):
    """Return the area that two boxes share, over the area of both."""
    sides = [min(box[i + 2], other[i + 2]) - max(box[i], other[i]) for i in (0, 1)]
    common = max(sides[0], 0) * max(sides[1], 0)
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (box, other)]
    return common / (sum(areas) - common)


@pytest.mark.parametrize("name", CONDITIONS)
def test_page_written_by_hands_every_digit_found_in_order(name):
    conditions = CONDITIONS[name]
    generator = np.random.default_rng(3)
    digits = generator.integers(0, 10, (3, 9))
    glyphs = [
        [Writer(10 * row + 5).write(int(d), 45, conditions.get("pen", 4.5)) for d in line]
        for row, line in enumerate(digits)
    ]
    picture, boxes = make_page(glyphs, 1, **conditions)
    with io.BytesIO(as_jpeg(picture)) as file:
        found = find_digits(file)
    assert len(found) == 27
    assert_array_equal(found.lines, np.repeat([0, 1, 2], 9))
    assert min(map(overlap, found.boxes, boxes)) > 0.6


@pytest.mark.parametrize("name", ["clean", "ruled", "shadow", "chalk on a board"])
def test_page_of_digits_of_mnist_each_looks_like_the_one_it_is(name, mnist, reader):
    """Who looks for the most similar image in MNIST finds the digit that was put there."""
    X, y = mnist
    chosen = np.random.default_rng(5).permutation(len(X))[:27].reshape(3, 9)
    glyphs = [[glyph(X[i], 44) for i in line] for line in chosen]
    picture, _ = make_page(glyphs, 2, **CONDITIONS[name])
    read = recognize(reader, picture)
    assert len(read) == 27
    truth = ["".join(map(str, y[line])) for line in chosen]
    assert sum(a == b for a, b in zip("".join(read.texts), "".join(truth), strict=True)) >= 26


def test_image_of_mnist_one_digit_that_is_nearly_the_same(mnist):
    differences = []
    for row in mnist[0][:60]:
        found = find_digits(row.reshape(28, 28))
        if len(found) == 1:
            differences.append(np.abs(found.images[0].ravel().astype(float) - row).mean())
    assert len(differences) >= 57
    assert np.median(differences) < 1.0  # of 255


def two_bars():
    """Return a white page with two black bars."""
    page = np.full((60, 120), 255, dtype=np.uint8)
    page[10:50, 30:35] = page[12:52, 80:85] = 0
    return page


BOXES = [[10, 30, 50, 35], [12, 80, 52, 85]]


@pytest.mark.parametrize(
    "form",
    [
        lambda page: page,
        lambda page: 255 - page,
        lambda page: page[..., None],
        lambda page: np.stack([page] * 3, axis=-1),
        lambda page: np.stack([page] * 3 + [np.full_like(page, 255)], axis=-1),
        lambda page: page / 255.0,
        lambda page: page.astype(float),
        lambda page: page / 127.5 - 1.0,
        lambda page: page.astype(np.uint16) * 257,
        lambda page: page > 0,
        lambda page: page.tolist(),
        lambda page: np.where(page, 150, 120).astype(np.uint8),
        Image.fromarray,
        lambda page: Image.fromarray(page).convert("1"),
        lambda page: Image.fromarray(page).convert("P"),
        lambda page: Image.fromarray(page).convert("CMYK"),
        lambda page: Image.fromarray(page.astype(np.uint16) * 257),
        lambda page: Image.fromarray(page.astype(np.float32)),
    ],
)
def test_every_form_same_boxes(form):
    found = find_digits(form(two_bars()))
    assert found.boxes.tolist() == BOXES
    assert found.boxes.dtype == np.int64
    assert found.lines.tolist() == [0, 0]
    assert found.images.dtype == np.uint8
    assert found.images.shape == (2, 28, 28)
    assert found.images.max(axis=(1, 2)).tolist() == [255, 255]


@pytest.mark.parametrize("ink", [0, 255])
def test_transparent_picture_ink_is_what_is_opaque(ink):
    page = two_bars()
    layers = np.zeros((*page.shape, 4), dtype=np.uint8)
    layers[..., :3], layers[..., 3] = ink, 255 - page
    assert find_digits(layers).boxes.tolist() == BOXES
    assert find_digits(Image.fromarray(layers)).boxes.tolist() == BOXES


def test_exif_rotation_is_followed(tmp_path):
    picture = Image.fromarray(two_bars()).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    picture.save(tmp_path / "turned.png", exif=exif)
    assert find_digits(tmp_path / "turned.png").boxes.tolist() == BOXES
    assert find_digits(str(tmp_path / "turned.png")).boxes.tolist() == BOXES


def test_twelve_megapixels_boxes_in_pixels_of_the_picture():
    large = np.kron(two_bars(), np.ones((40, 41), dtype=np.uint8))
    found = find_digits(large)
    assert np.abs(found.boxes - np.array(BOXES) * [40, 41, 40, 41]).max() <= 4


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((1, 1)),
        np.full((1, 1), 255, dtype=np.uint8),
        np.ones((1, 300)),
        np.zeros((28, 28)),
        np.full((200, 300, 3), 200, dtype=np.uint8),
        np.random.default_rng(0).normal(200, 3, (300, 400)),
        np.tile(np.linspace(100, 250, 400), (300, 1)),
    ],
    ids=["pixel", "white pixel", "row", "black", "grey", "noise", "ramp"],
)
def test_no_digit_empty_result(picture, reader):
    found = find_digits(picture)
    assert len(found) == 0
    assert found.images.shape == (0, 28, 28)
    assert found.images.dtype == np.uint8
    assert found.boxes.shape == (0, 4)
    assert found.lines.shape == (0,)
    read = recognize(reader, picture)
    assert read.texts == []
    assert str(read) == ""
    assert read.probabilities.shape == (0, 10)
    assert read.confidences.shape == read.labels.shape == (0,)
    read.plot()
    assert read.boxes_ == []


def test_broken_strokes_and_specks_joined_and_dropped():
    page = two_bars()
    page[28:32, 30:35] = 255
    page[5:7, 10:12] = page[55, 100:102] = 0
    assert find_digits(page).boxes.tolist() == BOXES


def test_touching_digits_cut_apart(mnist, reader):
    X, y = mnist
    chosen = [np.flatnonzero(y == digit)[3] for digit in (0, 3, 6, 8)]
    parts = [glyph(X[i], 44) for i in chosen]
    canvas = np.zeros((80, 300))
    for left, part in zip((20, 170), (parts[:2], parts[2:]), strict=True):
        for one in part:
            rows, columns = one.shape
            place = canvas[20 : 20 + rows, left : left + columns]
            np.maximum(place, one, out=place)
            left += columns - 2
    page = (1 - canvas) * 255
    assert recognize(reader, page).texts == ["0368"]
    assert len(find_digits(page)) == 4


def test_recognize_says_what_was_read_and_draws_it(mnist, reader):
    X, y = mnist
    glyphs = [[glyph(X[i], 44) for i in line] for line in ([0, 1, 2], [3, 4, 5, 6])]
    picture, _ = make_page(glyphs, 4)
    read = recognize(reader, picture)
    assert read.texts == ["".join(map(str, y[:3])), "".join(map(str, y[3:7]))]
    assert str(read) == "\n".join(read.texts)
    assert_array_equal(read.labels, y[:7])
    assert_array_equal(read.probabilities.argmax(axis=1), y[:7])
    assert_array_equal(read.confidences, 1.0)
    assert read.plot() is read
    assert len(read.boxes_) == len(read.labels_) == 7
    for (top, left, bottom, right), box, text, label in zip(
        read.boxes, read.boxes_, read.labels_, y[:7], strict=True
    ):
        assert box.get_xy() == (left - 0.5, top - 0.5)
        assert (box.get_width(), box.get_height()) == (right - left, bottom - top)
        assert text.get_text() == str(label)
    assert_array_equal(read.ax_.images[0].get_array(), picture)
    doubtful = recognize(reader, picture).plot(read.ax_, doubtful=1.1, box_kw={"linewidth": 3})
    assert doubtful.ax_ is read.ax_
    assert doubtful.labels_[0].get_text() == f"{y[0]} 100%"
    assert doubtful.boxes_[0].get_linestyle() == "--"
    assert doubtful.boxes_[0].get_linewidth() == 3


def test_recognize_who_was_fitted_on_other_ranges_gets_them(mnist, reader):
    X, y = mnist
    page = np.hstack([255 - image.reshape(28, 28) for image in X[:4]])
    scaled = Pipeline([("scale", ImageScaler()), ("flat", Rows()), ("read", clone(reader))])
    scaled.fit(X / 127.5 - 1, y)
    assert recognize(scaled, page).texts == recognize(reader, page).texts


class Rows(ImageScaler):
    """Scale to [0, 1] and give flat rows."""

    def transform(self, X):
        return super().transform(X).reshape(len(X), -1)


def pages_of(rows, path, **options):
    """Write pages with one digit of MNIST each, and return them."""
    pages = [Image.fromarray(255 - np.pad(row.reshape(28, 28), 10)) for row in rows]
    pages[0].save(path, save_all=len(pages) > 1, append_images=pages[1:], **options)
    return pages


@pytest.mark.parametrize("name", ["a.tif", "a.gif", "a.webp", "a.png"])
def test_pages_are_recognized_one_by_one(name, mnist, reader, tmp_path):
    X, y = mnist
    pages_of(X[:3], tmp_path / name, **({"lossless": True} if name == "a.webp" else {}))
    found = [recognize(reader, tmp_path / name, page=page) for page in range(3)]
    assert [page.texts for page in found] == [[str(label)] for label in y[:3]]
    assert [(page.page, page.n_pages) for page in found] == [(0, 3), (1, 3), (2, 3)]
    assert_array_equal(find_digits(tmp_path / name, page=2).images, found[2].images)
    with pytest.warns(UserWarning, match=r"has 3 pages .* Pass page, from 0 to 2, for") as caught:
        first = recognize(reader, str(tmp_path / name))
    assert caught[0].filename == __file__
    assert (first.texts, first.n_pages) == (found[0].texts, 3)
    with pytest.warns(UserWarning, match="has 3 pages"):
        assert_array_equal(find_digits(tmp_path / name).images, found[0].images)


def test_pages_of_an_opened_picture(mnist, reader, tmp_path):
    X, y = mnist
    pages_of(X[:3], tmp_path / "a.tif")
    with Image.open(tmp_path / "a.tif") as opened:
        opened.seek(1)
        assert recognize(reader, opened).texts == [str(y[1])]
        assert recognize(reader, opened, page=2).texts == [str(y[2])]
        assert opened.tell() == 1


def test_preview_in_a_photo_is_no_page(mnist, reader, tmp_path):
    pages_of(mnist[0][:1], tmp_path / "plain.jpg", quality=95)
    pages_of(mnist[0][:2], tmp_path / "a.jpg", format="MPO", quality=95)
    with Image.open(tmp_path / "a.jpg") as opened:
        assert (opened.format, opened.n_frames) == ("MPO", 2)
    found = recognize(reader, tmp_path / "a.jpg")
    assert found.n_pages == 1
    assert_array_equal(found.images, find_digits(tmp_path / "plain.jpg").images)


@pytest.mark.parametrize(
    ("page", "error", "words"),
    [
        (3, ValueError, "page must be from 0 to 2, as image .* has 3 pages; got 3"),
        (-1, ValueError, "page must be from 0 to 2, as image .* has 3 pages; got -1"),
        (1.0, TypeError, "page must be None or a whole number from 0 up; got 1.0"),
        (True, TypeError, "page must be None or a whole number"),
    ],
)
def test_page_that_is_not_there_is_refused(page, error, words, mnist, tmp_path):
    pages_of(mnist[0][:3], tmp_path / "a.tif")
    with pytest.raises(error, match=words):
        find_digits(tmp_path / "a.tif", page=page)
    with pytest.raises(ValueError, match="page must be 0 or None, as image has 1 page; got 1"):
        find_digits(np.zeros((9, 9)), page=1)


def test_picture_is_read_from_a_pipe(mnist, tmp_path):
    pages_of(mnist[0][:1], tmp_path / "a.png")
    expected = find_digits(tmp_path / "a.png").images
    os.mkfifo(tmp_path / "pipe")
    content = (tmp_path / "a.png").read_bytes()
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(content))
    writer.start()
    assert_array_equal(find_digits(tmp_path / "pipe").images, expected)
    writer.join(timeout=60)


def test_recognize_wrong_size_is_refused(digits):
    with pytest.raises(ValueError, match="must take images of 28×28 pixels, 784 values; got a KN"):
        recognize(KNeighborsClassifier().fit(*digits), two_bars())


def jpeg():
    return as_jpeg(np.stack([two_bars()] * 3, axis=-1))


BAD_PICTURES = [
    (lambda _: "nowhere.png", FileNotFoundError, "image 'nowhere.png': there is no such file"),
    (lambda folder: folder, IsADirectoryError, "must be a file; got a folder. Pass the pictures"),
    (lambda _: io.BytesIO(b"no picture"), ValueError, "in a format that Pillow reads, such as"),
    (lambda _: io.BytesIO(b""), ValueError, "got something else. Save it as PNG or JPEG."),
    (lambda _: io.BytesIO(jpeg()[:900]), ValueError, "got one that is cut off or damaged"),
    (lambda _: jpeg(), TypeError, "got bytes. Wrap the content of a file: io.BytesIO(content)."),
    (lambda _: np.broadcast_to(np.uint8(0), (10000, 10000)), ValueError, "got 10000 × 10000, that"),
    (lambda _: np.array([[0, np.nan], [np.inf, 1]]), ValueError, "got 2 that are NaN or infinite."),
    (lambda _: np.zeros((8, 8, 2)), ValueError, "got shape (8, 8, 2). Pass one picture at a time"),
    (lambda _: np.zeros((5, 8, 8, 3)), ValueError, "got shape (5, 8, 8, 3)."),
    (lambda _: np.zeros(784), ValueError, "got shape (784,)."),
    (lambda _: np.zeros((0, 5)), ValueError, "must have at least one pixel; got 5 × 0."),
    (lambda _: [[1, 2], [3]], ValueError, "got unequal rows"),
    (lambda _: None, TypeError, "got NoneType of dtype object"),
    (lambda _: np.array([["a"]]), TypeError, "an array of numbers; got ndarray of dtype <U1."),
    (lambda _: np.zeros((8, 8), dtype=complex), TypeError, "got ndarray of dtype complex128"),
]


@pytest.mark.parametrize(("make", "error", "words"), BAD_PICTURES)
def test_bad_picture_says_what_is_allowed_and_what_came(make, error, words, tmp_path):
    with pytest.raises(error) as caught:
        find_digits(make(tmp_path))
    assert words in str(caught.value)
    assert str(caught.value).startswith("image")


@pytest.mark.parametrize("side", [10_000, 15_000])
def test_decompression_bomb_refused_before_it_is_opened(tmp_path, side):
    """A file of some kilobytes that would be hundreds of megabytes in memory."""
    Image.new("1", (side, side)).save(tmp_path / "bomb.png")
    assert (tmp_path / "bomb.png").stat().st_size < 50_000
    with pytest.raises(ValueError, match="must have at most 50,000,000 pixels; got"):
        find_digits(tmp_path / "bomb.png")


def test_scikit_image_is_not_needed(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    assert len(find_digits(two_bars())) == 2


def test_picture_left_as_it_was():
    page = two_bars().astype(np.float32) / 255
    before = page.copy()
    find_digits(page)
    assert_array_equal(page, before)


@pytest.mark.parametrize("digit", SHAPES)
def test_each_shape_of_a_digit_is_one(digit):
    """The hands of the example write no digit that falls apart."""
    for shape in range(len(SHAPES[digit])):
        writer = Writer(shape)
        writer.shapes[digit] = shape
        page = 255 * (1 - np.pad(writer.write(digit, 60, 6), 30))
        assert len(find_digits(page)) == 1


def nearest_first(blobs, usual):
    """Join as segmentation does, by looking at all pairs again after each union."""
    blobs = [blob for blob in blobs if max(blob.height, blob.width) >= 0.1 * usual]
    while True:
        best, least = None, _broken_strokes.NEAR * usual
        for i, first in enumerate(blobs):
            for j in range(i + 1, len(blobs)):
                distance = between(first, blobs[j])
                if may_be_one(first, blobs[j], usual) and distance < least:
                    best, least = (i, j), distance
        if best is None:
            return blobs
        union = blobs[best[0]].union(blobs[best[1]])
        blobs = [blob for place, blob in enumerate(blobs) if place not in best] + [union]


def between(first, second):
    pixels = [np.argwhere(blob.mask) + np.array([blob.top, blob.left]) for blob in (first, second)]
    return spatial.distance.cdist(*pixels).min()


def may_be_one(first, second, usual):
    top, bottom = min(first.top, second.top), max(first.bottom, second.bottom)
    left, right = min(first.left, second.left), max(first.right, second.right)
    apart_y = max(first.top, second.top) - min(first.bottom, second.bottom)
    apart_x = max(first.left, second.left) - min(first.right, second.right)
    lower, narrower = min(first.height, second.height), min(first.width, second.width)
    small = max(lower, narrower) < _broken_strokes.PART * usual or -apart_x >= 0.5 * narrower
    fits = bottom - top <= _broken_strokes.TALLEST * usual
    fits &= right - left <= _broken_strokes.WIDEST * usual
    return small and fits and max(apart_y, apart_x) <= _broken_strokes.NEAR * usual


@pytest.mark.parametrize("seed", range(2))
def test_parts_are_joined_as_by_trying_all_pairs(seed):
    generator = np.random.default_rng(seed)
    mask = ndimage.binary_dilation(generator.random((70, 100)) < 0.012, iterations=2)
    blobs = _segmentation._connected(mask & (generator.random(mask.shape) < 0.97))
    assert len(blobs) > 8
    joined = _broken_strokes.join_parts(blobs, 30.0)
    expected = nearest_first(blobs, 30.0)
    assert len(joined) < 0.9 * len(blobs)
    for blob, by_hand in zip(joined, expected, strict=True):
        assert (blob.top, blob.left) == (by_hand.top, by_hand.left)
        assert_array_equal(blob.mask, by_hand.mask)


@pytest.mark.slow
def test_a_page_of_print_is_taken_apart_and_a_halftone_is_refused():
    found = find_digits(printed.printed_text((1100, 1700), points=9))
    assert found.lines.max() + 1 == 13  # as many as are drawn
    assert np.bincount(found.lines).min() > 30
    with pytest.warns(UserWarning, match="marks, more than the 10,000 that a page of digits may"):
        assert len(find_digits(printed.halftone((1500, 1700), pitch=12))) == 0
