"""Agents, objects and vectors come over a route as over one place, and go on when a target dies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import BaseMessage
from langchain_core.tools import BaseTool, tool
from pydantic import BaseModel

from langchain_multillm import ChatLlama, LlamaEmbeddings
from shared_core import Backend, Capabilities, ConfigurationError, Router, connect
from tests.langchain.conftest import KEY
from tests.langchain.routes import MODES, place, route
from tests.openai_server import OpenAIServer

QUESTION: Any = {"messages": [{"role": "user", "content": "What is the weather in Paris, at 21 degrees?"}]}


class Weather(BaseModel):
    """The weather in a city."""

    city: str
    degrees: int


# --- agents --------------------------------------------------------------------------------------------------------


def weather_that(happens: Callable[[], object]) -> BaseTool:
    """A tool during whose call something happens."""

    @tool
    def get_weather(city: str) -> str:
        """Tell the weather in a city."""
        happens()
        return f"It is sunny in {city}."

    return get_weather


async def _run(agent: Any, mode: str) -> list[BaseMessage]:
    match mode:
        case "invoke":
            result = agent.invoke(QUESTION)
        case "ainvoke":
            result = await agent.ainvoke(QUESTION)
        case "stream":
            result = list(agent.stream(QUESTION, stream_mode=["messages", "values"]))[-1][1]
        case _:
            result = [item async for item in agent.astream(QUESTION, stream_mode=["messages", "values"])][-1][1]
    messages: list[BaseMessage] = result["messages"]
    return messages


@MODES
async def test_an_agent_goes_on_when_a_target_dies_between_two_steps(
    server: OpenAIServer, other: OpenAIServer, mode: str
) -> None:
    asked = ChatLlama(backend=[place(server), place(other, name="tgi")], max_retries=0)
    agent: Any = create_agent(asked, [weather_that(server.server.die)])
    messages = await _run(agent, mode)
    assert [message.type for message in messages] == ["human", "ai", "tool", "ai"]
    assert [messages[at].response_metadata["model_provider"] for at in (1, 3)] == ["vllm", "tgi"]
    assert "It is sunny in Paris" in messages[-1].text
    assert [one["target"] for one in messages[-1].response_metadata["attempts"]] == ["vllm/small", "tgi/small"]
    assert (len(server.seen), len(other.seen)) == (1, 1)


def test_a_target_without_tools_is_skipped_by_an_agent(server: OpenAIServer) -> None:
    toolless, able = connect("groq", model="gemma2-9b-it", api_key=KEY, base_url=server.url), place(server)
    router = Router([Toolless(toolless), able])
    result = create_agent(ChatLlama(backend=router), [weather_that(lambda: None)]).invoke(QUESTION)
    assert "It is sunny in Paris" in result["messages"][-1].text
    assert {attempt["target"] for message in result["messages"] for attempt in told(message)} == {"vllm/small"}
    # Without tools its turn comes.
    assert ChatLlama(backend=router).invoke("hi").response_metadata["model_provider"] == "groq"


def told(message: BaseMessage) -> list[dict[str, Any]]:
    attempts: list[dict[str, Any]] = message.response_metadata.get("attempts", [])
    return attempts


class Toolless:
    """A backend of somebody's own that has neither tools nor JSON schemas."""

    capabilities = Capabilities(tools=False, tool_choice=False, json_schema=False, json_object=False)

    def __init__(self, inner: Backend) -> None:
        self._inner = inner

    def without_retries(self) -> Toolless:
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@pytest.mark.parametrize("able_first", [True, False])
async def test_objects(server: OpenAIServer, able_first: bool) -> None:
    able, not_able = place(server, "large"), Toolless(place(server))
    asked = ChatLlama(backend=[able, not_able] if able_first else [not_able, able])
    structured = asked.with_structured_output(Weather)
    assert structured.invoke("Paris 21") == Weather(city="Paris", degrees=21)
    assert await structured.ainvoke("Paris 21") == Weather(city="Paris", degrees=21)
    assert list(structured.stream("Paris 21"))[-1] == Weather(city="Paris", degrees=21)
    assert {seen.body["model"] for seen in server.seen} == {"large"}


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
def test_objects_come_from_the_next_target(server: OpenAIServer, method: Any) -> None:
    structured = route(server, "error-500", "large").with_structured_output(Weather, method=method, include_raw=True)
    result = structured.invoke("As JSON: Paris 21")
    assert isinstance(result, dict)
    assert result["raw"].response_metadata["attempts"][-1]["target"] == "vllm/large"
    if method != "json_mode":
        assert result["parsed"] == Weather(city="Paris", degrees=21)


def test_bound_tools(server: OpenAIServer) -> None:
    bound = route(server, "error-500", "large").bind_tools([weather_that(lambda: None)], tool_choice="any")
    assert bound.invoke("Paris").tool_calls[0]["args"] == {"city": "Paris"}


# --- embeddings ----------------------------------------------------------------------------------------------------


async def test_embeddings_come_from_the_next_target(server: OpenAIServer, other: OpenAIServer) -> None:
    alone = LlamaEmbeddings(backend=place(other)).embed_documents(["a", "b", "c"])
    server.server.die()
    asked = LlamaEmbeddings(backend=[place(server), place(other)], chunk_size=2, max_retries=0)
    assert asked.embed_documents(["a", "b", "c"]) == alone
    assert await asked.aembed_documents(["a", "b", "c"]) == alone
    assert asked.embed_query("a") == alone[0] == await asked.aembed_query("a")


def test_embeddings_of_unlike_models_are_refused(server: OpenAIServer) -> None:
    with pytest.raises(ConfigurationError, match="vectors of different models cannot be compared"):
        LlamaEmbeddings(backend=[place(server), place(server, "large")])
    with pytest.raises(ConfigurationError, match="vectors of different models cannot be compared"):
        LlamaEmbeddings(backend=Router([place(server), place(server, "large")])).embed_query("x")
