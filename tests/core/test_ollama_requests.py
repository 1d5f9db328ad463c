"""What goes out over Ollama's own API."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_core import (
    ChatRequest,
    ContextLengthError,
    EmbedRequest,
    Grammar,
    ImagePart,
    InvalidRequestError,
    JsonObject,
    JsonSchema,
    Message,
    NamedTool,
    Part,
    ReasoningPart,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
    UnsupportedError,
)
from shared_core.wire.ollama import OllamaWire
from shared_core.wire.ollama.schemas import without_references

WIRE = OllamaWire()
PLACE = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
F, G = Tool(name="f", description="Does it.", parameters=PLACE), Tool(name="g")
SYSTEM = Message(role="system", content="Be brief.")


def user(*parts: Part | str) -> Message:
    return Message(role="user", parts=parts)


def body(*messages: Message, model: str = "m", stream: bool = False, **options: Any) -> Any:
    request = ChatRequest(messages=messages or (user("Hi"),), **options)
    return json.loads(WIRE.encode_chat(request, model, stream=stream).body)


def dropped(model: str = "m", **options: Any) -> tuple[str, ...]:
    return WIRE.encode_chat(ChatRequest(messages=(user("Hi"),), **options), model, stream=False).dropped


def turns(*messages: Message) -> Any:
    return body(*messages)["messages"]


# --- what is always said -------------------------------------------------------------------------------------------


def test_what_goes_out_unasked() -> None:
    """The server's own would be to stream, to cut a long prompt, and to forget its beginning while it answers."""
    assert body() == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": False,
        "truncate": False,
        "shift": False,
        "options": {"num_ctx": 8192},
    }
    assert body(stream=True)["stream"] is True


def test_extra_goes_before_everything_and_into_the_depths() -> None:
    said = body(
        temperature=0.5, extra={"options": {"num_ctx": 100, "mirostat": 1}, "truncate": True, "keep_alive": "9m"}
    )
    assert said["options"] == {"num_ctx": 100, "mirostat": 1, "temperature": 0.5}
    assert (said["truncate"], said["keep_alive"]) == (True, "9m")
    assert body(extra={"options": "what?"})["options"] == "what?"


@pytest.mark.parametrize(("given", "sent"), [(600, 600), (0, 0), (2.5, 2.5), ("10m", "10m"), (-1, -1), (math.inf, -1)])
def test_how_long_the_model_stays(given: object, sent: object) -> None:
    assert body(extra={"keep_alive": given})["keep_alive"] == sent


# --- the context window --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "max_tokens", "num_ctx"),
    [(10, None, 8192), (4_000, None, 8192), (4_000, 6_000, 16_384), (6_000, None, 16_384), (30_000, None, 65_536)],
)
def test_the_window_holds_prompt_and_answer(words: int, max_tokens: int | None, num_ctx: int) -> None:
    """And is a power of two: each other number makes the server load the model again."""
    assert body(user("word " * words), max_tokens=max_tokens)["options"]["num_ctx"] == num_ctx


def test_tools_and_images_need_a_window_too() -> None:
    many = tuple(Tool(name=f"tool_{number}", description="What it does. " * 40) for number in range(40))
    assert body(tools=many)["options"]["num_ctx"] == 16_384
    images = [ImagePart(data=b"x") for _ in range(8)]
    assert body(user("Look", *images))["options"]["num_ctx"] == 16_384
    assert body(user("Look", ImagePart(data=b"x" * 300_000)))["options"]["num_ctx"] == 8192


@given(st.integers(0, 40_000), st.integers(0, 40_000))
def test_a_longer_prompt_never_has_a_smaller_window(one: int, other: int) -> None:
    small, large = (body(user("x" * size))["options"]["num_ctx"] for size in sorted((one, other)))
    assert small <= large
    assert large >= max(one, other) / 3


def test_a_prompt_that_cannot_fit_is_not_sent() -> None:
    with pytest.raises(ContextLengthError, match="at least 3,000 tokens, and num_ctx is 2,048") as caught:
        body(user("word " * 3_000), extra={"options": {"num_ctx": 2048}})
    assert caught.value.context_window == 2048
    body(user("word " * 2_000), extra={"options": {"num_ctx": 2048}})
    body(user("word " * 3_000), extra={"options": {"num_ctx": 2048}, "truncate": True})  # who asks for it, gets it
    body(user("word " * 3_000), extra={"options": {"num_ctx": None}})


# --- options -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("effort", "think"),
    [("none", False), ("minimal", "low"), ("low", "low"), ("medium", "medium"), ("high", "high"), ("max", "max")],
)
def test_thinking(effort: Any, think: object) -> None:
    assert body(reasoning_effort=effort)["think"] == think
    assert body(reasoning_effort=effort, extra={"think": True})["think"] is True


def test_gpt_oss_cannot_be_kept_from_thinking() -> None:
    assert "think" not in body(model="gpt-oss:20b", reasoning_effort="none")
    assert dropped("gpt-oss:20b", reasoning_effort="none") == (
        "reasoning_effort 'none' of gpt-oss, which always thinks",
    )
    assert body(model="gpt-oss:20b", reasoning_effort="low")["think"] == "low"
    assert dropped("gpt-oss:20b", reasoning_effort="low") == ()


def test_what_is_left_out_is_told() -> None:
    assert dropped(user="u", tools=(F,), parallel_tool_calls=False) == ("parallel_tool_calls", "user")
    assert dropped(parallel_tool_calls=False) == ()
    named = ChatRequest(messages=(Message(role="user", name="Ann", content="Hi"),))
    assert WIRE.encode_chat(named, "m", stream=False).dropped == ("names of messages",)


def test_logprobs() -> None:
    assert "logprobs" not in body()
    assert body(logprobs=True)["logprobs"] is True
    assert (body(top_logprobs=0)["logprobs"], body(top_logprobs=3)["top_logprobs"]) == (True, 3)


def test_formats() -> None:
    schema = {"$defs": {"A": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/A"}}}
    assert "format" not in body()
    assert body(response_format=JsonSchema(schema))["format"] == schema
    assert body(response_format=JsonObject())["format"] == "json"
    with pytest.raises(UnsupportedError, match="takes no GBNF grammar"):
        body(response_format=Grammar("g"))


# --- messages ------------------------------------------------------------------------------------------------------

PNG = "iVBORw=="


def test_images_are_base64_and_nothing_more() -> None:
    said = turns(
        user(
            "One",
            ImagePart(data=b"\x89PNG", media_type="image/png"),
            ImagePart(url="data:image/png;base64,iVBORw"),
            ImagePart(url="data:image/png;base64,iVBO\n Rw=="),
            TextPart(text="two"),
        )
    )
    assert said == [{"role": "user", "content": "One\ntwo", "images": [PNG] * 3}]


@pytest.mark.parametrize(
    "url", ["data:image/png,%89PNG", "data:image/png;base64,iVB*Rw", "data:image/png;base64,iVBOR"]
)
def test_a_data_url_that_holds_no_base64(url: str) -> None:
    with pytest.raises(InvalidRequestError, match="data URL of an image part"):
        turns(user(ImagePart(url=url)))


def test_a_tool_loop() -> None:
    calls = (
        ToolCallPart(id="1", name="f", arguments='{"city": "Paris"}'),
        ToolCallPart(id="2", name="g", arguments=""),
    )
    results = (
        ToolResultPart(call_id="1", content="sun"),
        ToolResultPart(call_id="2", name="own", content=(TextPart(text="see"), ImagePart(data=b"\x89PNG"))),
        ToolResultPart(call_id="lost", content="?"),
    )
    said = turns(user("Hi"), Message(role="assistant", parts=calls), Message(role="tool", parts=results))
    assert said[1]["tool_calls"] == [
        {"id": "1", "function": {"index": 0, "name": "f", "arguments": {"city": "Paris"}}},
        {"id": "2", "function": {"index": 1, "name": "g", "arguments": {}}},
    ]
    assert said[2:] == [
        {"role": "tool", "content": "sun", "tool_name": "f", "tool_call_id": "1"},
        {"role": "tool", "content": "see", "tool_name": "own", "tool_call_id": "2", "images": [PNG]},
        {"role": "tool", "content": "?", "tool_call_id": "lost"},
    ]


@pytest.mark.parametrize(
    ("written", "sent"),
    [('{"city": Paris', {"arguments": '{"city": Paris'}), ("[1]", {"arguments": [1]}), ("{}", {}), ("", {})],
)
def test_arguments_that_are_no_object_are_shown_in_one(written: str, sent: object) -> None:
    """The server takes nothing else, and a model that sees what it wrote can mend it."""
    said = turns(user("Hi"), Message(role="assistant", parts=(ToolCallPart(id="1", name="f", arguments=written),)))
    assert said[1]["tool_calls"][0]["function"]["arguments"] == sent


def test_thoughts_go_back_in_the_loop_that_is_going_on() -> None:
    thought = Message(
        role="assistant", parts=(ReasoningPart(text="hm"), ToolCallPart(id="1", name="f", arguments="{}"))
    )
    for role in ("tool", "user"):
        result = Message(role=role, parts=(ToolResultPart(call_id="1", content="4"),))
        said = turns(user("a"), thought, result, user("b"), thought, result)
        assert [turn.get("thinking") for turn in said] == [None, None, None, None, "hm", None]


def test_a_result_and_a_question_in_one_turn_are_both_sent() -> None:
    said = turns(user(ToolResultPart(call_id="1", content="4"), "And?"))
    assert [turn["role"] for turn in said] == ["tool", "user"]
    assert turns(Message(role="assistant")) == [{"role": "assistant", "content": ""}]


# --- tools ---------------------------------------------------------------------------------------------------------


def offered(*messages: Message, **options: Any) -> tuple[list[str], Any, str]:
    """The tools, the format, and the system message."""
    said = body(*messages, **options)
    names = [tool["function"]["name"] for tool in said.get("tools", [])]
    system = said["messages"][0]["content"] if said["messages"][0]["role"] == "system" else ""
    return names, said.get("format"), system


def test_tools_are_offered() -> None:
    function = {"name": "f", "description": "Does it.", "parameters": PLACE}
    assert body(tools=(F,))["tools"] == [{"type": "function", "function": function}]
    for choice in (None, "auto"):
        assert offered(tools=(F, G), tool_choice=choice) == (["f", "g"], None, "")


def test_no_tool_may_be_called() -> None:
    assert offered(tools=(F, G), tool_choice="none") == ([], None, "")
    schema = {"type": "object"}
    assert offered(tools=(F,), tool_choice="none", response_format=JsonSchema(schema)) == ([], schema, "")


def test_one_tool_is_forced_by_the_format_of_its_arguments() -> None:
    for options in ({"tools": (F, G), "tool_choice": NamedTool(name="f")}, {"tools": (F,), "tool_choice": "required"}):
        names, format_, system = offered(**options)
        assert (names, format_) == ([], PLACE)
        assert '"name":"f","description":"Does it."' in system
        assert '"g"' not in system


def test_one_of_several_is_forced_by_the_format_of_a_call() -> None:
    _, format_, system = offered(SYSTEM, user("Hi"), tools=(F, G), tool_choice="required")
    assert [choice["properties"]["name"]["enum"] for choice in format_["anyOf"]] == [["f"], ["g"]]
    assert format_["anyOf"][0]["properties"]["arguments"] == PLACE
    assert format_["anyOf"][0]["required"] == ["name", "arguments"]
    assert system.startswith("Be brief.\nCall one of these functions.")
    assert system.endswith('"parameters":{"type":"object","properties":{}}}')


def test_the_choice_of_a_tool_that_is_not_there() -> None:
    with pytest.raises(InvalidRequestError, match=r"tool_choice names 'h', and tools has \['f', 'g'\]"):
        body(tools=(F, G), tool_choice=NamedTool(name="h"))


def test_tools_beside_a_format_are_calls_or_the_answer() -> None:
    names, format_, _ = offered(tools=(F,), response_format=JsonSchema({"type": "object", "properties": {"n": {}}}))
    assert names == []
    assert [choice["properties"]["name"]["enum"] for choice in format_["anyOf"]] == [["f"], ["multillm_final_answer"]]
    assert format_["anyOf"][1]["properties"]["arguments"]["properties"] == {"n": {}}


# --- schemas -------------------------------------------------------------------------------------------------------


def test_references_are_written_out() -> None:
    schema = {
        "type": "object",
        "properties": {
            "home": {"$ref": "#/$defs/Home", "description": "where"},
            "homes": {"type": "array", "items": {"anyOf": [{"$ref": "#/$defs/Home"}, {"type": "null"}]}},
            "$ref": {"type": "string"},
            "definitions": {"type": "string"},
        },
        "$defs": {"Home": {"type": "object", "properties": {"zip": {"$ref": "#/$defs/a~1b"}}}, "a/b": {"enum": [1]}},
    }
    home = {"type": "object", "properties": {"zip": {"enum": [1]}}}
    assert without_references(schema) == {
        "type": "object",
        "properties": {
            "home": {**home, "description": "where"},
            "homes": {"type": "array", "items": {"anyOf": [home, {"type": "null"}]}},
            "$ref": {"type": "string"},
            "definitions": {"type": "string"},
        },
    }


def test_a_reference_that_leads_back_or_nowhere_allows_everything() -> None:
    tree = {"properties": {"sub": {"$ref": "#/definitions/T"}}}
    assert without_references({"$ref": "#/definitions/T", "definitions": {"T": tree}}) == {"properties": {"sub": {}}}
    assert without_references({"a": {"$ref": "#"}}) == {"a": {"a": {}}}
    assert without_references({"a": {"$ref": "#/b/c"}, "b": [1]}) == {"a": {}, "b": [1]}
    assert without_references({"a": {"$ref": "https://x/y", "type": "string"}}) == {"a": {"type": "string"}}


# --- embeddings ----------------------------------------------------------------------------------------------------


def test_embedding_requests() -> None:
    call = WIRE.encode_embed(EmbedRequest(texts=("a", "b"), dimensions=2, extra={"keep_alive": math.inf}), "m")
    assert call.path == "/api/embed"
    assert json.loads(call.body) == {
        "model": "m",
        "input": ["a", "b"],
        "truncate": False,
        "dimensions": 2,
        "options": {"num_ctx": 8192},
        "keep_alive": -1,
    }


def test_the_longest_text_decides_on_the_window_of_embeddings() -> None:
    def num_ctx(*texts: str) -> Any:
        return json.loads(WIRE.encode_embed(EmbedRequest(texts=texts), "m").body)["options"]["num_ctx"]

    assert num_ctx(*["word " * 2_000] * 50) == num_ctx() == 8192
    assert num_ctx("a", "word " * 8_000) == 16_384
