"""Write a file of this version with its answers, once for all: ``python tests/data/make.py``.

For a release; later versions are tested to give the same answers. Files that are there stay.
"""

from pathlib import Path

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline

from mnist_estimator import (
    DigitNormalizer,
    NoveltyDetector,
    RejectingClassifier,
    __version__,
    load_mnist,
    make_pipeline,
    save,
)

HERE = Path(__file__).parent


def main() -> None:
    """Write a pipeline, and one with a reject option."""
    X, y = load_mnist("train", return_X_y=True)
    X_test, _ = load_mnist("test", return_X_y=True)

    pipe = make_pipeline(
        filters=(4, 8), dense_units=(16,), ensemble_size=2, epochs=3, learning_rate=0.01,
        random_state=0,
    ).fit(X[:3000], y[:3000])  # fmt: skip
    write("digits", pipe, X_test[:20], metadata={"purpose": "tests"})

    frozen = FrozenEstimator(pipe)
    detector = NoveltyDetector(frozen, max_samples=60, contamination=0.05, random_state=0)
    rejecting = RejectingClassifier(
        frozen, error_rate=0.1, outlier_detector=detector, cv=StratifiedKFold(2)
    )
    model = Pipeline([("normalize", DigitNormalizer()), ("reject", rejecting)])
    model.fit(X[3000:3600].reshape(-1, 28, 28), y[3000:3600])
    write("rejecting", model, X_test[:40].reshape(-1, 28, 28))


def write(name, model, images, **options):
    """Save a model, with its answers to some images."""
    path = HERE / f"{name}-{__version__}.pipeline"
    if path.exists():
        raise FileExistsError(f"{path} is there, and stays as it is.")
    answers = {"labels": model.predict(images), "probabilities": model.predict_proba(images)}
    if hasattr(model, "score_samples"):
        answers["scores"] = model.score_samples(images)
    save(model, path, **options)
    np.savez_compressed(path.with_suffix(".npz"), images=images, **answers)


if __name__ == "__main__":
    main()
