"""Images in picture files, such as PNG and JPEG."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .image_input import Batch, ImageForm, Images, InputError, Wanted, readable

PICTURES = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP", ".gif": "GIF",
    ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP",
    ".pbm": "PPM", ".pgm": "PPM", ".ppm": "PPM", ".pnm": "PPM",
}  # fmt: skip
"""What is taken for a picture in a folder, and what Pillow may read it as."""


def open_picture(path: Path, form: ImageForm, wanted: Wanted) -> Images:
    """Open a picture: one image, or several pages or frames."""
    if wanted.labelled:
        raise InputError(
            f"{path} has no labels. For pictures, name a folder that has a folder for each label."
        )
    return Images(1, _batches([path], form, labelled=False))


def open_folder(folder: Path, form: ImageForm, wanted: Wanted) -> Images:
    """Open all pictures in a folder and the folders in it; these are named by the labels."""
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in PICTURES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not files:
        raise InputError(
            f"The folder {folder} holds no picture ({', '.join(PICTURES)}). "
            "Name other files one by one."
        )
    bare = [path for path in files if path.parent == folder]
    if wanted.labelled and bare:
        raise InputError(f"{bare[0]} must lie in a folder named by its label, as in {folder}/7/.")
    return Images(len(files), _batches(files, form, labelled=wanted.labelled))


def _batches(files: list[Path], form: ImageForm, *, labelled: bool) -> Iterator[Batch]:
    for path in files:
        images = _read_picture(path, form)
        labels = np.array([path.parent.name] * len(images)) if labelled else None
        yield Batch(str(path), 0, images, labels, picture=True)


def _read_picture(path: Path, form: ImageForm) -> NDArray[Any]:
    """Return the images in a picture file: one, or all of a TIFF or GIF."""
    from PIL import Image, ImageOps, ImageSequence

    height, width, _ = form.image_shape
    frames = []
    with readable(path, "a picture"), warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the size is seen to here
        with _opened(path) as picture:
            for frame in ImageSequence.Iterator(picture):
                if frame.width * frame.height <= height * width:  # else it is not even decoded
                    frame = ImageOps.exif_transpose(frame)
                if frame.size != (width, height):
                    raise InputError(
                        f"{path} has {frame.height}×{frame.width} pixels; the model reads "
                        f"{height}×{width}. Crop and resize it so that it looks like the images "
                        "that the model learned from."
                    )
                frames.append(_pixels(path, frame, picture.format == "PNG", form))
    return np.stack(frames)


def _opened(path: Path) -> Any:
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(path, formats=sorted(set(PICTURES.values())))
    except UnidentifiedImageError:
        raise InputError(
            f"{path} is damaged, or no picture ({', '.join(sorted(set(PICTURES.values())))}), IDX, "
            ".npy, .npz or CSV file."
        ) from None


def _pixels(path: Path, frame: Any, is_png: bool, form: ImageForm) -> NDArray[Any]:
    """Return a picture in the channels and the range of values that the model takes."""
    channels = form.image_shape[2]
    if channels not in (1, 3, 4):
        raise InputError(f"{path} is a picture; the model reads {channels} channels. Use .npy.")
    if form.value_range is None:
        raise InputError(
            f"{path} is a picture, and the model does not tell which values are black and white. "
            "Save a pipeline with an ImageScaler, or pass arrays as .npy."
        )
    clear = channels < 4 and frame.has_transparency_data
    if clear and frame.convert("RGBA").getchannel("A").getextrema()[0] < 255:
        raise InputError(
            f"{path} has transparent pixels. Save it on the background that the model knows; "
            "for MNIST that is black."
        )
    deep = frame.mode.startswith("I;16") or (frame.mode == "I" and is_png)
    if frame.mode in ("I", "F") and not deep:
        raise InputError(
            f"{path} has 32 bits a pixel, without a black and a white. Save it with 8 or 16 bits."
        )
    if deep and channels > 1:
        raise InputError(f"{path} has 16 bits of grey; the model reads colours. Save it with 8.")
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[channels]
    values = np.asarray(frame if deep else frame.convert(mode)).reshape(form.image_shape)
    low, high = form.value_range
    if not deep and form.value_range == (0, 255):
        return values
    return (low + values / (65535 if deep else 255) * (high - low)).astype(np.float32)
