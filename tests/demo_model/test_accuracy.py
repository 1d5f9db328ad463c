"""Holds the bundled model to what README says of it, on cases drawn from words that its training never saw."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from demo_model.conversation import Conversation
from demo_model.evaluate import accuracy, draw_cases, score
from shared_core import Backend, ChatRequest, Message, Part, TextPart, Tool, ToolCallPart, ToolResultPart, connect

pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed: the bundled model cannot run")

CASES = 100
LEAST = {"capitals": 0.95, "context questions": 0.85, "crowded contexts": 0.65, "tool calls": 0.75}
"""The share that must be right, by kind of case."""


@pytest.fixture(scope="module")
def model() -> Iterator[Backend]:
    backend = connect("llama_cpp", n_threads=1)
    yield backend
    backend.unload()  # type: ignore[attr-defined]


def message(turn: dict[str, Any]) -> Message:
    """A turn of the cases, which are written as chat templates take them."""
    if turn["role"] == "tool":
        return Message(
            role="tool", parts=(ToolResultPart(call_id="call_0", content=(TextPart(text=turn["content"]),)),)
        )
    parts: list[Part] = [TextPart(text=turn["content"])] if turn.get("content") else []
    for call in turn.get("tool_calls") or ():
        function = call["function"]
        parts.append(ToolCallPart(id="call_0", name=function["name"], arguments=json.dumps(function["arguments"])))
    return Message(role=turn["role"], parts=parts)


def tool(offered: dict[str, Any]) -> Tool:
    function = offered["function"]
    return Tool(name=function["name"], description=function["description"], parameters=function["parameters"])


def written(backend: Backend, case: list[dict[str, Any]], tools: list[dict[str, Any]]) -> str:
    """What the model answers through the backend, a call in the form in which the cases expect it."""
    request = ChatRequest(
        messages=tuple(message(turn) for turn in case),
        tools=tuple(tool(offered) for offered in tools),
        temperature=0,
        max_tokens=200,
    )
    response = backend.chat(request)
    if response.finish.reason == "length":
        return f"{response.text} ... (no end)"
    calls = [
        f'<tool_call>{{"name": {json.dumps(c.name)}, "arguments": {c.arguments}}}</tool_call>'
        for c in response.tool_calls
    ]
    return "".join([response.text.strip(), *calls])


@pytest.mark.parametrize("kind", LEAST)
def test_fresh_cases(kind: str, model: Backend) -> None:
    cases: list[Conversation] = draw_cases(kind, CASES, seed=0)
    outcomes = score(cases, lambda turns, tools: written(model, turns, tools))
    wrong = [f"{outcome.case.answer} but wrote {outcome.written!r}" for outcome in outcomes if not outcome.right]
    assert accuracy(outcomes) >= LEAST[kind], f"{len(wrong)} of {CASES} wrong: " + "\n".join(wrong)
