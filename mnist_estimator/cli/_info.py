"""The command info: what is in a model's file."""

import argparse
import json
import sys

from ._exit_codes import ExitCode
from ._model import find_model


def run_info(options: argparse.Namespace) -> int:
    """Print what a file says of the model in it.

    Parameters
    ----------
    options : argparse.Namespace
        ``model``, ``json`` and ``card``, as the command line has them.

    Returns
    -------
    int
        Exit code: 0.
    """
    from ..evaluation._model_info import read_info

    info = read_info(find_model(options.model))
    if options.json:
        text = json.dumps(info.to_dict(), indent=2)
    elif options.card:
        from ..evaluation._model_card import card_of

        text = card_of(info).rstrip("\n")
    else:
        text = str(info)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # labels that the terminal lacks
    print(text)
    return ExitCode.DONE
