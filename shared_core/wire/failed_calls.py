"""Finds the tool call in what a model wrote when its place refused to pass the call on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from pydantic_core import from_json, to_json

from shared_core.types import TextDelta, Tool, ToolCallDelta
from shared_core.wire.final_tool import FINAL_TOOL

# Llama's own form: <function=get_weather{"city": "Paris"}</function>, also with ">" or "(" before the arguments.
_FUNCTION = re.compile(
    r"<?function=(?P<name>[\w.-]+)[>(,\s]*(?P<arguments>\{.*?\})\s*\)?\s*(?=</?function|$)", re.DOTALL
)
_TAGS = re.compile(r"</?(?:tool_call|tool_calls|\|python_tag\|)>|<\|python_tag\|>|```(?:json)?")


def recover_answer(generation: str) -> list[TextDelta]:
    """The answer in a refused call of the final tool, which stands in for a format."""
    answers = [arguments for name, arguments in _found(generation) if name == FINAL_TOOL]
    return [TextDelta(to_json(arguments).decode()) for arguments in answers[:1] if isinstance(arguments, dict)]


def recover_calls(generation: str, tools: Iterable[Tool]) -> list[ToolCallDelta]:
    """The calls in a refused generation that name one of the tools and whose arguments are an object."""
    known = {tool.name for tool in tools}
    usable = [(name, args) for name, args in _found(generation) if name in known and isinstance(args, dict)]
    return [
        ToolCallDelta(index, f"call_{uuid4().hex[:24]}", name, to_json(arguments).decode())
        for index, (name, arguments) in enumerate(usable)
    ]


def _found(generation: str) -> list[tuple[str, Any]]:
    return [*_functions(generation)] or [*_objects(generation)]


def _functions(text: str) -> Iterable[tuple[str, Any]]:
    for match in _FUNCTION.finditer(text):
        yield match["name"], _json(match["arguments"])


def _objects(text: str) -> Iterable[tuple[str, Any]]:
    """JSON calls, one or a list, alone or after each other."""
    for piece in _pieces(_TAGS.sub("\n", text)):
        value = _json(piece)
        for entry in value if isinstance(value, list) else [value]:
            if isinstance(entry, dict):
                yield _call(entry)


def _pieces(text: str) -> list[str]:
    """The whole text if it is JSON, else its lines."""
    return [text] if _json(text) is not None else text.splitlines()


def _call(entry: dict[str, Any]) -> tuple[str, Any]:
    function = entry.get("function")
    inner = function if isinstance(function, dict) else entry
    arguments = inner.get("arguments", inner.get("parameters", {}))
    return str(inner.get("name")), _json(arguments) if isinstance(arguments, str) else arguments


def _json(text: str) -> Any:  # noqa: ANN401 - the JSON boundary
    try:
        return from_json(text.strip())
    except ValueError:
        return None
