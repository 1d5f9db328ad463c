"""`multillm chat`: one question, or a conversation."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import closing
from dataclasses import asdict

from shared_core import (
    BackendError,
    ChatBackend,
    ChatRequest,
    ConfigurationError,
    Finish,
    Fold,
    Message,
    Role,
    TextDelta,
    TextPart,
    connect,
)
from shared_core.cli.output import OK, report

_NOT_TEXT = "the prompt is not valid UTF-8 text"


def add_chat(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
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
        report(error)


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
