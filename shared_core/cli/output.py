"""How the commands end, and how they print errors, warnings and tables."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TextIO

from shared_core import ConfigurationError, MultillmError

OK, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130
"""Exit codes: all well; the call failed; the command or the configuration is wrong; stopped with Ctrl-C."""


def report(error: MultillmError, more: str = "") -> int:
    """Print the error, and what `more` there is to say, as one message; return the exit code that it means."""
    note(f"{error} {more}".rstrip())
    return MISUSED if isinstance(error, ConfigurationError) else FAILED


def note(text: str) -> None:
    """Print to standard error, after all that went to standard output before."""
    sys.stdout.flush()
    print(f"multillm: {text}", file=sys.stderr)


def reader_has_left() -> int:
    """`multillm chat ... | head`: Python would complain once more when it closes stdout at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAILED


def show_warning(
    message: Warning | str,
    category: type[Warning],  # noqa: ARG001
    filename: str,  # noqa: ARG001
    lineno: int,  # noqa: ARG001
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    """Print a warning as one message; the signature is Python's."""
    print(f"multillm: {message}", file=sys.stderr)


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows of cells, the first being the heads of the columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
