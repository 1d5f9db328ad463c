"""Stop strings, grammars and tool calls on a model with random weights: what must hold whatever it prefers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared_core.errors import UnsupportedError
from shared_core.local import LocalBackend
from shared_core.types import (
    Grammar,
    JsonObject,
    JsonSchema,
    NamedTool,
    TextDelta,
    Tool,
    ToolCallDelta,
)
from tests.halves import Half
from tests.local.asking import CALL_TOKEN, CLOCK, WEATHER, ask

# --- stop strings --------------------------------------------------------------------------------------------------

SENTENCE = Grammar('root ::= "one two three four"')


@pytest.mark.parametrize(
    ("stop", "text"),
    [
        (["three"], "one two "),
        (["two three", "three"], "one "),
        (["o", "one two"], ""),
        (["e four", "ee"], "one two thr"),
        (["nothing"], "one two three four"),
        (["four five"], "one two three four"),
    ],
)
def test_stop_strings_cut_exactly(tiny: LocalBackend, half: Half, stop: list[str], text: str) -> None:
    reply = half.chat(tiny, ask(response_format=SENTENCE, stop=stop))
    assert (reply.text, reply.finish.reason) == (text, "stop")


def test_a_stop_string_takes_its_log_probabilities_along(tiny: LocalBackend) -> None:
    reply = tiny.chat(ask(response_format=SENTENCE, stop=["two"], logprobs=True))
    assert reply.text == "one "
    assert reply.logprobs is not None
    assert "".join(entry.token for entry in reply.logprobs).startswith("one ")


def test_whole_characters_only(tiny: LocalBackend, half: Half) -> None:
    request = ask(response_format=Grammar('root ::= "aé漢😀"'), max_tokens=30)
    texts = [event.text for event in half.events(tiny, request) if isinstance(event, TextDelta)]
    assert texts == ["a", "é", "漢", "😀"]
    cut = half.chat(tiny, request.model_copy(update={"max_tokens": 8}))
    assert (cut.text, cut.finish.reason) == ("aé漢", "length")


def test_a_long_token_is_written_whole(tiny: LocalBackend) -> None:
    long = next(token for token in range(256, 306) if len(tiny_spelling(tiny, token)) == 40)
    reply = tiny.chat(ask(max_tokens=2, extra={"logit_bias": {long: 100}}))
    assert reply.text == " " * 80


def tiny_spelling(backend: LocalBackend, token: int) -> bytes:
    def work(model: Any, _: object) -> Any:
        yield model.vocabulary.spelling(token)

    return bytes(next(backend._results(work, None)))


# --- grammars ------------------------------------------------------------------------------------------------------

POINT = {
    "type": "object",
    "properties": {"x": {"type": "integer", "maximum": 99, "minimum": -9}, "name": {"enum": ["a", "b"]}},
    "required": ["x", "name"],
}


@pytest.mark.parametrize("seed", range(5))
def test_a_schema_is_kept(tiny: LocalBackend, half: Half, seed: int) -> None:
    reply = half.chat(tiny, ask(response_format=JsonSchema(POINT), seed=seed, max_tokens=300, temperature=1.5))
    value = json.loads(reply.text)
    assert value.keys() == {"x", "name"}
    assert value["x"] in range(-9, 100)
    assert value["name"] in {"a", "b"}
    assert reply.finish.reason == "stop"


def test_a_schema_that_is_cut_says_so(tiny: LocalBackend) -> None:
    reply = tiny.chat(ask(response_format=JsonSchema(POINT), max_tokens=4))
    assert (reply.finish.reason, reply.usage.output) == ("length", 4)


def test_an_unknown_keyword_of_a_schema_is_for_another_backend(tiny: LocalBackend) -> None:
    schema = {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}
    with pytest.raises(UnsupportedError, match="uniqueItems"):
        tiny.chat(ask(response_format=JsonSchema(schema)))


def test_formats_are_remarks_where_they_are_not_known(tiny: LocalBackend) -> None:
    short = {"type": "string", "maxLength": 3}
    schema = {
        "type": "object",
        "properties": {
            "a": {**short, "format": "binary"},
            "b": {"anyOf": [{**short, "format": "password"}, {"type": "null"}]},
            "format": {"type": "array", "items": {"enum": ["x"]}, "maxItems": 1},
            "day": {"type": "string", "format": "date"},
        },
        "required": ["a", "b", "format", "day"],
    }
    value = json.loads(tiny.chat(ask(response_format=JsonSchema(schema), max_tokens=500)).text)
    assert value.keys() == {"a", "b", "format", "day"}
    assert len(value["day"]) == len("2026-11-20")


@pytest.mark.parametrize(
    ("schema", "keys"),
    [
        ({"properties": {"a": {"const": 1}}, "required": ["a"], "additionalProperties": {"const": 2}}, None),
        ({"allOf": [{"properties": {"a": {"const": 1}}, "required": ["a"]}, {"properties": {"b": True}}]}, None),
        ({"properties": {"a": {"const": 1}}, "required": ["a"]}, {"a"}),
    ],
)
def test_an_object_is_open_where_the_schema_says_so(tiny: LocalBackend, schema: Any, keys: set[str] | None) -> None:
    request = ask(
        response_format=JsonSchema({"type": "object", **schema}),
        max_tokens=9,
        extra={"logit_bias": {125: -100, 10: -100, 32: -100}},
    )
    reply = tiny.chat(request)  # it does not like to close the object
    if keys is None:
        assert reply.text.replace(" ", "").replace("\n", "").startswith('{"a":1,')
    else:
        assert json.loads(tiny.chat(request.model_copy(update={"extra": {}, "max_tokens": 200})).text).keys() == keys


@pytest.mark.parametrize("schema", [{"type": "string", "pattern": "^(?=a)b"}, {"not": {"type": "string"}}])
def test_what_the_grammar_lacks_is_for_another_backend(tiny: LocalBackend, schema: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError) as caught:
        tiny.chat(ask(response_format=JsonSchema(schema)))
    assert (caught.value.backend, caught.value.model) == ("llama_cpp", "tiny")


def test_json_mode_gives_an_object(tiny: LocalBackend) -> None:
    # A random model would fill the object for ever: let it like what closes.
    reply = tiny.chat(
        ask(response_format=JsonObject(), max_tokens=200, extra={"logit_bias": {ord("}"): 50, ord('"'): 50}})
    )
    assert isinstance(json.loads(reply.text), dict)


def test_gbnf_is_kept(tiny: LocalBackend, half: Half) -> None:
    reply = half.chat(tiny, ask(response_format=Grammar('root ::= ("ab" | "cd") [0-9]{3}'), temperature=2.0))
    assert reply.text[:2] in {"ab", "cd"}
    assert reply.text[2:].isdigit()
    assert (len(reply.text), reply.finish.reason) == (5, "stop")


# --- tools ---------------------------------------------------------------------------------------------------------


def check_call(name: str, arguments: str) -> None:
    value = json.loads(arguments)
    if name == "clock":
        assert value.keys() == {"zone", "hours"}
        assert value["zone"] in {"UTC", "CET"}
        assert value["hours"] in range(13)
    else:
        assert name == "get_weather"
        assert value.keys() == {"city"}
        assert len(value["city"]) <= 8


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("choice", ["required", NamedTool(name="clock")])
def test_a_forced_call_is_valid(tiny: LocalBackend, half: Half, choice: Any, seed: int) -> None:
    request = ask(tools=[WEATHER, CLOCK], tool_choice=choice, seed=seed, max_tokens=400, parallel_tool_calls=False)
    reply = half.chat(tiny, request)
    (call,) = reply.tool_calls
    check_call(call.name, call.arguments)
    assert call.id.startswith("call_")
    assert (reply.text, reply.finish.reason) == ("", "tool_calls")
    if choice != "required":
        assert call.name == "clock"


def test_several_calls_may_be_required_at_once(tiny: LocalBackend) -> None:
    # The model cannot end while it likes another call so much more.
    request = ask(tools=[CLOCK], tool_choice="required", max_tokens=200, extra={"logit_bias": {CALL_TOKEN: 30}})
    reply = tiny.chat(request)
    assert len(reply.tool_calls) > 1
    for call in reply.tool_calls[:-1]:
        check_call(call.name, call.arguments)
    assert len({call.id for call in reply.tool_calls}) == len(reply.tool_calls)
    assert reply.finish.reason == "length"


def test_a_call_that_is_cut_says_so(tiny: LocalBackend) -> None:
    reply = tiny.chat(ask(tools=[CLOCK], tool_choice="required", max_tokens=45))
    (call,) = reply.tool_calls
    assert (call.name, reply.finish.reason) == ("clock", "length")
    with pytest.raises(ValueError, match=r"."):
        json.loads(call.arguments)


def test_ids_differ_from_turn_to_turn_and_repeat_with_the_turn(tiny: LocalBackend) -> None:
    ids = [
        tiny.chat(ask(text, tools=[CLOCK], tool_choice=NamedTool(name="clock"), max_tokens=99)).tool_calls[0].id
        for text in ("one", "one", "two")
    ]
    assert ids[0] == ids[1] != ids[2]


def test_a_call_of_the_models_own_accord_is_held_to_the_schema(tiny: LocalBackend, half: Half) -> None:
    request = ask(
        tools=[WEATHER, CLOCK],
        parallel_tool_calls=False,
        max_tokens=200,
        extra={"logit_bias": {CALL_TOKEN: 100}},
    )
    reply = half.chat(tiny, request)
    (call,) = reply.tool_calls
    check_call(call.name, call.arguments)
    assert reply.finish.reason == "tool_calls"


def test_text_may_come_instead_of_calls(tiny: LocalBackend) -> None:
    reply = tiny.chat(ask(tools=[WEATHER], extra={"logit_bias": {CALL_TOKEN: -100, ord("<"): -100, ord("a"): 50}}))
    assert (reply.text, reply.tool_calls) == ("a" * 24, [])


def test_a_schema_that_cannot_be_checked_does_not_hinder_a_free_choice(tiny: LocalBackend) -> None:
    odd = Tool(name="odd", parameters={"properties": {"a": {"type": "array", "uniqueItems": True}}})
    assert tiny.chat(ask(tools=[odd])).usage.output
    with pytest.raises(UnsupportedError, match="uniqueItems"):
        tiny.chat(ask(tools=[odd], tool_choice="required"))


def test_none_offers_no_tools(tiny: LocalBackend) -> None:
    without = tiny.chat(ask())
    refused = tiny.chat(ask(tools=[WEATHER], tool_choice="none"))
    offered = tiny.chat(ask(tools=[WEATHER]))
    assert refused.usage.input == without.usage.input
    assert (offered.usage.input or 0) > (without.usage.input or 0)


def test_a_schema_beside_tools_allows_either(tiny: LocalBackend) -> None:
    options: dict[str, Any] = {"tools": [CLOCK], "response_format": JsonSchema(POINT), "max_tokens": 300}
    call = tiny.chat(ask(**options, parallel_tool_calls=False, extra={"logit_bias": {CALL_TOKEN: 100}}))
    check_call(call.tool_calls[0].name, call.tool_calls[0].arguments)
    text = tiny.chat(ask(**options, extra={"logit_bias": {CALL_TOKEN: -100, ord("<"): -100}}))
    assert json.loads(text.text).keys() == {"x", "name"}


def test_gbnf_beside_tools_is_refused(tiny: LocalBackend) -> None:
    with pytest.raises(UnsupportedError, match="GBNF"):
        tiny.chat(ask(tools=[WEATHER], response_format=SENTENCE))


def test_arguments_come_in_pieces(tiny: LocalBackend, half: Half) -> None:
    events = half.events(tiny, ask(tools=[CLOCK], tool_choice=NamedTool(name="clock"), max_tokens=200))
    pieces = [event for event in events if isinstance(event, ToolCallDelta)]
    assert (pieces[0].name, pieces[0].arguments) == ("clock", "")
    assert len(pieces) > 3
    assert all(piece.id is None and piece.name is None for piece in pieces[1:])
