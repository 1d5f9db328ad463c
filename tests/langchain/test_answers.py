"""A stream's chunks, joined by LangChain, are the message of the whole answer."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.language_models._compat_bridge import chunks_to_events
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_tests.utils.stream_lifecycle import assert_valid_event_stream

from langchain_multillm.answers import ai_message, chat_result, chunk, summed_usage, usage_metadata
from shared_core import (
    ChatResponse,
    Event,
    Finish,
    ReasoningDelta,
    TextDelta,
    Timings,
    TokenLogprob,
    ToolCall,
    ToolCallDelta,
    Usage,
    fold,
)

FINISH = Finish(
    reason="tool_calls",
    usage=Usage(input=10, output=7, cached=4, reasoning=2),
    model="m",
    backend="groq",
    id="chatcmpl-1",
    request_id="req-1",
    timings=Timings(queue=0.5, total=1.5, first_token=0.7, load=0.1),
    cost=0.25,
    metadata={"system_fingerprint": "fp", "service_tier": "flex", "created": 5},
)
STREAMS: dict[str, list[Event]] = {
    "text": [TextDelta("Hel"), TextDelta("lo")],
    "thought": [ReasoningDelta("Let me "), ReasoningDelta("see."), TextDelta("42")],
    "thought only": [ReasoningDelta("Hm.")],
    "calls side by side": [
        TextDelta("Looking."),
        ToolCallDelta(0, "a", "weather"),
        ToolCallDelta(1, "b", "time"),
        ToolCallDelta(0, arguments='{"city": '),
        ToolCallDelta(1, arguments='{"zone": "CET"}'),
        ToolCallDelta(0, arguments='"Paris"}'),
    ],
    "a call without arguments": [ToolCallDelta(0, "a", "now")],
    "thought, text and call": [ReasoningDelta("Hm."), TextDelta("Ok."), ToolCallDelta(0, "a", "now", "{}")],
    "nothing": [],
}


def joined(events: list[Event], *, v1: bool) -> AIMessageChunk:
    messages = [chunk(event, v1=v1).message for event in events]
    whole = messages[0]
    for message in messages[1:]:
        whole += message
    assert isinstance(whole, AIMessageChunk)
    return whole


def plain(message: AIMessage) -> dict[str, Any]:
    """What must be alike."""
    blocks = [{k: v for k, v in block.items() if k != "index"} for block in message.content_blocks]
    return {
        "text": message.text,
        "blocks": blocks,
        "tool_calls": message.tool_calls,
        "invalid_tool_calls": message.invalid_tool_calls,
        "usage": message.usage_metadata,
        "metadata": message.response_metadata,
        "additional": message.additional_kwargs,
    }


@pytest.mark.parametrize("v1", [False, True], ids=["v0", "v1"])
@pytest.mark.parametrize("name", STREAMS)
def test_streamed_and_whole_are_alike(name: str, v1: bool) -> None:
    events = [*STREAMS[name], FINISH]
    assert plain(joined(events, v1=v1)) == plain(ai_message(fold(events), v1=v1))


@pytest.mark.parametrize("v1", [False, True], ids=["v0", "v1"])
@pytest.mark.parametrize("name", STREAMS)
def test_every_stream_is_a_valid_event_stream(name: str, v1: bool) -> None:
    events = list(chunks_to_events(iter([chunk(event, v1=v1) for event in [*STREAMS[name], FINISH]]), message_id="1"))
    assert_valid_event_stream(events)


def test_all_that_is_known_of_a_call_is_kept() -> None:
    message = ai_message(ChatResponse("hi", FINISH))
    assert message.response_metadata == {
        "model_name": "m",
        "model_provider": "groq",
        "finish_reason": "tool_calls",
        "id": "chatcmpl-1",
        "request_id": "req-1",
        "timings": {"queue": 0.5, "total": 1.5, "first_token": 0.7, "load": 0.1},
        "cost": 0.25,
        "system_fingerprint": "fp",
        "service_tier": "flex",
        "created": 5,
    }
    assert message.usage_metadata == {
        "input_tokens": 10,
        "output_tokens": 7,
        "total_tokens": 17,
        "input_token_details": {"cache_read": 4},
        "output_token_details": {"reasoning": 2},
    }


def test_unknown_usage_stays_unknown() -> None:
    assert usage_metadata(Usage()) is None
    assert usage_metadata(Usage(input=3)) is None
    assert usage_metadata(Usage(input=0, output=0)) == {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    assert ai_message(ChatResponse("hi", Finish("stop"))).response_metadata == {"finish_reason": "stop"}


@pytest.mark.parametrize(
    ("arguments", "args"),
    [("", {}), ("{}", {}), ('{"text": "two\nlines"}', {"text": "two\nlines"}), ('{"x": 1.5}', {"x": 1.5})],
)
def test_arguments(arguments: str, args: dict[str, Any]) -> None:
    message = ai_message(ChatResponse("", FINISH, tool_calls=[ToolCall("a", "f", arguments)]))
    assert message.tool_calls == [{"name": "f", "args": args, "id": "a", "type": "tool_call"}]
    assert message.invalid_tool_calls == []


@pytest.mark.parametrize("arguments", ["{", "[1]", '"x"', "null"])
def test_arguments_that_are_none(arguments: str) -> None:
    message = ai_message(ChatResponse("", FINISH, tool_calls=[ToolCall("a", "f", arguments)]))
    assert message.tool_calls == []
    assert [(call["name"], call["args"], call["id"]) for call in message.invalid_tool_calls] == [("f", arguments, "a")]
    assert message.invalid_tool_calls[0]["error"]


def test_logprobs_join() -> None:
    tokens = [TokenLogprob(text, -0.5, top=[TokenLogprob("other", -1.0)]) for text in ("a", "b")]
    events: list[Event] = [*(TextDelta(token.token, [token]) for token in tokens), FINISH]
    whole = ai_message(fold(events)).response_metadata["logprobs"]
    assert [item["token"] for item in whole["content"]] == ["a", "b"]
    assert whole["content"][0]["top_logprobs"] == [{"token": "other", "logprob": -1.0, "bytes": None}]
    assert joined(events, v1=False).response_metadata["logprobs"] == whole


def test_llm_output_adds_up() -> None:
    outputs = [
        chat_result(ChatResponse("hi", FINISH)).llm_output,
        None,
        chat_result(ChatResponse("hi", FINISH)).llm_output,
    ]
    assert summed_usage(outputs) == {
        "model_name": "m",
        "token_usage": {"prompt_tokens": 20, "completion_tokens": 14, "total_tokens": 34},
    }
    assert summed_usage([None]) == {}
