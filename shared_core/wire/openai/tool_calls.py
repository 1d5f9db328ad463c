"""Finds out which tool call a piece belongs to, however a place cuts and numbers them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from pydantic_core import from_json, to_json

from shared_core.types import TextDelta, ToolCallDelta
from shared_core.wire.final_tool import FINAL_TOOL


class _Open:
    """A call that is still being written."""

    __slots__ = ("arguments", "id", "index", "is_final", "name")

    def __init__(self, index: int, *, is_final: bool) -> None:
        self.index = index
        self.is_final = is_final
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []

    def is_whole(self) -> bool:
        try:
            from_json("".join(self.arguments))
        except ValueError:
            return False
        return True


class ToolCallAssembler:
    """Gives every piece of a tool call its call's number, counted from 0 in order of appearance.

    Places send whole calls, a name and then arguments, or fragments; with every index 0 (Ollama), with no index,
    with no id, with the same id on each fragment (TGI), and with arguments as an object.
    """

    __slots__ = ("_at", "_calls", "_final", "_last")

    def __init__(self) -> None:
        self._calls: list[_Open] = []
        self._final: _Open | None = None  # the call that is the answer, where tools and a format exclude each other
        self._at: dict[int, _Open] = {}  # the newest call at each index that the place gave
        self._last: _Open | None = None

    def __len__(self) -> int:
        return len(self._calls)

    @property
    def has_final(self) -> bool:
        """Whether the answer came as the call of the final tool."""
        return self._final is not None

    def add(self, piece: dict[str, Any]) -> ToolCallDelta | TextDelta:
        """The event for one entry of a place's `tool_calls`."""
        function = _function(piece.get("function"))
        call_id, name = piece.get("id") or "", function.get("name") or ""
        call, is_new = self._call(piece.get("index"), call_id, name)
        arguments = _text(function.get("arguments"))
        call.arguments.append(arguments)
        if is_new:
            call.id, call.name = call_id or f"call_{uuid4().hex[:24]}", name
        if call.is_final:
            return TextDelta(arguments if call is self._final else "")
        if is_new:
            return ToolCallDelta(call.index, call.id, name or None, arguments)
        late_name = name if name and not call.name else None
        call.name = call.name or name
        return ToolCallDelta(call.index, None, late_name, arguments)

    def _call(self, index: int | None, call_id: str, name: str) -> tuple[_Open, bool]:
        known = self._last if index is None else self._at.get(index)
        if known is None or _begins_another(known, call_id, name):
            known, is_new = self._open(index, name), True
        else:
            is_new = False
        self._last = known
        return known, is_new

    def _open(self, index: int | None, name: str) -> _Open:
        call = _Open(len(self._calls), is_final=name == FINAL_TOOL)
        if call.is_final:
            self._final = self._final or call
        else:
            self._calls.append(call)
        if index is not None:
            self._at[index] = call
        return call

    def close(self) -> list[ToolCallDelta]:
        """What makes the arguments of calls without any into the JSON they mean: an empty object."""
        return [ToolCallDelta(call.index, arguments="{}") for call in self._calls if not "".join(call.arguments)]


def _begins_another(known: _Open, call_id: str, name: str) -> bool:
    if call_id and call_id != known.id:
        return True
    # The same name again may be a place that repeats it with every fragment: then the arguments are not yet whole.
    return bool(name) and not call_id and bool(known.name) and known.is_whole()


def _function(function: Any) -> dict[str, Any]:  # noqa: ANN401 - the JSON boundary
    """The function of a call; Fireworks' types allow it to be its name alone."""
    return {"name": function} if isinstance(function, str) else function or {}


def _text(arguments: object) -> str:
    if arguments is None:
        return ""
    return arguments if isinstance(arguments, str) else to_json(arguments).decode()
