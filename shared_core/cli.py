"""The command `multillm`: one chat call, or a conversation, from the shell."""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from importlib.util import find_spec
from typing import Any, TextIO

from shared_core import (
    CATALOG,
    BackendError,
    ChatBackend,
    ChatRequest,
    ConfigurationError,
    Finish,
    Fold,
    Message,
    MultillmError,
    Place,
    Role,
    TextDelta,
    TextPart,
    __version__,
    connect,
)

OK, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130
"""Exit codes: all well; the call failed; the command or the configuration is wrong; stopped with Ctrl-C."""

_EPILOG = "exit codes: 0 well, 1 the call failed, 2 wrong usage or configuration, 130 interrupted"
_NOT_TEXT = "the prompt is not valid UTF-8 text"
_LOCAL_URL = "in process"
_COLUMNS = ("NAME", "URL", "CHAT MODEL", "EMBEDDING MODEL", "KEY VARIABLE", "KEY")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; a wrong command line raises `SystemExit(2)`, as argparse does."""
    options = _parser().parse_args(arguments)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            code: int = options.run(options)
            sys.stdout.flush()
        except MultillmError as error:
            return _report(error)
        except KeyboardInterrupt:
            return INTERRUPTED
        except BrokenPipeError:
            return _reader_has_left()
    return code


def _report(error: MultillmError) -> int:
    sys.stdout.flush()
    print(f"multillm: {error}", file=sys.stderr)
    return MISUSED if isinstance(error, ConfigurationError) else FAILED


def _reader_has_left() -> int:
    """`multillm chat ... | head`: Python would complain once more when it closes stdout at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAILED


def _show_warning(
    message: Warning | str,
    category: type[Warning],  # noqa: ARG001 - the signature is Python's
    filename: str,  # noqa: ARG001
    lineno: int,  # noqa: ARG001
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    print(f"multillm: {message}", file=sys.stderr)


# --- the command line ----------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("multillm", description=__doc__, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"multillm-plugins {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_chat(commands.add_parser("chat", help="ask a model, or talk with it", epilog=_EPILOG))
    backends = commands.add_parser("backends", help="list the places a model can run at", epilog=_EPILOG)
    backends.add_argument("--json", action="store_true", help="print a JSON list")
    backends.set_defaults(run=_backends)
    return parser


def _add_chat(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prompt", nargs="?", help="without it: standard input if that is no terminal, else a dialogue")
    parser.add_argument("-b", "--backend", help="a name that `multillm backends` lists (default: together)")
    parser.add_argument("-m", "--model", help="the model's name; without it the backend's default")
    parser.add_argument("-s", "--system", help="instructions that go before the conversation")
    parser.add_argument("--max-tokens", type=_positive, metavar="N", help="longest answer, in tokens")
    parser.add_argument("--temperature", type=_not_negative, metavar="T", help="0 picks the likeliest token")
    parser.add_argument("--json", action="store_true", help="print the whole answer as one JSON object a line")
    parser.set_defaults(run=_chat)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _not_negative(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError("must be 0 or more")
    return number


# --- chat ----------------------------------------------------------------------------------------------------------


def _chat(options: argparse.Namespace) -> int:
    backend = connect(options.backend, model=options.model)
    history = [_turn("system", options.system)] if options.system else []
    if options.prompt is None and sys.stdin.isatty():
        return _talk(backend, history, options)
    _ask(backend, history, _prompt(options), options)
    return OK


def _prompt(options: argparse.Namespace) -> str:
    try:
        prompt: str = sys.stdin.read() if options.prompt is None else options.prompt
    except UnicodeDecodeError:
        raise ConfigurationError(_NOT_TEXT) from None
    if not prompt.strip():
        raise ConfigurationError("there is no prompt: give one as argument, or on standard input")
    return prompt


def _turn(role: Role, text: str) -> Message:
    try:
        text.encode()
    except UnicodeEncodeError:  # Python hands over bytes that are no UTF-8 as lone surrogates
        raise ConfigurationError(_NOT_TEXT) from None
    return Message(role=role, parts=(TextPart(text=text),))


def _talk(backend: ChatBackend, history: list[Message], options: argparse.Namespace) -> int:
    print(f"{backend.model} at {backend.name}; Ctrl-D ends.", file=sys.stderr)
    while True:
        try:
            prompt = input("> ")
        except EOFError:
            print()
            return OK
        if prompt.strip():
            _ask_and_go_on(backend, history, prompt, options)


def _ask_and_go_on(backend: ChatBackend, history: list[Message], prompt: str, options: argparse.Namespace) -> None:
    """A turn that fails is forgotten; the dialogue goes on."""
    try:
        _ask(backend, history, prompt, options)
    except BackendError as error:
        _report(error)


def _ask(backend: ChatBackend, history: list[Message], prompt: str, options: argparse.Namespace) -> None:
    turn = _turn("user", prompt)
    request = ChatRequest(messages=(*history, turn), max_tokens=options.max_tokens, temperature=options.temperature)
    answer = _print_json(backend, request) if options.json else _print_stream(backend, request)
    history += [turn, answer]


def _print_stream(backend: ChatBackend, request: ChatRequest) -> Message:
    answer, end = Fold(), ""
    try:
        with closing(backend.stream(request)) as events:
            for event in events:
                answer.add(event)
                if isinstance(event, TextDelta):
                    print(event.text, end="", flush=True)
                    end = "\n"
    finally:
        print(end=end)
    response = answer.response()
    _note_cut(response.finish)
    return response.message


def _note_cut(finish: Finish) -> None:
    if finish.reason == "length":
        print("multillm: the answer is cut off: the token limit was reached", file=sys.stderr)


def _print_json(backend: ChatBackend, request: ChatRequest) -> Message:
    response = backend.chat(request)
    shown = {"text": response.text, "reasoning": response.reasoning, **asdict(response.finish)}
    print(json.dumps(shown, ensure_ascii=False), flush=True)
    return response.message


# --- backends ------------------------------------------------------------------------------------------------------


def _backends(options: argparse.Namespace) -> int:
    rows = [_local_row(), *(_row(place) for place in CATALOG.values())]
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        _print_table([_COLUMNS, *(_cells(row) for row in rows)])
    return OK


def _row(place: Place) -> dict[str, Any]:
    return {
        "name": place.name,
        "title": place.title,
        "url": place.base_url,
        "url_variable": place.url_variable,
        "chat_model": place.chat_model,
        "embedding_model": place.embedding_model,
        "key_variable": place.key,
        "key_required": place.key_required,
        "key_set": bool(place.key and os.environ.get(place.key, "").strip()),
    }


def _local_row() -> dict[str, Any]:
    return {
        "name": "llama_cpp",
        "title": "llama.cpp in this process",
        "url": _LOCAL_URL,
        "url_variable": None,
        "chat_model": "bundled demo model",
        "embedding_model": None,
        "key_variable": None,
        "key_required": False,
        "key_set": False,
        "installed": find_spec("llama_cpp") is not None,
    }


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    shown = [row[name] or "-" for name in ("name", "url", "chat_model", "embedding_model", "key_variable")]
    return (*shown, _key_state(row))


def _key_state(row: dict[str, Any]) -> str:
    if row["key_set"]:
        return "set"
    return "missing" if row["key_required"] else "not needed"


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
