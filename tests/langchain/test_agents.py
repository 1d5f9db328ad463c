"""Chains, agents and graphs run on it as on any chat model, and end when they should."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelFallbackMiddleware, ModelRetryMiddleware, SummarizationMiddleware
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel

from langchain_multillm import ChatLlama
from shared_core import AuthenticationError
from tests.langchain.conftest import KEY
from tests.openai_server import OpenAIServer


def model(server: OpenAIServer, name: str = "small", **arguments: Any) -> ChatLlama:
    return ChatLlama(backend="vllm", model=name, api_key=KEY, base_url=server.url, max_retries=0, **arguments)


@tool
def get_weather(city: str) -> str:
    """Tell the weather in a city."""
    return f"It is sunny in {city}."


class Weather(BaseModel):
    """The weather in a city."""

    city: str
    degrees: int


QUESTION: Any = {"messages": [{"role": "user", "content": "What is the weather in Paris, at 21 degrees?"}]}


def test_chain(server: OpenAIServer) -> None:
    chain = (
        ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "{q}")])
        | model(server)
        | StrOutputParser()
    )
    assert chain.invoke({"q": "hi"}).startswith("You said: hi")
    assert "".join(chain.stream({"q": "hi"})).startswith("You said: hi")


async def test_agent_with_tools(server: OpenAIServer) -> None:
    agent = create_agent(model(server), [get_weather])
    result = agent.invoke(QUESTION)
    assert [message.type for message in result["messages"]] == ["human", "ai", "tool", "ai"]
    assert "It is sunny in Paris" in result["messages"][-1].text
    assert len(server.seen) == 2
    result = await agent.ainvoke(QUESTION)
    assert "It is sunny in Paris" in result["messages"][-1].text


def test_agent_streams_tokens(server: OpenAIServer) -> None:
    agent = create_agent(model(server), [get_weather])
    pieces = [chunk.text for chunk, _ in agent.stream(QUESTION, stream_mode="messages") if isinstance(chunk, AIMessage)]
    assert "It is sunny in Paris" in "".join(pieces)
    assert len(pieces) > 5


@pytest.mark.parametrize(
    ("profile", "calls"),
    [({"structured_output": True, "tool_calling": True}, 2), (None, 2)],
    ids=["native", "by a tool"],
)
def test_agent_with_a_response_format_ends_in_the_expected_number_of_calls(
    server: OpenAIServer, profile: Any, calls: int
) -> None:
    agent = create_agent(model(server, profile=profile), [get_weather], response_format=Weather)
    result = agent.invoke(QUESTION, {"recursion_limit": 12})
    assert result["structured_response"] == Weather(city="Paris", degrees=21)
    assert len(server.seen) == calls
    assert ("response_format" in server.seen[0].body) is (profile is not None)


def test_agent_remembers(server: OpenAIServer) -> None:
    agent = create_agent(model(server), [get_weather], checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "1"}}
    agent.invoke(QUESTION, thread)
    result = agent.invoke(QUESTION, thread)
    assert len(result["messages"]) == 8


def test_fallbacks(server: OpenAIServer) -> None:
    chain = model(server, "error-500").with_fallbacks([model(server, "large")])
    assert chain.invoke("hi").response_metadata["model_name"] == "large"
    # bind_tools and with_structured_output are found through their type hints, which must resolve.
    bound = chain.bind_tools([get_weather], tool_choice="any")
    assert bound.invoke("Paris").tool_calls[0]["args"] == {"city": "Paris"}
    structured = chain.with_structured_output(Weather)
    assert structured.invoke("Paris 21") == Weather(city="Paris", degrees=21)
    assert "".join(piece.text for piece in chain.stream("hi")).startswith("You said")


def test_fallback_and_retry_middleware_read_our_errors(server: OpenAIServer) -> None:
    agent = create_agent(model(server, "error-500"), [], middleware=[ModelFallbackMiddleware(model(server, "large"))])
    assert agent.invoke(QUESTION)["messages"][-1].response_metadata["model_name"] == "large"
    for name, tries in (("error-500", 3), ("error-401", 1)):
        before = len(server.seen)
        retry = ModelRetryMiddleware(max_retries=2, initial_delay=0, on_failure="error")
        agent = create_agent(model(server, name), [], middleware=[retry])
        with pytest.raises(Exception, match=name.removeprefix("error-")):
            agent.invoke(QUESTION)
        assert len(server.seen) - before == tries


def test_summaries_know_the_window(server: OpenAIServer) -> None:
    asked = model(server, profile={"max_input_tokens": 100})
    middleware: Any = SummarizationMiddleware(asked, trigger=("fraction", 0.5), keep=("messages", 1))
    agent = create_agent(asked, [], middleware=[middleware])
    long: Any = {"messages": [HumanMessage("word " * 100), AIMessage("ok"), HumanMessage("and now?")]}
    assert agent.invoke(long)["messages"][-1].text
    assert len(server.seen) == 2


def test_a_conversation_of_other_providers_goes_on(server: OpenAIServer) -> None:
    history = [
        HumanMessage("Weather in Paris?"),
        AIMessage(
            [
                {"type": "thinking", "thinking": "A tool.", "signature": "x"},
                {"type": "text", "text": "Let me look."},
                {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Paris"}},
            ],
            tool_calls=[{"name": "get_weather", "args": {"city": "Paris"}, "id": "toolu_1"}],
            response_metadata={"model_provider": "anthropic"},
        ),
        HumanMessage(
            [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny"}, {"type": "text", "text": "?"}]
        ),
        AIMessage(
            [
                {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
                {"type": "text", "text": "Sunny."},
            ]
        ),
        HumanMessage("Thanks."),
    ]
    assert model(server).bind_tools([get_weather]).invoke(history).tool_calls
    assert [message["role"] for message in server.last["messages"]] == [
        *("user", "assistant", "tool", "user", "assistant", "user")
    ]
    assert server.last["messages"][1]["content"] == "Let me look."


def test_wrong_key_is_not_retried_by_the_model(server: OpenAIServer) -> None:
    asked = ChatLlama(backend="vllm", model="small", api_key="sk-wrong", base_url=server.url)
    with pytest.raises(AuthenticationError):
        asked.invoke("hi")
    assert len(server.seen) == 1
