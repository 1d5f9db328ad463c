"""Keyword arguments become a request."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from llamaindex_multillm.requests import merge, to_request, to_response_format, to_tool_choice, to_tools
from shared_core import (
    ChatRequest,
    ConfigurationError,
    Grammar,
    JsonObject,
    JsonSchema,
    Message,
    NamedTool,
    Tool,
)

HELLO = (Message.model_validate({"role": "user", "content": "hi"}),)
ADD = {"type": "function", "function": {"name": "add", "description": "Add.", "parameters": {"type": "object"}}}


class City(BaseModel):
    name: str


def request(**options: Any) -> ChatRequest:
    return to_request(HELLO, options)


def test_what_is_ours_becomes_a_field() -> None:
    made = request(temperature=0.1, top_p=0.9, top_k=5, max_tokens=7, stop="x", seed=3, logprobs=True, top_logprobs=2)
    assert (made.temperature, made.top_p, made.top_k, made.max_tokens, made.stop) == (0.1, 0.9, 5, 7, ("x",))
    assert (made.seed, made.logprobs, made.top_logprobs, made.extra) == (3, True, 2, {})


def test_none_is_left_to_the_place() -> None:
    assert request(temperature=None, stop=None, tools=None, extra=None) == ChatRequest(messages=HELLO)


def test_what_is_not_ours_goes_into_the_body() -> None:
    assert to_request(HELLO, merge({"service_tier": "flex"}, {"extra_body": {"a": 1}})).extra == {
        "service_tier": "flex",
        "a": 1,
    }


def test_the_later_layer_wins_also_under_another_name() -> None:
    assert merge({"max_tokens": 5}, {"max_completion_tokens": 9}) == {"max_tokens": 9}


@pytest.mark.parametrize("name", ["api_key", "base_url", "api_base", "backend", "default_headers", "http_client"])
def test_no_key_or_address_ends_up_in_a_body(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name}: set this on the LLM") as caught:
        request(**{name: "sk-secret-1234"})
    assert "sk-secret" not in str(caught.value)


def test_tools_of_every_kind() -> None:
    def add(x: int, y: int) -> int:
        """Add."""
        return x + y

    ours = Tool(name="add", description="Add.", parameters={"type": "object"})
    (made,) = to_tools([FunctionTool.from_defaults(add)])
    assert made.name == "add"
    assert made.description.endswith("Add.")
    assert made.parameters["properties"] == {
        "x": {"title": "X", "type": "integer"},
        "y": {"title": "Y", "type": "integer"},
    }
    assert to_tools([ADD, ADD["function"], ours]) == (ours, ours, ours)
    assert to_tools([ADD], strict=True)[0].strict is True
    assert to_tools([{"function": {"name": "now"}}])[0].parameters == {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("given", "made"),
    [
        (None, None),
        ("auto", "auto"),
        ("none", "none"),
        ("required", "required"),
        ("any", "required"),
        ("add", NamedTool(name="add")),
        ({"type": "function", "function": {"name": "add"}}, NamedTool(name="add")),
        ({"type": "function", "name": "add"}, NamedTool(name="add")),
        (NamedTool(name="add"), NamedTool(name="add")),
    ],
)
def test_tool_choices(given: object, made: object) -> None:
    assert to_tool_choice(given) == made


def test_a_tool_choice_that_says_nothing() -> None:
    with pytest.raises(ConfigurationError, match="tool_choice is 5"):
        to_tool_choice(5)


def test_a_choice_without_tools_is_not_sent() -> None:
    made = request(tools=[], tool_choice="required", parallel_tool_calls=True)
    assert (made.tools, made.tool_choice, made.parallel_tool_calls) == ((), None, None)


@pytest.mark.parametrize(
    ("given", "made"),
    [
        (None, None),
        ({"type": "text"}, None),
        ({"type": "json_object"}, JsonObject()),
        (JsonObject(), JsonObject()),
        (Grammar("root ::= 1"), Grammar("root ::= 1")),
        (City, JsonSchema(City.model_json_schema(), "City")),
        (City.model_json_schema(), JsonSchema(City.model_json_schema())),
        (
            {"type": "json_schema", "json_schema": {"name": "c", "schema": {"type": "object"}, "strict": True}},
            JsonSchema({"type": "object"}, "c", strict=True),
        ),
    ],
)
def test_response_formats(given: object, made: object) -> None:
    assert to_response_format(given) == made


@pytest.mark.parametrize("given", [{"type": "xml"}, "json", 5])
def test_a_response_format_that_says_nothing(given: object) -> None:
    with pytest.raises(ConfigurationError, match="response_format is"):
        to_response_format(given)
