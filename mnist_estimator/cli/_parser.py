"""The command line: train and search; use a pipeline or describe it."""

import argparse
import ast
import importlib
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .._version import __version__
from ..utils._exceptions import ValueRangeWarning
from ._exit_codes import ExitCode, exit_code_table

PRESETS = ("fast", "balanced", "accurate")
"""Those of ``make_pipeline``, whose import would take seconds."""
DEFAULT_OUTPUT = "mnist-output"
DRAWING_PORT = 8028
LEAST_TRAIN_SIZE = 100

COMMANDS = {
    "train": ("_train", "train a network on MNIST or other images, and report its accuracy"),
    "search": ("_search", "search for the best parameters by cross-validation"),
    "predict": ("_commands", "classify images from files, and write labels as CSV"),
    "recognize": ("_recognize", "find and classify the digits on photos, scans and documents"),
    "evaluate": ("_commands", "report the metrics of a model on images with labels"),
    "info": ("_info", "show what is in a model's file, without loading the model"),
    "export": ("_commands", "write a model as an ONNX file"),
    "draw": ("_commands", "serve a page to draw digits, which a model classifies"),
}
"""Where each command's function is, and what it does."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, default=None
        Arguments; None takes those of the process. Without a command they are those
        of ``train``.

    Returns
    -------
    int
        Exit code: one of :class:`~mnist_estimator.cli.ExitCode`.
    """
    # TensorFlow's fast kernels are off by default on processors without AVX-512, where they help.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    try:
        try:
            return _run(list(sys.argv[1:] if arguments is None else arguments))
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        return ExitCode.BROKEN_PIPE
    except KeyboardInterrupt:
        _complain("interrupted.")
        return ExitCode.INTERRUPTED
    except MemoryError:
        _complain("not enough memory. Take fewer images at once, or .npy files.")
    except OSError as error:
        if error.filename is not None or error.strerror is None:
            place = "" if error.filename is None else f"{error.filename}: "
            _complain(f"{place}{error.strerror or error}")
        else:  # such as a full disk behind stdout
            _complain(error.strerror)
            _discard_output()
    except ValueRangeWarning as warning:  # an error here
        _complain(f"{warning} With --force the images are classified as they are.")
        return ExitCode.OTHER_VALUE_RANGE
    except (ValueError, TypeError, ImportError, FloatingPointError) as error:
        _complain(str(error))
    return ExitCode.ERROR


def _run(arguments: list[str]) -> int:
    own = ("-h", "--help", "--version")
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in own):
        arguments = ["train", *arguments]
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command == "evaluate" and options.data is not None and options.source is not None:
        parser.error("--source says where MNIST comes from; give it or DATA, not both")
    if options.command == "train":
        _check_train(parser, options)
    module = importlib.import_module(f".{COMMANDS[options.command][0]}", __package__)
    with warnings.catch_warnings():
        if hasattr(options, "force"):
            warnings.simplefilter("ignore" if options.force else "error", ValueRangeWarning)
        code: int = getattr(module, f"run_{options.command}")(options)
    return code


def _check_train(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Refuse options that have no effect together."""
    if options.data is not None and options.source is not None:
        parser.error("--source says where MNIST comes from; give it or DATA, not both")
    if options.data is not None and options.drawn is not None:
        parser.error("--drawn adds drawn digits to MNIST; give it or DATA, not both")
    if options.data is None:
        for name in ("image_shape", "classes", "key", "labels", "label_column", "test"):
            if getattr(options, name) is not None:
                parser.error(f"--{name.replace('_', '-')} says what is in DATA; give DATA, too")


def _complain(text: str) -> None:
    """Print one line on stderr."""
    print(f"mnist-estimator: {' '.join(text.split())}", file=sys.stderr)


def _discard_output() -> None:
    """Send what is left of the output nowhere: Python would complain of it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mnist-estimator",
        usage="mnist-estimator [train [DATA]] [options]\n"
        "       mnist-estimator search DATA --grid NAME=VALUE,... [options]\n"
        "       mnist-estimator {predict,recognize,evaluate,info,export,draw} MODEL ... [options]",
        description="Train a convolutional network on MNIST, and use it. "
        '"mnist-estimator COMMAND --help" lists the options of a command.',
        epilog=exit_code_table(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"mnist-estimator {__version__}")
    commands = parser.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", prog="mnist-estimator"
    )
    describe = {
        "train": _describe_train,
        "search": _describe_search,
        "predict": _describe_predict,
        "recognize": _describe_recognize,
        "evaluate": _describe_evaluate,
        "info": _describe_info,
        "export": _describe_export,
        "draw": _describe_draw,
    }
    for name, (_, summary) in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        describe[name](command)
    # For the help alone: options without a command are handed to train.
    _add_train_options(parser.add_argument_group("options of train"))
    return parser


def _describe_train(parser: argparse.ArgumentParser) -> None:
    parser.epilog = """\
DATA is an .npz archive; an IDX file of images with its labels beside it (as
train-images-idx3-ubyte and train-labels-idx1-ubyte), or a folder of such files; an .npy file with
--labels; a CSV or Parquet file with a column of labels; or a folder that has a folder of pictures
for each class. x_test and y_test of an archive, t10k files, and folders named train, validation
and test are used as such. Where there is no test set, a part of DATA is held out for it.
The output folder gets report.html (one page with everything), the plots as PNG, metrics.json,
per_class.csv, confusion_matrix.csv, history.csv and digits.pipeline, the fitted pipeline, which
the other commands take. Ctrl-C ends the training and keeps what was learned; a second Ctrl-C
stops at once."""
    parser.add_argument(
        "data", metavar="DATA", nargs="?", help="images with labels (default: MNIST)"
    )
    _add_train_options(parser)


def _add_data_options(parser: Any) -> None:
    """Add the options that say what is in DATA."""
    add = parser.add_argument
    add("--image-shape", type=_image_shape, metavar="H,W[,C]",
        help="shape of the images in DATA: flat rows that are not square and grey; the size to "
        "which pictures of different sizes are brought (default: as in DATA)")  # fmt: skip
    add("--classes", type=_names, metavar="A,B,...",
        help="use the images of these classes only (default: all)")  # fmt: skip
    add("--key", metavar="NAME", help="the array of images in an .npz (default: the usual name)")
    add("--labels", metavar="NAME",
        help="the labels: an array of an .npz, a file (IDX, .npy, or CSV of one column) for images "
        "in IDX or .npy, or a column of a table")  # fmt: skip
    add("--label-column", metavar="COLUMN",
        help="the column of labels in a CSV, Parquet or .npy file: its name, first or last"
    )  # fmt: skip
    add("--skip-bad", action="store_true",
        help="leave out pictures that cannot be read; list them at the end, and end with the exit "
        "code 4")  # fmt: skip


def _describe_search(parser: argparse.ArgumentParser) -> None:
    parser.epilog = """\
The output folder gets search.csv, the score of each combination, and digits.pipeline, the best
one, fitted on all images. An interrupted search resumes where it stopped if it is repeated: its
finished fits are in the folder cache in the output folder, which may be deleted afterwards."""
    add = parser.add_argument
    add("data", metavar="DATA", help="images with labels, as for train; or mnist")
    add("--grid", action="append", type=_grid, required=True, metavar="NAME=V1,V2,...",
        help="a parameter and the values to try, such as learning_rate=0.003,0.01; may be "
        "repeated, then all combinations are tried")  # fmt: skip
    add("--folds", type=_folds, metavar="N", default=3,
        help="folds of the cross-validation (default: 3)")  # fmt: skip
    add("--jobs", type=_count, metavar="N", default=1,
        help="fits at the same time, in processes (default: 1)")  # fmt: skip
    add("--preset", choices=PRESETS, default="balanced",
        help="parameters to start from (default: balanced)")  # fmt: skip
    _add_set(parser)
    _add_seed_and_output(parser, "search-output", "the scores and the best pipeline")
    _add_data_options(parser)
    _add_quiet(parser)


def _add_set(parser: Any) -> None:
    parser.add_argument(
        "--set", action="append", type=_setting, default=[], metavar="NAME=VALUE", dest="settings",
        help="a parameter of CNNClassifier, such as batch_size=128 or filters=(32,64); may be "
        "repeated",
    )  # fmt: skip


def _add_seed_and_output(parser: Any, output: str, results: str) -> None:
    add = parser.add_argument
    add("--seed", type=_seed, metavar="N", default=0, help="random seed (default: 0)")
    add("--output", type=Path, metavar="FOLDER", default=Path(output),
        help=f"folder for the results, made if need be: {results} (default: {output})")  # fmt: skip


def _add_train_options(parser: Any) -> None:
    add = parser.add_argument
    add("--preset", choices=PRESETS, default="balanced",
        help="how much training: fast, balanced or accurate (default: balanced)")  # fmt: skip
    add("--epochs", type=_count, metavar="N",
        help="largest number of epochs (default: that of the preset)")  # fmt: skip
    _add_set(parser)
    _add_seed_and_output(
        parser, DEFAULT_OUTPUT, "report.html, plots, tables and the fitted pipeline"
    )
    add("--source", metavar="SOURCE",
        help='where MNIST comes from: "bundled" with the package, "keras", "openml", or the path '
        "of an mnist.npz or of a folder of IDX files (default: bundled)")  # fmt: skip
    add("--drawn", type=_count, metavar="N",
        help="add N drawn digits of American, European and East Asian forms to MNIST's training "
        "images, such as 10000: for pictures by writers of other countries (default: none)"
    )  # fmt: skip
    add("--train-size", type=_train_size, metavar="N",
        help="train on N images only, chosen at random with the classes in proportion "
        "(default: all)")  # fmt: skip
    add("--validation", metavar="DATA",
        help="images with labels for early stopping (default: a part of the training images)"
    )  # fmt: skip
    add("--test", metavar="DATA",
        help="images with labels for the report (default: those of DATA, or a sixth of its images)"
    )  # fmt: skip
    add("--checkpoint-dir", type=Path, metavar="FOLDER",
        help="folder, made if need be, where the state of the training is kept after each epoch; "
        "after a kill the same command goes on from there (default: nothing is kept)")  # fmt: skip
    _add_data_options(parser)
    _add_quiet(parser)


def _describe_predict(parser: argparse.ArgumentParser) -> None:
    parser.epilog = """\
The CSV has the columns source, index (of the image in its source, from 0), label and confidence
(the probability of the label). A picture must have the size that the model takes; it is taken
as grey where the model is, and must look like the images that the model learned from: MNIST's are
28×28, light on dark, and centred. Of a picture with several pages or frames each is read.
A CSV or Parquet file has one image a row. Where it has names, they decide on the order of the
pixels; a column named label is left out. Without names and with one column more than pixels, the
label, first or last, is left out where its values tell it; else --label-column is needed."""
    add = parser.add_argument
    _add_model(parser)
    add("inputs", metavar="INPUT", nargs="+",
        help="a picture (PNG, JPEG, BMP, GIF, TIFF, WebP, PPM), a folder of them, an IDX, .npy, "
        ".npz, CSV or Parquet file, gzipped or not, a pipe, or - for stdin")  # fmt: skip
    add("--output", type=Path, metavar="FILE",
        help="file for the CSV, written atomically (default: stdout)")  # fmt: skip
    add("--probabilities", action="store_true",
        help="add a column for each class, named probability_LABEL")  # fmt: skip
    _add_reading(parser)
    _add_quiet(parser)


def _describe_recognize(parser: argparse.ArgumentParser) -> None:
    parser.epilog = """\
Text goes to stdout: a line for each line of digits, with spaces where there are gaps. With
several pictures or pages, each has a heading, as head has them. Digits that the model rejects, or
of less confidence than --min-confidence, are "?" in the text. The CSV has a row for each digit:
source, page (from 0), line, group (digits without a gap between them), label, confidence, rejected,
doubtful, and the box: top, left, bottom, right, in pixels of the picture as it is shown. A page
of a PDF is rendered with 200 pixels an inch."""
    add = parser.add_argument
    _add_model(parser)
    add("pictures", metavar="PICTURE", nargs="+",
        help="a photo or scan in any format that Pillow opens, a PDF (pip install "
        "mnist_estimator[pdf]), a folder of them, a pipe, or - for stdin")  # fmt: skip
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", dest="format", action="store_const", const="csv", default="text",
        help="write CSV, a row for each digit")  # fmt: skip
    form.add_argument("--json", dest="format", action="store_const", const="json",
        help="write JSON: a list of pages with lines, groups and digits")  # fmt: skip
    add("--output", type=Path, metavar="FILE",
        help="file for the text, CSV or JSON, written atomically (default: stdout)")  # fmt: skip
    add("--annotate", type=Path, metavar="FOLDER",
        help="folder, made if need be, for a PNG of each page with boxes and labels")  # fmt: skip
    add("--min-confidence", type=_share, metavar="SHARE",
        help="mark digits of less confidence as doubtful, such as 0.9")  # fmt: skip
    add("--placeholder", metavar="TEXT", default="?",
        help="what stands in the text for rejected and doubtful digits (default: ?)")  # fmt: skip
    add("--keep-letters", action="store_true",
        help="classify letters and other signs, too, which are left out otherwise")  # fmt: skip
    add("--rotation", type=_rotation, metavar="DEGREES", default=0,
        help="turn pages clockwise by 0, 90, 180 or 270 degrees to make them upright; auto finds "
        "out by how much, in up to four times the time (default: 0)")  # fmt: skip
    add("--polarity", choices=("auto", "dark_on_light", "light_on_dark"), default="auto",
        help="whether the digits are lighter than the paper (default: auto)")  # fmt: skip
    add("--region", type=_region, metavar="TOP,LEFT,BOTTOM,RIGHT",
        help="the part of each picture to search, in pixels: its first row and column, and those "
        "after its last (default: all)")  # fmt: skip
    add("--skip-bad", action="store_true",
        help="leave out pictures that cannot be opened; list them at the end, and end with the "
        "exit code 4")  # fmt: skip
    _add_quiet(parser)


def _describe_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.epilog = """\
DATA may be an .npz archive; a CSV or Parquet file with a column of labels; an IDX file of images
with its labels beside it (as train-images-idx3-ubyte and train-labels-idx1-ubyte) or named by
--labels; an .npy file with --labels or with a column of labels; or a folder that has a folder of
pictures for each label. Where columns have no names, the label is the first or the last, as the
values tell, or as --label-column says."""
    add = parser.add_argument
    _add_model(parser)
    add("data", metavar="DATA", nargs="?",
        help="images with labels (default: the test set of MNIST)")  # fmt: skip
    add("--source", metavar="SOURCE",
        help='where MNIST comes from, without DATA: "bundled", "keras", "openml" or a path '
        "(default: bundled)")  # fmt: skip
    add("--labels", metavar="NAME",
        help="the labels: an array of an .npz, a file (IDX, .npy, or CSV of one column) for images "
        "in IDX or .npy, or a column of a table")  # fmt: skip
    _add_reading(parser)
    add("--json", type=Path, metavar="FILE", help="write the metrics as JSON")
    add("--html", type=Path, metavar="FILE", help="write the report as an HTML page")
    add("--min-accuracy", type=_share, metavar="SHARE",
        help="end with the exit code 3 if the accuracy is below, such as 0.99")  # fmt: skip
    _add_quiet(parser)


def _describe_info(parser: argparse.ArgumentParser) -> None:
    parser.epilog = """\
Classes, image shape, versions, date, parameters, training data, scores and the metadata given to
save, as far as they are in the file. Nothing in it is run."""
    _add_model(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--card", action="store_true", help="print a model card in Markdown")


def _describe_export(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    parser.add_argument("file", type=Path, metavar="FILE", help="the ONNX file to write")
    _add_quiet(parser)


def _describe_draw(parser: argparse.ArgumentParser) -> None:
    parser.epilog = """\
The page can be opened on this computer only, and needs no network. Ctrl-C ends it."""
    add = parser.add_argument
    _add_model(parser)
    add("--port", type=_port, metavar="N", default=DRAWING_PORT,
        help=f"port of the page; 0 takes any that is free (default: {DRAWING_PORT})")  # fmt: skip
    add("--open", action="store_true", help="open the page in the browser")


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", type=Path, metavar="MODEL",
        help="a saved pipeline, an .onnx file that export wrote, or the folder that train wrote to",
    )  # fmt: skip


def _add_quiet(parser: Any) -> None:
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def _add_reading(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--key", metavar="NAME",
        help="the array of images in an .npz (default: x_test, X, images or another usual name, "
        "or the only one)")  # fmt: skip
    add("--label-column", metavar="COLUMN",
        help="the column of labels in a CSV, Parquet or .npy file: its name, first or last "
        "(default: one named label, class, target, y or digit, or as the values tell)")  # fmt: skip
    add("--skip-bad", action="store_true",
        help="leave out pictures and files that cannot be read; list them at the end, and end with "
        "the exit code 4")  # fmt: skip
    add("--resize", action="store_true",
        help="bring pictures of other sizes to that of the model's images, keeping their "
        "proportions, as train does (without it they are refused)")  # fmt: skip
    add("--invert", action="store_true",
        help="swap dark and light, for images dark on light")  # fmt: skip
    add("--force", action="store_true",
        help="classify images whose values have another range than those that the model was fitted "
        "on, such as 0 to 1 in place of 0 to 255 (without it: the exit code 5)")  # fmt: skip


def _count(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 up, got {text!r}")
    return number


def _rotation(text: str) -> int | str:
    if text not in ("0", "90", "180", "270", "auto"):
        raise argparse.ArgumentTypeError(f"must be 0, 90, 180, 270 or auto, got {text!r}")
    return text if text == "auto" else int(text)


def _region(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    region = tuple(int(part) for part in parts if part.isascii() and part.isdecimal())
    if len(parts) != 4 or len(region) != 4 or region[0] >= region[2] or region[1] >= region[3]:
        raise argparse.ArgumentTypeError(
            "must be TOP,LEFT,BOTTOM,RIGHT, whole numbers with top < bottom and left < right, got "
            f"{text!r}"
        )
    return region


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(
            f"must be a whole number from 0 to 4294967295, got {text!r}"
        )
    return int(text)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to 65535, got {text!r}")
    return int(text)


def _train_size(text: str) -> int:
    number = _count(text)
    if number < LEAST_TRAIN_SIZE:
        raise argparse.ArgumentTypeError(f"must be from {LEAST_TRAIN_SIZE} up, got {text!r}")
    return number


def _folds(text: str) -> int:
    number = _count(text)
    if number < 2:
        raise argparse.ArgumentTypeError(f"must be a whole number from 2 up, got {text!r}")
    return number


def _image_shape(text: str) -> tuple[int, ...]:
    numbers = text.replace("x", ",").replace("×", ",").split(",")
    if len(numbers) not in (2, 3) or not all(n.isdecimal() and int(n) > 0 for n in numbers):
        raise argparse.ArgumentTypeError(
            f"must be height,width or height,width,channels, such as 32,32,3; got {text!r}"
        )
    return tuple(map(int, numbers))


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if len(set(names)) < 2 or not all(names):
        raise argparse.ArgumentTypeError(f"must be two names or more, as in cat,dog; got {text!r}")
    return names


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE, such as epochs=10; got {text!r}")
    return name, _value(value)


def _grid(text: str) -> tuple[str, list[Any]]:
    name, equals, values = text.partition("=")
    if not equals or not name.isidentifier() or not values:
        raise argparse.ArgumentTypeError(
            f"must be NAME=VALUE,VALUE,..., such as epochs=5,10; got {text!r}"
        )
    listed = _value(f"[{values}]")
    if not isinstance(listed, list):  # words without quotes
        listed = [_value(value) for value in values.split(",")]
    return name, listed


def _value(text: str) -> Any:
    """Return a Python literal, or else the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 1, got {text!r}")
    return share
