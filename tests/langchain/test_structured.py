"""An object of the schema, or an error: never a silent `None`."""

from __future__ import annotations

import json
from typing import Annotated, Any, Generic, Literal, TypeVar

import pytest
from langchain_core.exceptions import OutputParserException
from langchain_core.runnables import RunnableBinding
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from langchain_multillm import ChatLlama
from langchain_multillm.structured import ObjectParser, strongest
from shared_core import Capabilities, ConfigurationError
from tests.langchain.conftest import KEY
from tests.openai_server import OpenAIServer

T = TypeVar("T")
Method = Literal["json_schema", "function_calling", "json_mode"]


class City(BaseModel):
    """A city."""

    name: str = Field(description="its name")
    people: int


class CityDict(TypedDict):
    """A city."""

    name: Annotated[str, ..., "its name"]
    people: Annotated[int, ..., "how many live there"]


class Box(BaseModel, Generic[T]):
    content: T


class Tree(BaseModel):
    label: str
    children: list[Tree] = []


SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}, "people": {"type": "integer"}}}
PROMPT = "The city of Paris has 2000000 people. Answer as JSON with 'name' and 'people'."


def model(server: OpenAIServer, name: str = "small", **arguments: Any) -> ChatLlama:
    return ChatLlama(backend="vllm", model=name, api_key=KEY, base_url=server.url, **arguments)


@pytest.mark.parametrize("method", ["json_schema", "function_calling", None])
@pytest.mark.parametrize("strict", [None, True, False])
async def test_three_kinds_of_schema_in_every_mode(
    server: OpenAIServer, method: Method | None, strict: bool | None
) -> None:
    prompt = "Paris has 2000000 people."
    expected = {"name": "Paris", "people": 2000000}
    for schema in (City, CityDict, SCHEMA):
        chain = model(server).with_structured_output(schema, method=method, strict=strict)
        results = [chain.invoke(prompt), await chain.ainvoke(prompt), list(chain.stream(prompt))[-1]]
        results.append([piece async for piece in chain.astream(prompt)][-1])
        wanted = City(**expected) if schema is City else expected
        assert results == [wanted] * 4


def test_what_the_methods_send(server: OpenAIServer) -> None:
    model(server).with_structured_output(City).invoke("x 1")
    assert server.last["response_format"]["type"] == "json_schema"
    sent = server.last["response_format"]["json_schema"]
    assert (sent["name"], sent["schema"]["required"], "strict" in sent) == ("City", ["name", "people"], False)
    model(server).with_structured_output(City, strict=True).invoke("x 1")
    sent = server.last["response_format"]["json_schema"]
    assert sent["strict"] is True
    assert sent["schema"]["additionalProperties"] is False
    model(server).with_structured_output(City, method="function_calling").invoke("x 1")
    assert server.last["tool_choice"] == {"type": "function", "function": {"name": "City"}}
    assert "response_format" not in server.last
    model(server).with_structured_output(method="json_mode").invoke("json 'a'")
    assert server.last["response_format"] == {"type": "json_object"}


def test_json_mode_with_and_without_a_schema(server: OpenAIServer) -> None:
    free = model(server).with_structured_output(method="json_mode").invoke(PROMPT)
    assert free == {"name": "some name", "people": "some people"}
    with pytest.raises(OutputParserException, match="people"):
        model(server).with_structured_output(City, method="json_mode").invoke(PROMPT)


def test_streams_grow(server: OpenAIServer) -> None:
    for method in ("json_schema", "function_calling"):
        pieces = list(model(server).with_structured_output(SCHEMA, method=method).stream("Paris has 2000000 people."))
        assert pieces[-1] == {"name": "Paris", "people": 2000000}
        assert len(pieces) > 1
        assert all(piece.keys() <= {"name", "people"} for piece in pieces)


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
async def test_a_text_answer_raises_in_every_mode(server: OpenAIServer, method: Method) -> None:
    chain = model(server, "plain-text").with_structured_output(City, method=method)
    with pytest.raises(OutputParserException, match="I would rather chat") as caught:
        chain.invoke(PROMPT)
    assert caught.value.llm_output == "I would rather chat."
    with pytest.raises(OutputParserException):
        await chain.ainvoke(PROMPT)
    with pytest.raises(OutputParserException):
        list(chain.stream(PROMPT))
    with pytest.raises(OutputParserException):
        [piece async for piece in chain.astream(PROMPT)]


def test_include_raw_reports_what_failed(server: OpenAIServer) -> None:
    good = model(server).with_structured_output(City, include_raw=True).invoke("Paris has 2000000 people.")
    assert good["parsed"] == City(name="Paris", people=2000000)
    assert good["parsing_error"] is None
    assert good["raw"].usage_metadata
    bad = model(server, "plain-text").with_structured_output(City, include_raw=True).invoke("x")
    assert bad["parsed"] is None
    assert isinstance(bad["parsing_error"], OutputParserException)
    assert bad["raw"].text == "I would rather chat."


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_json_inside_a_text_answer_is_salvaged(server: OpenAIServer, method: Method) -> None:
    chain = model(server, "fenced").with_structured_output(SCHEMA | {"title": "City"}, method=method)
    assert chain.invoke("Paris has 2000000 people.").keys() <= {"name", "people"}


def test_a_cut_off_answer_says_so(server: OpenAIServer) -> None:
    with pytest.raises(OutputParserException, match="cut off by max_tokens"):
        model(server, max_tokens=1).with_structured_output(City).invoke("x 1")


def test_invalid_arguments_say_so(server: OpenAIServer) -> None:
    chain = model(server, "bad-arguments").with_structured_output(City, method="function_calling")
    with pytest.raises(OutputParserException, match="called City with no usable arguments"):
        chain.invoke("x")


def test_recursive_and_generic_schemas(server: OpenAIServer) -> None:
    for method in ("json_schema", "function_calling"):
        for strict in (None, True):
            model(server).with_structured_output(Tree, method=method, strict=strict).invoke("x")
            sent = json.dumps(server.last)
            assert '"#/$defs/Tree"' in sent  # core's own conversion would have written {}
    assert model(server).with_structured_output(Box[int], method="function_calling").invoke("7") == Box[int](content=7)
    assert server.last["tool_choice"]["function"]["name"] == "Box_int_"
    text = '{"label": "a", "children": [{"label": "b", "children": []}]}'
    tree = ObjectParser(target=Tree, tool="Tree").parse(text)
    assert tree == Tree(label="a", children=[Tree(label="b")])


def test_tools_beside_a_schema(server: OpenAIServer) -> None:
    def look_up(city: str) -> str:
        """Look a city up."""
        return city

    chain = model(server).with_structured_output(City, tools=[look_up], include_raw=True)
    result = chain.invoke("Paris")
    assert server.last["tools"][0]["function"]["name"] == "look_up"
    assert server.last["response_format"]["json_schema"]["name"] == "City"
    assert result["raw"].tool_calls[0]["name"] == "look_up"
    assert "called look_up" in str(result["parsing_error"])


def test_mistakes_are_named(server: OpenAIServer) -> None:
    with pytest.raises(ConfigurationError, match="'json_schema', 'function_calling', 'json_mode'"):
        model(server).with_structured_output(City, method="magic")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="needs a schema"):
        model(server).with_structured_output()


@pytest.mark.parametrize(
    ("can", "method"),
    [
        (Capabilities(), "json_schema"),
        (Capabilities(json_schema=True, tools=True), "json_schema"),
        (Capabilities(tools=True), "function_calling"),
        (Capabilities(json_schema=False, tools=True, tool_choice=True), "function_calling"),
        (Capabilities(json_schema=False, tool_choice=False, tools=True, json_object=True), "json_mode"),
        (Capabilities(json_schema=True, tool_choice=False, tools=True), "json_schema"),
    ],
)
def test_the_strongest_method(can: Capabilities, method: str) -> None:
    assert strongest(can) == method


# --- the parser ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "Paris", "people": 2}',
        'Here you are: {"name": "Paris", "people": 2}. Anything else?',
        '```json\n{"name": "Paris", "people": 2}\n```',
        'For example {"name": 1}, but rather {"name": "Paris", "people": 2}',
        '{"name": "City", "arguments": {"name": "Paris", "people": 2}}',
        '[not json] {"name": "City", "parameters": {"name": "Paris", "people": 2}}',
    ],
)
def test_texts_that_hold_the_object(text: str) -> None:
    assert ObjectParser(target=City, tool="City").parse(text) == City(name="Paris", people=2)


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '{"name": "Paris"', "[" * 500, '"Paris"'])
def test_texts_that_do_not(text: str) -> None:
    for target in (City, CityDict):
        with pytest.raises(OutputParserException):
            ObjectParser(target=target, tool="City").parse(text)


def test_schemas_that_are_no_objects() -> None:
    parser = ObjectParser(target={"type": "array", "items": {"type": "integer"}})
    assert parser.parse("[1, 2]") == [1, 2]


# --- binding tools -------------------------------------------------------------------------------------------------


def look_up(city: str, limit: int = 1) -> str:
    """Look a city up."""
    return city


@pytest.mark.parametrize(
    ("choice", "bound"),
    [
        (None, None),
        ("auto", "auto"),
        ("none", "none"),
        ("any", "required"),
        ("required", "required"),
        (True, "required"),
        ("look_up", {"type": "function", "function": {"name": "look_up"}}),
        ({"type": "function", "function": {"name": "look_up"}}, {"type": "function", "function": {"name": "look_up"}}),
        ({"type": "tool", "name": "look_up"}, {"type": "function", "function": {"name": "look_up"}}),
    ],
)
def test_tool_choices(server: OpenAIServer, choice: Any, bound: Any) -> None:
    runnable = model(server).bind_tools([look_up], tool_choice=choice)
    assert isinstance(runnable, RunnableBinding)
    assert runnable.kwargs.get("tool_choice") == bound
    runnable.invoke("Paris")
    assert server.last.get("tool_choice") == bound


def test_an_unknown_tool_is_named(server: OpenAIServer) -> None:
    with pytest.raises(ConfigurationError, match="'lock_up' is not among the tools: look_up"):
        model(server).bind_tools([look_up], tool_choice="lock_up")


def test_tools_of_every_kind_arrive(server: OpenAIServer) -> None:
    anthropic = {"name": "pick", "description": "d", "input_schema": {"type": "object", "properties": {}}}
    openai = {"type": "function", "function": {"name": "go", "description": "d", "parameters": {"type": "object"}}}
    bound = model(server).bind_tools(
        [look_up, City, CityDict, anthropic, openai], strict=True, parallel_tool_calls=False
    )
    bound.invoke("Paris")
    assert [tool["function"]["name"] for tool in server.last["tools"]] == ["look_up", "City", "CityDict", "pick", "go"]
    assert server.last["tools"][1]["function"]["strict"] is True
    assert server.last["parallel_tool_calls"] is False


def test_tools_and_formats_of_one_call_need_no_binding(server: OpenAIServer) -> None:
    model(server).invoke("Paris", tools=[look_up], tool_choice="any", response_format=City)
    assert server.last["tool_choice"] == "required"
    assert server.last["response_format"]["json_schema"]["name"] == "City"
    model(server).invoke("json", response_format={"type": "json_object", "schema": SCHEMA})  # Together's way
    assert server.last["response_format"]["json_schema"]["schema"] == SCHEMA
    model(server).invoke("x", response_format={"type": "text"})
    assert "response_format" not in server.last
