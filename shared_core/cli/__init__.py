"""The command `multillm`: what can be asked of the package from the shell."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence

from shared_core import MultillmError, __version__
from shared_core.cli.backends import add_backends
from shared_core.cli.chat import add_chat
from shared_core.cli.models import add_models
from shared_core.cli.output import FAILED, INTERRUPTED, MISUSED, OK, reader_has_left, report, show_warning

__all__ = ["FAILED", "INTERRUPTED", "MISUSED", "OK", "main"]

_ABOUT = "One chat call or a conversation; the places a model can run at; the models they have."
_EPILOG = "exit codes: 0 well, 1 the call failed, 2 wrong usage or configuration, 130 interrupted"
_COMMANDS = (
    ("chat", "ask a model, or talk with it", add_chat),
    ("backends", "list the places a model can run at", add_backends),
    ("models", "list the models of a place, or what is known of all", add_models),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; a wrong command line raises `SystemExit(2)`, as argparse does."""
    options = _parser().parse_args(arguments)
    with warnings.catch_warnings():
        warnings.showwarning = show_warning
        try:
            code: int = options.run(options)
            sys.stdout.flush()
        except MultillmError as error:
            return report(error)
        except KeyboardInterrupt:
            return INTERRUPTED
        except BrokenPipeError:
            return reader_has_left()
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("multillm", description=_ABOUT, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"multillm-plugins {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, meaning, add in _COMMANDS:
        add(commands.add_parser(name, help=meaning, epilog=_EPILOG))
    return parser
