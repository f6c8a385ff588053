"""Exit codes of the command line, and what each means."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended; ``meaning`` is its text in the help."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> "ExitCode":
        """Make a code of its number and its meaning."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    DONE = 0, "done"
    ERROR = 1, "invalid data, model or file; one line on stderr says which"
    USAGE = 2, "wrong arguments"
    BELOW_MIN_ACCURACY = 3, "evaluate: the accuracy is below --min-accuracy"
    SKIPPED = 4, "done, but --skip-bad left out files, which stderr lists"
    OTHER_VALUE_RANGE = 5, "the values of the images have another range than in training"
    INTERRUPTED = 130, "Ctrl-C; 0 for draw, once the page is there, as that is how it ends"
    BROKEN_PIPE = 141, 'the reader of the output is gone, as in "| head"'


def exit_code_table() -> str:
    """Return the lines of the help that explain the codes."""
    lines = (f"  {code.value:<4} {code.meaning}" for code in ExitCode)
    return "exit codes:\n" + "\n".join(lines) + "\n"
