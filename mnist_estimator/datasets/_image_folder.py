"""Load pictures from a folder that has a folder for each class."""

import math
import os
import warnings
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from ..utils._fit_picture import fit_picture
from ..utils._image_shape import check_image_shape
from ..utils._output_files import atomic_write, file_path
from ..utils._picture_files import GREY_MODES, PICTURES, files_in
from ..utils._wording import counted, shown
from ._image_bunch import ImageBunch

LARGEST = 2**31
"""Bytes of the images from which on ``cache`` is needed."""


@overload
def load_image_folder(
    folder: str | os.PathLike[str],
    *,
    image_shape: Sequence[int] | None = ...,
    classes: Collection[str] | None = ...,
    on_bad_file: Literal["raise", "skip"] = ...,
    cache: str | os.PathLike[str] | None = ...,
    return_X_y: Literal[True],
) -> tuple[NDArray[np.uint8], NDArray[Any]]: ...


@overload
def load_image_folder(
    folder: str | os.PathLike[str],
    *,
    image_shape: Sequence[int] | None = ...,
    classes: Collection[str] | None = ...,
    on_bad_file: Literal["raise", "skip"] = ...,
    cache: str | os.PathLike[str] | None = ...,
    return_X_y: Literal[False] = ...,
) -> ImageBunch: ...


@overload
def load_image_folder(
    folder: str | os.PathLike[str],
    *,
    image_shape: Sequence[int] | None = ...,
    classes: Collection[str] | None = ...,
    on_bad_file: Literal["raise", "skip"] = ...,
    cache: str | os.PathLike[str] | None = ...,
    return_X_y: bool,
) -> ImageBunch | tuple[NDArray[np.uint8], NDArray[Any]]: ...


def load_image_folder(
    folder: str | os.PathLike[str],
    *,
    image_shape: Sequence[int] | None = None,
    classes: Collection[str] | None = None,
    on_bad_file: Literal["raise", "skip"] = "raise",
    cache: str | os.PathLike[str] | None = None,
    return_X_y: bool = False,
) -> ImageBunch | tuple[NDArray[np.uint8], NDArray[Any]]:
    """Load pictures from a folder that has a folder for each class.

    The layout is that of Keras's ``image_dataset_from_directory`` and torchvision's
    ``ImageFolder``: ``folder/cat/1.png``. Folders in the folder of a class belong to it. Hidden
    files and folders are left out.

    Parameters
    ----------
    folder : str or path-like
        The folder.
    image_shape : (height, width) or (height, width, channels), default=None
        Size to which pictures are brought, keeping their proportions: what is missing is filled
        with the mean colour of the picture's border. None: the size that most of them have;
        grey if all are, else red, green and blue.
    classes : collection of str, default=None
        Names of the folders to take. None: all.
    on_bad_file : {"raise", "skip"}, default="raise"
        What to do with pictures that cannot be read: an error, or leave them out with a warning.
    cache : str or path-like, default=None
        An .npy file to which the images are written, and from which they are memory-mapped: for
        images of more than 2 GB. An existing file is replaced.
    return_X_y : bool, default=False
        If True, return ``(images, target)`` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Prints in a few lines. With n pictures, sorted by class and name:

        images : ndarray of shape (n, height, width, channels), uint8
            From 0 (black) to 255 (white).
        target : ndarray of shape (n,), int64 or str
            The names of the folders; whole numbers if all of them are.
        target_names : list of str
            Names of the folders, sorted.
        filenames : list of str
            Paths of the pictures.
        skipped : list of str
            Paths of those that were left out.
    (images, target) : tuple
        If ``return_X_y=True``.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If there is no such folder.
    ValueError
        If fewer than two folders hold pictures, ``classes`` names one that is not there, a
        picture cannot be read, or the images need a ``cache``.
    TypeError
        If a parameter has a wrong type.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from mnist_estimator import load_image_folder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name, colour in (("dark", 10), ("light", 240)):
    ...         Path(folder, name).mkdir()
    ...         Image.new("L", (12, 8), colour).save(Path(folder, name, "1.png"))
    ...     data = load_image_folder(folder)
    >>> data.images.shape, data.target.tolist()
    ((2, 8, 12, 1), ['dark', 'light'])
    """
    root = Path(folder)
    if not root.exists():
        raise FileNotFoundError(f"folder must exist; there is no {root}.")
    if not root.is_dir():
        raise NotADirectoryError(
            f"folder must be a folder with a folder for each class; got {root}."
        )
    check_image_shape(image_shape)
    if on_bad_file not in ("raise", "skip"):
        raise ValueError(f'on_bad_file must be "raise" or "skip"; got {shown(on_bad_file)}.')
    found = _pictures(root, classes)
    shape, sound = _common_shape(found, image_shape, on_bad_file)
    n_bytes = math.prod(shape) * len(sound)
    if n_bytes > LARGEST and cache is None:
        raise ValueError(
            f"The {len(sound):,} images take {n_bytes / 1e9:.1f} GB. Pass cache=, the path of an "
            ".npy file from which they are memory-mapped, or a smaller image_shape."
        )
    images, sound = _read_all(sound, shape, on_bad_file, cache)
    skipped = [str(path) for path in found if path not in set(sound)]
    if skipped:
        warnings.warn(
            f"{counted(len(skipped), 'picture')} cannot be read and left out, such as "
            f"{skipped[0]}.",
            UserWarning,
            stacklevel=2,
        )
    names = [path.relative_to(root).parts[0] for path in sound]
    target_names = sorted(set(names))
    if len(target_names) < 2:
        raise ValueError(
            f"folder must have pictures of two classes or more; what can be read in {root} is of "
            f"{target_names}."
        )
    are_numbers = all(name.isascii() and name.isdecimal() for name in target_names) and len(
        {int(name) for name in target_names}
    ) == len(target_names)
    target = np.array(names, dtype=np.int64) if are_numbers else np.array(names)
    if return_X_y:
        return images, target
    return ImageBunch(
        images=images,
        target=target,
        target_names=target_names,
        filenames=[str(path) for path in sound],
        skipped=skipped,
    )


def _pictures(root: Path, classes: Collection[str] | None) -> list[Path]:
    """Return the pictures of the classes, sorted."""
    if isinstance(classes, str):
        raise TypeError(f"classes must be a collection of names; got the string {classes!r}.")
    folders = {path.name for path in root.iterdir() if path.is_dir() and path.name[0] != "."}
    if classes is not None and not folders.issuperset(classes):
        missing = sorted(set(classes) - folders)
        raise ValueError(
            f"classes must be names of folders in {root}; there is no {', '.join(missing)}. "
            f"There are {shown(sorted(folders))}."
        )
    found = [
        path
        for name in sorted(folders if classes is None else set(classes))
        for path in files_in(root / name)
        if path.is_file()
    ]
    with_pictures = {path.relative_to(root).parts[0] for path in found}
    if len(with_pictures) < 2:
        bare = sum(path.suffix.lower() in PICTURES for path in root.iterdir())
        hint = f" The {bare} pictures beside them have no class." if bare else ""
        raise ValueError(
            f"folder must have a folder of pictures ({', '.join(PICTURES)}) for each of two "
            f"classes or more; {root} has pictures in {sorted(with_pictures) or 'none'}.{hint}"
        )
    return found


def _common_shape(
    paths: Sequence[Path], image_shape: Sequence[int] | None, on_bad_file: str
) -> tuple[tuple[int, int, int], list[Path]]:
    """Return the shape of the images, and the pictures whose headers can be read."""
    if image_shape is not None and len(image_shape) == 3:
        return (int(image_shape[0]), int(image_shape[1]), int(image_shape[2])), list(paths)
    from PIL import Image

    sizes: Counter[tuple[int, int]] = Counter()
    is_grey, sound = True, []
    for path in paths:
        try:
            with Image.open(path) as picture:
                sizes[picture.height, picture.width] += 1
                is_grey &= picture.mode in GREY_MODES
        except Exception as error:  # of many types
            _refuse(path, error, on_bad_file)
        else:
            sound.append(path)
    if not sizes:
        raise ValueError(f"None of the {len(paths)} pictures can be read, such as {paths[0]}.")
    height, width = image_shape if image_shape is not None else sizes.most_common(1)[0][0]
    return (int(height), int(width), 1 if is_grey else 3), sound


def _read_all(
    paths: Sequence[Path], shape: tuple[int, int, int], on_bad_file: str, cache: Any
) -> tuple[NDArray[np.uint8], list[Path]]:
    """Read pictures into an array, in memory or in a file; return it and those that were read."""
    full = (len(paths), *shape)
    if cache is None:
        images = np.empty(full, np.uint8)
        sound = _fill(images, paths, on_bad_file)
        return images[: len(sound)], sound
    target = file_path(cache, name="cache", example="images.npy")
    with atomic_write(target) as part:
        with part.open("wb") as file:  # open_memmap of NumPy would write to the final name
            header = {"descr": "|u1", "fortran_order": False, "shape": full}
            np.lib.format.write_array_header_1_0(file, header)
            offset = file.tell()
            file.truncate(offset + math.prod(full))
        mapped = np.memmap(part, np.uint8, "r+", offset, full)
        sound = _fill(mapped, paths, on_bad_file)
        mapped.flush()
        del mapped
    images = np.load(target, mmap_mode="r")
    return images[: len(sound)], sound


def _fill(images: NDArray[np.uint8], paths: Sequence[Path], on_bad_file: str) -> list[Path]:
    """Read pictures into the first rows of an array; return those that were read."""
    sound: list[Path] = []
    for path in paths:
        try:
            images[len(sound)] = _read(path, images.shape[1:])
        except Exception as error:  # of many types
            _refuse(path, error, on_bad_file)
        else:
            sound.append(path)
    return sound


def _refuse(path: Path, error: Exception, on_bad_file: str) -> None:
    if on_bad_file == "raise":
        raise ValueError(
            f"{path} cannot be read as a picture ({type(error).__name__}: {error!s:.200}). Remove "
            'it, or pass on_bad_file="skip".'
        ) from error


def _read(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return a picture in a shape: resized in its proportions, and filled."""
    from PIL import Image, ImageOps

    height, width, channels = shape
    modes = {1: "L", 3: "RGB", 4: "RGBA"}
    if channels not in modes:
        raise ValueError(f"image_shape must have 1, 3 or 4 channels for pictures; got {channels}")
    with Image.open(path) as opened:
        picture: Any = ImageOps.exif_transpose(opened)
        if picture.mode.startswith("I;16") or picture.mode == "I":  # 16 bits of grey
            values = np.clip(np.asarray(picture, np.float64) / 257, 0, 255)
            picture = Image.fromarray(values.astype(np.uint8))
        if channels < 4 and picture.has_transparency_data:
            picture = picture.convert("RGBA")
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
        picture = picture.convert(modes[channels])
    return np.asarray(fit_picture(picture, width, height)).reshape(shape)
