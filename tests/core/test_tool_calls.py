"""Every way in which places cut and number tool calls gives the same calls."""

from __future__ import annotations

from typing import Any

import pytest

from shared_core import Finish, ToolCall, fold
from shared_core.wire.openai.tool_calls import ToolCallAssembler

A = ("a", "f", '{"x": 1}')
B = ("b", "g", '{"y": 2}')


def piece(
    index: int | None = None, id: str | None = None, name: str | None = None, arguments: object = None
) -> dict[str, Any]:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    given = {"index": index, "id": id, "function": function or None}
    return {key: value for key, value in given.items() if value is not None}


WAYS: dict[str, list[dict[str, Any]]] = {
    "whole": [piece(0, *A), piece(1, *B)],
    "name, then arguments": [piece(0, "a", "f", ""), piece(0, None, None, A[2]), piece(1, "b", "g", ""), piece(1, None, None, B[2])],
    "fragments": [piece(0, "a", "f", '{"x"'), piece(0, None, None, ": 1}"), piece(1, "b", "g"), piece(1, None, None, '{"y": 2}')],
    "interleaved": [piece(0, "a", "f", '{"x"'), piece(1, "b", "g", '{"y"'), piece(0, arguments=": 1}"), piece(1, arguments=": 2}")],
    "index always 0": [piece(0, *A), piece(0, *B)],
    "index always 0, fragments": [piece(0, "a", "f", ""), piece(0, None, None, A[2]), piece(0, "b", "g", '{"y"'), piece(0, None, None, ": 2}")],
    "no index": [piece(None, *A), piece(None, *B)],
    "no index, fragments": [piece(None, "a", "f", '{"x"'), piece(None, None, None, ": 1}"), piece(None, *B)],
    "the same id on each fragment": [piece(0, "a", None, '{"x"'), piece(0, "a", "f", ": 1}"), piece(1, "b", "g", '{"y"'), piece(1, "b", None, ": 2}")],
    "the same name on each fragment": [piece(0, "a", "f", '{"x"'), piece(0, None, "f", ": 1}"), piece(1, "b", "g", B[2])],
    "arguments as an object": [piece(0, "a", "f", {"x": 1}), piece(1, "b", "g", {"y": 2})],
}  # fmt: skip


@pytest.mark.parametrize("pieces", WAYS.values(), ids=WAYS.keys())
def test_all_ways_give_the_same_calls(pieces: list[dict[str, Any]]) -> None:
    assembler = ToolCallAssembler()
    events = [assembler.add(p) for p in pieces] + assembler.close()
    calls = fold([*events, Finish("tool_calls")]).tool_calls
    assert [(c.id, c.name, c.arguments.replace(" ", "")) for c in calls] == [
        ("a", "f", '{"x":1}'),
        ("b", "g", '{"y":2}'),
    ]


def test_calls_without_ids_get_ids_of_their_own() -> None:
    assembler = ToolCallAssembler()
    events = [assembler.add(piece(0, None, "f", "{}")), assembler.add(piece(0, None, "f", "{}"))]
    first, second = fold([*events, Finish("stop")]).tool_calls
    assert first.id.startswith("call_")
    assert first.id != second.id


def test_no_arguments_are_an_empty_object() -> None:
    assembler = ToolCallAssembler()
    events = [assembler.add(piece(0, "a", "f")), *assembler.close()]
    assert fold([*events, Finish("stop")]).tool_calls == [ToolCall("a", "f", "{}")]
    assert len(assembler) == 1
