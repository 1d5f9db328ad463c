"""Groq refuses some calls of its models with the call in the error: a usable one is still an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared_core import ChatRequest, Message, TextDelta, Tool, ToolCallRefusedError, connect, fold
from shared_core.wire.failed_calls import recover_calls
from tests.halves import Half
from tests.raw_server import STREAM_END, STREAM_HEAD, Received, Step, chunk, delta, serving, whole

TOOLS = (Tool(name="get_weather"), Tool(name="add"))
ASK = ChatRequest(messages=(Message(role="user", content="Weather?"),), tools=TOOLS)
PARIS = ("get_weather", {"city": "Paris"})


def refusal(generation: str) -> dict[str, Any]:
    return {
        "error": {
            "message": "Failed to call a function. Please adjust your prompt.", "type": "invalid_request_error",
            "code": "tool_use_failed", "failed_generation": generation,
        }
    }  # fmt: skip


@pytest.mark.parametrize(
    ("generation", "calls"),
    [
        ('<function=get_weather{"city": "Paris"}</function>', [PARIS]),
        ('<function=get_weather>{"city": "Paris"}</function>', [PARIS]),
        ('<function=get_weather({"city": "Paris"})</function>\n<function=add{"a": {"b": 1}}</function>', [PARIS, ("add", {"a": {"b": 1}})]),
        ('{"name": "get_weather", "arguments": {"city": "Paris"}}', [PARIS]),
        ('{"name": "get_weather", "parameters": {"city": "Paris"}}', [PARIS]),
        ('[{"name": "get_weather", "arguments": "{\\"city\\": \\"Paris\\"}"}]', [PARIS]),
        ('{"type": "function", "function": {"name": "get_weather", "arguments": {"city": "Paris"}}}', [PARIS]),
        ('<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>', [PARIS]),
        ('{"name": "add", "arguments": {}}\n{"name": "add", "arguments": {}}', [("add", {}), ("add", {})]),
        ('{"name": "add"}', [("add", {})]),
        ('{"name": "unknown", "arguments": {}}', []),
        ('{"name": "add", "arguments": [1]}', []),
        ('<function=add{"a": }</function>', []),
        ("I cannot do that.", []),
        ("3", []),
        ("", []),
    ],
)  # fmt: skip
def test_forms_of_calls(generation: str, calls: list[tuple[str, Any]]) -> None:
    found = recover_calls(generation, TOOLS)
    assert [(call.name, json.loads(call.arguments)) for call in found] == calls
    assert [call.index for call in found] == [*range(len(calls))]
    assert len({call.id for call in found}) == len(calls)


def test_a_usable_call_is_an_answer(half: Half) -> None:
    body = whole(refusal('<function=get_weather{"city": "Paris"}</function>'), 400)
    with serving(lambda _: [body]) as server:
        groq = connect("groq", model="m", api_key="k", base_url=server.url, max_retries=0)
        for response in (half.chat(groq, ASK), fold(half.events(groq, ASK))):
            [call] = response.tool_calls
            assert (call.name, json.loads(call.arguments)) == PARIS
            assert (response.finish.reason, response.finish.backend) == ("tool_calls", "groq")


def test_a_call_refused_in_the_middle_of_a_stream(half: Half) -> None:
    frame = b"event: error\ndata: " + json.dumps(refusal('{"name": "add"}') | {"status_code": 400}).encode() + b"\n\n"

    def script(_: Received) -> list[Step]:
        return [
            STREAM_HEAD,
            chunk(b"data: " + json.dumps(delta(content="Hm. ")).encode() + b"\n\n"),
            chunk(frame),
            STREAM_END,
        ]

    with serving(script) as server:
        groq = connect("groq", model="m", api_key="k", base_url=server.url, max_retries=0)
        events = half.events(groq, ASK)
    assert events[0] == TextDelta("Hm. ")
    assert fold(events).tool_calls[0].name == "add"


def test_what_is_not_usable_stays_an_error_with_what_the_model_wrote(half: Half) -> None:
    with serving(lambda _: [whole(refusal("<function=add{broken"), 400)]) as server:
        groq = connect("groq", model="m", api_key="k", base_url=server.url, max_retries=0)
        for call in (half.chat, half.events):
            with pytest.raises(ToolCallRefusedError, match="Failed to call a function") as caught:
                call(groq, ASK)
            assert caught.value.generation == "<function=add{broken"
