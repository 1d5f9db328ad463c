"""Where tools and a format exclude each other, the answer comes as the call of one more tool, and reads as text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared_core import (
    ChatRequest,
    Finish,
    JsonObject,
    JsonSchema,
    Message,
    NamedTool,
    TextDelta,
    Tool,
    ToolCall,
    ToolCallRefusedError,
    UnsupportedError,
    connect,
    fold,
)
from shared_core.wire.final_tool import FINAL_TOOL
from tests.halves import Half
from tests.raw_server import Received, Step, completion, delta, serving, sse, whole

F = Tool(name="f")
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
HI = ChatRequest(messages=(Message(role="user", content="Hi"),), tools=(F,), response_format=JsonSchema(SCHEMA))


def asked(request: ChatRequest, place: str = "groq") -> Any:
    with serving(lambda _: [whole(completion(content="x"))]) as server:
        connect(place, model="m", api_key="k", base_url=server.url).chat(request)
    return server.received[0].json


def call(name: str, arguments: str, index: int = 0, call_id: str = "1") -> dict[str, Any]:
    return {"index": index, "id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def answers(*calls: dict[str, Any]) -> Any:
    """A server with these tool calls as its answer, streamed in fragments or whole."""

    def script(request: Received) -> list[Step]:
        if not request.json.get("stream"):
            return [whole(completion("tool_calls", content=None, tool_calls=list(calls)))]
        deltas = [delta(tool_calls=[piece]) for one in calls for piece in _fragments(one)]
        return sse(*deltas, delta("tool_calls"))

    return serving(script)


def _fragments(one: dict[str, Any]) -> list[dict[str, Any]]:
    arguments = one["function"]["arguments"]
    head = {**one, "function": {"name": one["function"]["name"], "arguments": ""}}
    return [head, *({"index": one["index"], "function": {"arguments": letter}} for letter in arguments)]


@pytest.mark.parametrize("place", ["groq", "cerebras", "fireworks", "tgi"])
def test_the_format_goes_as_one_more_tool_that_must_be_called(place: str) -> None:
    body = asked(HI, place)
    assert "response_format" not in body
    assert body["tool_choice"] == "required"
    assert [tool["function"]["name"] for tool in body["tools"]] == ["f", FINAL_TOOL]
    assert body["tools"][1]["function"]["parameters"] == SCHEMA


def test_just_any_json() -> None:
    parameters = asked(HI.model_copy(update={"response_format": JsonObject()}))["tools"][1]["function"]["parameters"]
    assert parameters == {"type": "object", "properties": {}, "additionalProperties": True}


def test_elsewhere_both_go_out() -> None:
    body = asked(HI, "together")
    assert body["response_format"]["type"] == "json_schema"
    assert len(body["tools"]) == 1


def test_without_tools_or_without_a_format_nothing_changes() -> None:
    assert asked(HI.model_copy(update={"tools": ()}))["response_format"]["json_schema"]["schema"] == SCHEMA
    assert len(asked(HI.model_copy(update={"response_format": None}))["tools"]) == 1


def test_who_may_call_no_tool_needs_none() -> None:
    body = asked(HI.model_copy(update={"tool_choice": "none"}))
    assert "tools" not in body
    assert body["response_format"]["type"] == "json_schema"


@pytest.mark.parametrize("choice", ["required", NamedTool(name="f")])
def test_who_must_call_a_tool_does_not_answer_yet(choice: Any) -> None:
    body = asked(HI.model_copy(update={"tool_choice": choice}))
    assert "response_format" not in body
    assert len(body["tools"]) == 1


def test_a_schema_of_something_else_than_an_object_has_no_form() -> None:
    with pytest.raises(UnsupportedError, match="only if its type is object: wrap it in one"):
        asked(HI.model_copy(update={"response_format": JsonSchema({"type": "array"})}))


def test_the_answer_is_text(half: Half) -> None:
    with answers(call(FINAL_TOOL, '{"city": "Bern"}')) as server:
        groq = connect("groq", model="m", api_key="k", base_url=server.url)
        events, response = half.events(groq, HI), half.chat(groq, HI)
    assert fold(events).text == response.text == '{"city": "Bern"}'
    assert all(isinstance(event, TextDelta | Finish) for event in events)
    assert response.finish.reason == fold(events).finish.reason == "stop"
    assert response.tool_calls == []


def test_fragments_that_repeat_the_id_of_the_call(half: Half) -> None:
    pieces = [{**call(FINAL_TOOL, letter), "id": "0"} for letter in '{"a": 1}']
    with serving(lambda _: sse(*(delta(tool_calls=[piece]) for piece in pieces))) as server:
        response = fold(half.events(connect("tgi", model="m", base_url=server.url), HI))
    assert (response.text, response.tool_calls, response.finish.reason) == ('{"a": 1}', [], "stop")


def test_calls_beside_the_answer_are_calls_and_counted_without_it(half: Half) -> None:
    calls = [call("f", "{}", 0, "a"), call(FINAL_TOOL, "{}", 1, "b"), call("f", '{"x":1}', 2, "c")]
    with answers(*calls) as server:
        groq = connect("groq", model="m", api_key="k", base_url=server.url)
        for response in (fold(half.events(groq, HI)), half.chat(groq, HI)):
            assert response.tool_calls == [ToolCall("a", "f", "{}"), ToolCall("c", "f", '{"x":1}')]
            assert response.text == "{}"
            assert response.finish.reason == "tool_calls"


def test_a_second_answer_is_not_run_into_the_first(half: Half) -> None:
    with answers(call(FINAL_TOOL, '{"a":1}', 0, "a"), call(FINAL_TOOL, '{"a":2}', 1, "b")) as server:
        groq = connect("groq", model="m", api_key="k", base_url=server.url)
        for response in (fold(half.events(groq, HI)), half.chat(groq, HI)):
            assert json.loads(response.text) == {"a": 1}


def refused(generation: str) -> Any:
    error = {"message": "Failed", "code": "tool_use_failed", "failed_generation": generation}
    return serving(lambda _: [whole({"error": error}, 400)])


def test_an_answer_that_the_place_refused_to_pass_on_is_recovered(half: Half) -> None:
    with refused(json.dumps({"name": FINAL_TOOL, "arguments": {"city": "Bern"}})) as server:
        response = half.chat(connect("groq", model="m", api_key="k", base_url=server.url), HI)
    assert json.loads(response.text) == {"city": "Bern"}
    assert (response.finish.reason, response.finish.metadata) == ("stop", {"recovered": "tool_use_failed"})


def test_an_answer_that_is_no_object_is_not(half: Half) -> None:
    with refused(json.dumps({"name": FINAL_TOOL, "arguments": "Bern"})) as server, pytest.raises(ToolCallRefusedError):
        half.chat(connect("groq", model="m", api_key="k", base_url=server.url), HI)
