"""Tool calls over Ollama's own API: those it makes, and those that are written as text because it cannot be made to."""

from __future__ import annotations

import pytest

from shared_core import Finish, JsonSchema, ReasoningDelta, TokenLogprob, Tool, ToolCallDelta, fold
from tests.core.ollama import DONE, answer, call, events, reader_for, whole
from tests.core.speech import line


def test_calls_in_one_line_and_in_several() -> None:
    """All with the index 0 and with no id, as servers send them."""
    first, second = call("f", {"city": "Zürich"}), call("f", {})
    for stream in (answer({"tool_calls": [first, second]}), answer({"tool_calls": [first]}, {"tool_calls": [second]})):
        response = fold(events(stream))
        assert [(made.name, made.arguments) for made in response.tool_calls] == [
            ("f", '{"city":"Zürich"}'),
            ("f", "{}"),
        ]
        assert len({made.id for made in response.tool_calls}) == 2
        assert response.finish.reason == "tool_calls"


def test_ids_are_kept_if_they_tell_calls_apart() -> None:
    calls = [call("f", {}, "call_1"), call("g", None, "call_1"), call("g", '{"x": 1}', "call_2")]
    made = whole(line(DONE, tool_calls=calls)).tool_calls
    assert [one.id for one in made][::2] == ["call_1", "call_2"]
    assert len({one.id for one in made}) == 3
    assert [one.arguments for one in made] == ["{}", "{}", '{"x": 1}']


def test_calls_that_were_cut_off_are_told_to_be() -> None:
    cut = line({**DONE, "done_reason": "length"}, tool_calls=[call("f", {})])
    assert whole(cut).finish.reason == "length"


F = Tool(name="f", parameters={"type": "object", "properties": {"x": {"type": "integer"}}})
G = Tool(name="g")


def test_a_forced_call_is_read_from_the_text() -> None:
    reader = reader_for(tools=(F,), tool_choice="required")
    found = events(answer({"thinking": "hm"}, {"content": '{"x"'}, {"content": ": 1}\n"}), reader)
    assert found[0] == ReasoningDelta("hm")
    assert isinstance(found[1], ToolCallDelta)
    assert (found[1].index, found[1].name, found[1].arguments) == (0, "f", '{"x":1}')
    assert isinstance(found[2], Finish)
    assert (found[2].reason, len(found)) == ("tool_calls", 3)


def test_a_forced_call_of_one_of_several() -> None:
    reader = reader_for(tools=(F, G), tool_choice="required")
    made = whole(line(DONE, content='{"name": "g", "arguments": {"y": "ü"}}'), reader).tool_calls[0]
    assert (made.name, made.arguments) == ("g", '{"y":"ü"}')


@pytest.mark.parametrize(
    "text", ["I would rather chat.", '{"name": "h", "arguments": {}}', '{"name": "g", "arguments": 1}', '{"x": ', "[1]"]
)
def test_a_model_that_was_not_held_to_the_format(text: str) -> None:
    """Cloud models are not. What it says is text, and no call is made up."""
    reader = reader_for(tools=(F, G), tool_choice="required")
    for response in (whole(line(DONE, content=text), reader), fold(events(answer({"content": text}), reader))):
        assert (response.text, response.tool_calls, response.finish.reason) == (text, [], "stop")


def test_a_forced_call_in_a_code_block() -> None:
    reader = reader_for(tools=(F,), tool_choice="required")
    response = whole(line(DONE, content='Sure!\n```json\n{"x": 1}\n```'), reader)
    assert (response.text, response.tool_calls[0].arguments) == ("", '{"x":1}')


def test_a_forced_call_that_was_cut_off_is_no_call() -> None:
    reader = reader_for(tools=(F,), tool_choice="required")
    response = whole(line({**DONE, "done_reason": "length"}, content='{"x": 1'), reader)
    assert (response.text, response.tool_calls, response.finish.reason) == ('{"x": 1', [], "length")
    assert whole(line(DONE), reader).text == ""


def test_a_call_that_was_made_where_one_was_to_be_written() -> None:
    reader = reader_for(tools=(F, G), tool_choice="required")
    for said in ("", "I call it."):
        response = whole(line(DONE, content=said, tool_calls=[call("g", {}, "c")]), reader)
        assert (response.text, [made.id for made in response.tool_calls]) == (said, ["c"])


def test_the_tokens_of_a_forced_call() -> None:
    reader = reader_for(tools=(F,), tool_choice="required", logprobs=True)
    said = {**line(DONE, content='{"x": 1}'), "logprobs": [{"token": "{", "logprob": -0.5}]}
    response = whole(said, reader)
    assert (response.text, response.logprobs) == ("", [TokenLogprob("{", -0.5)])
    assert response.tool_calls[0].arguments == '{"x":1}'


def test_tools_beside_a_format() -> None:
    reader = reader_for(tools=(F,), response_format=JsonSchema({"type": "object"}))
    final = whole(line(DONE, content='{"name": "multillm_final_answer", "arguments": {"n": 1}}'), reader)
    assert (final.text, final.tool_calls, final.finish.reason) == ('{"n":1}', [], "stop")
    called = whole(line(DONE, content='{"name": "f", "arguments": {"x": 2}}'), reader)
    assert (called.text, called.tool_calls[0].name, called.finish.reason) == ("", "f", "tool_calls")
