"""Images from files of any kind, in batches, for a model that is there."""

from pathlib import Path

from .array_files import is_idx, open_idx, open_npy, open_npz
from .csv_files import open_csv
from .image_input import ImageForm, Images, Wanted
from .picture_files import open_folder, open_picture


def open_images(path: str, form: ImageForm, wanted: Wanted = Wanted()) -> Images:  # noqa: B008
    """Open a file or folder of images.

    Parameters
    ----------
    path : str
        A picture, a folder of pictures, an IDX file (gzipped or not), an .npy file, an
        .npz archive or a CSV file (gzipped or not); "-" for CSV on the standard input.
        Its content tells the kind; a CSV file is known by its name.
    form : ImageForm
        What the images must be.
    wanted : Wanted, default=Wanted()
        Which of several arrays to take, and whether labels with them.

    Returns
    -------
    Images

    Raises
    ------
    OSError
        If there is no such file, or it cannot be read.
    InputError
        If it is damaged, of no known kind, without images or labels, or its images are
        not those of ``form``. While the batches are read this may be raised, too.
    """
    if path == "-":
        return open_csv(path, form, wanted)
    file = Path(path)
    if file.is_dir():
        return open_folder(file, form, wanted)
    if ".csv" in (suffix.lower() for suffix in file.suffixes):
        return open_csv(path, form, wanted)
    with file.open("rb") as raw:
        start = raw.read(6)
    if start == b"\x93NUMPY":
        return open_npy(file, form, wanted)
    if start[:2] == b"PK":
        return open_npz(file, form, wanted)
    return open_idx(file, form, wanted) if is_idx(file) else open_picture(file, form, wanted)
