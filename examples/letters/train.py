"""Train the test of shapes, and write its weights into the package: five minutes on two cores.

    python examples/letters/train.py

See glyphs.py for the packages that it takes. A tenth of the images is left out to say how well it
does on others of the same fonts and pens; examples/benchmarks/pages.py says how well on other ones.
"""

import sys
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from sklearn.neural_network import MLPClassifier

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from handwriting.hands import _enlarged
from handwriting.strokes import Writer

from letters.glyphs import CLEAR, DIGITS, LIKE_DIGITS, Glyphs, beside
from mnist_estimator import load_mnist
from mnist_estimator.preprocessing._digit_image import as_bytes, fit_box
from mnist_estimator.recognition import _digit_shape

OTHER = 10
"""The class of what is no digit."""
N_LETTERS, N_LIKE_DIGITS, N_PAIRS = 24_000, 4_000, 5_000
N_DRAWN, N_PRINTED = 8_000, 8_000


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


def pairs_of_digits(images, seed, n):
    """Return pairs of MNIST's digits that touch, as one image."""
    generator = np.random.default_rng(seed)
    pairs = []
    for chosen in generator.integers(0, len(images), (n, 2)):
        height = generator.uniform(24, 50)
        parts = [_enlarged(_cropped(image), height / _cropped(image).shape[0])
                 for image in images[chosen]]  # fmt: skip
        pairs.append(as_bytes(fit_box(beside(parts, generator.uniform(-0.1, 0.0) * height))))
    return np.array(pairs)


def _cropped(image):
    return image[np.ix_(image.any(axis=1), image.any(axis=0))]


def training_data(scale=1.0):
    """Return images and labels, of which `OTHER` is no digit."""
    mnist, labels = load_mnist("train", return_X_y=True)
    chosen = np.random.default_rng(0).permutation(len(mnist))[: round(scale * len(mnist))]
    mnist, labels = mnist[chosen].reshape(-1, 28, 28), labels[chosen]
    both = [a + b for a in CLEAR[:36] for b in CLEAR[18:36] + LIKE_DIGITS[:16]]
    jobs = [
        (drawn_digits, 1, N_DRAWN), (characters, 2, DIGITS, N_PRINTED),
        (characters, 3, CLEAR, N_LETTERS), (characters, 4, LIKE_DIGITS, N_LIKE_DIGITS),
        (characters, 5, both, N_PAIRS), (pairs_of_digits, mnist, 6, N_PAIRS),
    ]  # fmt: skip
    drawn, printed, *other = Parallel(n_jobs=2)(
        delayed(make)(*arguments, round(scale * n)) for make, *arguments, n in jobs
    )
    other = [images for images, _ in other[:-1]] + other[-1:]
    n_other = sum(map(len, other))
    return (
        np.concatenate([mnist, drawn[0], printed[0], *other]),
        np.concatenate(
            [labels, drawn[1], np.array(printed[1], dtype=int), np.full(n_other, OTHER)]
        ),
    )


def main():
    """Run as a program."""
    scale = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    images, labels = training_data(scale)
    features = _digit_shape.shape_features(images)
    held = np.random.default_rng(1).random(len(labels)) < 0.1
    network = MLPClassifier(
        96, alpha=1e-4, batch_size=256, learning_rate_init=1e-3, max_iter=14, random_state=0
    )
    network.fit(features[~held], labels[~held])
    weights = [network.coefs_[0], network.intercepts_[0], network.coefs_[1], network.intercepts_[1]]
    np.savez_compressed(_digit_shape.WEIGHTS, *(w.astype(np.float16) for w in weights))
    _digit_shape._weights.cache_clear()
    odds = _digit_shape.digit_log_odds(images[held])
    is_digit = labels[held] != OTHER
    for limit in (-4, -2, 0, 2, 4):
        kept, taken = np.mean(odds[is_digit] > limit), np.mean(odds[~is_digit] > limit)
        print(f"log-odds over {limit}: {kept:.2%} of digits, {taken:.2%} of other signs")
    print(f"{_digit_shape.WEIGHTS.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
