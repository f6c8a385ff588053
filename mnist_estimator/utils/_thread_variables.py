"""The number of threads that environment variables tell a process."""

import os


def number_of(variable: str) -> int | None:
    """Return the number above 0 that an environment variable has, or None."""
    value = os.environ.get(variable, "").split(",")[0].strip()  # OpenMP: a number for each level
    return int(value) if value.isascii() and value.isdigit() and int(value) > 0 else None
