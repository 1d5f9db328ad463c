"""A tool call in every shape that LlamaIndex histories hold, read and written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call; `arguments` is JSON text that may be partial, `id` is unknown in some histories."""

    id: str | None
    name: str
    arguments: str

    def as_openai(self) -> dict[str, Any]:
        """The plain, JSON-safe dict that LlamaIndex keeps in `additional_kwargs["tool_calls"]`."""
        return {"id": self.id, "type": "function", "function": {"name": self.name, "arguments": self.arguments}}


def read_call(entry: object) -> Call:
    """The call behind a `ToolCallBlock`, a `ToolSelection`, a dict of any provider, or an object of any SDK."""
    function = _first(entry, "function") or entry
    return Call(
        id=_first(entry, "id", "tool_call_id", "tool_id"),
        name=_first(function, "name", "tool_name") or "",
        arguments=json_text(_first(function, "arguments", "tool_kwargs", "args", "input")),
    )


def _first(holder: object, *names: str) -> Any:  # noqa: ANN401 - whatever another provider put there
    for name in names:
        value = holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)
        if value is not None:
            return value
    return None


def raw_calls(extras: Mapping[str, Any]) -> list[object]:
    """The calls in a message's `additional_kwargs`, as they lie there."""
    old_style = extras.get("function_call")
    return [*(extras.get("tool_calls") or ()), *([old_style] if old_style else ())]


def json_text(arguments: object) -> str:
    """Arguments as JSON text: text stays as it is, nothing is an empty object."""
    if isinstance(arguments, str):
        return arguments or "{}"
    return json.dumps(arguments or {}, ensure_ascii=False, default=str)


def whole_object(text: str) -> dict[str, Any] | None:
    """The JSON object that `text` is, or `None` if it is none (yet)."""
    try:
        value = from_json(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def partial_object(text: str) -> dict[str, Any] | None:
    """As much of a JSON object as `text` holds so far, unfinished strings included, or `None` before its brace."""
    try:
        value = from_json(text[max(text.find("{"), 0) :], allow_partial="trailing-strings")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
