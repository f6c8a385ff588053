"""Images in picture files, such as PNG and JPEG."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...utils._fit_picture import fit_picture
from ...utils._picture_files import PICTURES, files_in
from ._base import Batch, ImageSource, ImageSpec, InputError, InputSpec, readable
from ._bytes import Source


def open_picture(source: Source, image_spec: ImageSpec, input_spec: InputSpec) -> ImageSource:
    """Open a picture: one image, or several pages or frames."""
    if input_spec.labelled:
        raise InputError(
            f"{source} has no labels. For pictures, name a folder that has a folder for each label."
        )
    return ImageSource(1, _batches([source], image_spec, input_spec))


def pictures_in(folder: Path, *, with_documents: bool = False) -> list[Path]:
    """Return all pictures in a folder and the folders in it, without hidden ones, by name.

    Parameters
    ----------
    folder : Path
    with_documents : bool, default=False
        Whether PDF files count, too.

    Raises
    ------
    InputError
        If there is none.
    """
    suffixes = (*PICTURES, ".pdf") if with_documents else tuple(PICTURES)
    files = files_in(folder, suffixes)
    if not files:
        raise InputError(
            f"The folder {folder} holds no picture ({', '.join(suffixes)}). "
            "Name other files one by one."
        )
    return files


def open_folder(folder: Path, image_spec: ImageSpec, input_spec: InputSpec) -> ImageSource:
    """Open all pictures in a folder and the folders in it; these are named by the labels."""
    files = pictures_in(folder)
    bare = [path for path in files if path.parent == folder]
    if input_spec.labelled and bare:
        raise InputError(f"{bare[0]} must lie in a folder named by its label, as in {folder}/7/.")
    return ImageSource(
        len(files), _batches([Source(path) for path in files], image_spec, input_spec)
    )


def _batches(
    sources: list[Source], image_spec: ImageSpec, input_spec: InputSpec
) -> Iterator[Batch]:
    for source in sources:
        try:
            images = read_picture(source, image_spec, input_spec)
        except (InputError, OSError) as error:
            if input_spec.skipped is None:
                if len(sources) == 1:
                    raise
                raise InputError(f"{error} To leave out such pictures, pass --skip-bad.") from error
            input_spec.skipped.append(str(error))
            continue
        labels = np.array([source.path.parent.name] * len(images)) if input_spec.labelled else None
        yield Batch(source.name, 0, images, labels, picture=True)


def read_picture(source: Source, image_spec: ImageSpec, input_spec: InputSpec) -> NDArray[Any]:
    """Read a picture: one image, or all pages or frames of a TIFF or GIF.

    Parameters
    ----------
    source : Source
        The file.
    image_spec : ImageSpec
        What the model takes.
    input_spec : InputSpec
        ``invert`` decides the colour under transparent pixels.

    Returns
    -------
    ndarray of shape (n, height, width, channels)

    Raises
    ------
    OSError
        If the file cannot be opened.
    InputError
        If it is damaged or no picture, or has another size or other values than the model takes.
    """
    from PIL import Image, ImageOps, ImageSequence

    height, width, _ = image_spec.image_shape
    frames = []
    with source.open() as file, readable(source, "a picture"), warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # sizes are checked below
        with _opened(source, file) as picture:
            for frame in ImageSequence.Iterator(picture):
                if input_spec.resize or frame.width * frame.height <= height * width:
                    frame = ImageOps.exif_transpose(frame)  # decodes it: small ones only
                if frame.size != (width, height) and not input_spec.resize:
                    raise InputError(
                        f"{source} has {frame.height}×{frame.width} pixels; the model takes "
                        f"{height}×{width}. {_remedy(image_spec)}"
                    )
                is_png = picture.format == "PNG"
                frames.append(_pixels(source, frame, is_png, image_spec, input_spec))
    return np.stack(frames)


def _remedy(image_spec: ImageSpec) -> str:
    """Return what to do with a picture of another size."""
    if image_spec.image_shape != (28, 28, 1):
        return (
            "Crop and resize it so that it looks like the images that the model learned from, or "
            "pass --resize if it does already."
        )
    return (
        "To find and classify the digits on a photo or scan, use mnist-estimator recognize; to "
        "draw digits on a page, mnist-estimator draw; in Python, "
        "DigitNormalizer brings pictures of one digit each to this size. A picture that looks like "
        "the images that the model learned from is taken with --resize."
    )


def _opened(source: Source, file: Any) -> Any:
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(file, formats=sorted(set(PICTURES.values())))
    except UnidentifiedImageError:
        raise InputError(
            f"{source} is damaged, or no picture ({', '.join(sorted(set(PICTURES.values())))}), "
            "IDX, .npy, .npz, Parquet or CSV file."
        ) from None


def _pixels(
    source: Source, frame: Any, is_png: bool, image_spec: ImageSpec, input_spec: InputSpec
) -> NDArray[Any]:
    """Return a picture in the channels and the range of values that the model takes."""
    channels = image_spec.image_shape[2]
    if channels not in (1, 3, 4):
        raise InputError(f"{source} is a picture; the model takes {channels} channels. Use .npy.")
    if image_spec.value_range is None:
        raise InputError(
            f"{source} is a picture, and the model does not tell which values are black and white. "
            "Save a pipeline with an ImageScaler, or pass arrays as .npy."
        )
    deep = frame.mode.startswith("I;16") or (frame.mode == "I" and is_png)
    if frame.mode in ("I", "F") and not deep:
        raise InputError(
            f"{source} has 32 bits a pixel, without a black and a white. Save it with 8 or 16 bits."
        )
    if deep and channels > 1:
        raise InputError(f"{source} has 16 bits of grey; the model takes colours. Save it with 8.")
    if channels < 4 and frame.has_transparency_data:
        if deep:
            raise InputError(f"{source} has transparent pixels and 16 bits. Save it with 8 bits.")
        frame = _on_paper(frame, light=input_spec.invert)
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[channels]
    height, width, _ = image_spec.image_shape
    if deep and frame.size != (width, height):
        raise InputError(f"{source} has 16 bits a pixel. Save it with 8 bits to have it resized.")
    if not deep:
        frame = fit_picture(frame.convert(mode), width, height)
    values = np.asarray(frame).reshape(image_spec.image_shape)
    low, high = image_spec.value_range
    if not deep and image_spec.value_range == (0, 255):
        return values
    return (low + values / (65535 if deep else 255) * (high - low)).astype(np.float32)


def _on_paper(frame: Any, *, light: bool) -> Any:
    """Lay a picture with transparent pixels on paper, light or dark, on which it can be seen.

    It is laid on the other paper if there its contrast is more than twice as large: dark ink
    does not vanish on dark paper.
    """
    from PIL import Image

    frame = frame.convert("RGBA")
    if frame.getchannel("A").getextrema()[0] == 255:
        return frame
    laid = [
        Image.alpha_composite(Image.new("RGBA", frame.size, paper), frame).convert("RGB")
        for paper in (("white", "black") if light else ("black", "white"))
    ]
    contrasts = [int(np.ptp(np.asarray(on.convert("L")).astype(int))) for on in laid]
    return laid[1] if contrasts[1] > 2 * contrasts[0] else laid[0]
