"""The LangChain and LlamaIndex classes against real servers: the same few things at each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from langchain_multillm import ChatLlama, LlamaEmbeddings
from llamaindex_multillm import LlamaEmbedding, LlamaLLM
from shared_core import AuthenticationError, BillingError, ContextLengthError
from tests.servers.litellm_proxy import LiteLLMProxy
from tests.servers.llama_cpp_server import WINDOW, LlamaCppServer
from tests.servers.llama_stack import Stack

CAPITAL = "What is the capital of France?"
ANSWER = "The capital of France is Paris."


class Weather(BaseModel):
    """The weather of a city."""

    city: str


def tell(city: str) -> str:
    """Tell the weather of a city."""
    return f"sunny in {city}"


weather = tool("weather")(tell)


@dataclass(frozen=True)
class Way:
    """A way to the demo model; the proxy and the stacks lead to a model that calls tools as well."""

    options: dict[str, Any]
    demo: str
    tools: str = ""


@pytest.fixture(params=["demo_server", "proxy", "old_stack", "new_stack"])
def way(request: pytest.FixtureRequest) -> Way:
    return way_to(request.getfixturevalue(request.param))


@pytest.fixture(params=["proxy", "old_stack", "new_stack"])
def tool_way(request: pytest.FixtureRequest) -> Way:
    return way_to(request.getfixturevalue(request.param))


def way_to(server: LlamaCppServer | LiteLLMProxy | Stack) -> Way:
    match server:
        case LlamaCppServer():
            return Way({"backend": "llama_server", "base_url": server.url, "api_key": server.key}, server.model)
        case LiteLLMProxy():
            options = {"backend": "litellm", "base_url": server.url, "api_key": "sk-virtual-good"}
            return Way(options, "demo", "small")
        case Stack():
            return Way({"backend": "llama_stack", "base_url": server.url}, "llama/demo", "up/small")


# --- LangChain -----------------------------------------------------------------------------------------------------


async def test_langchain_answers(way: Way) -> None:
    model = ChatLlama(**way.options, model=way.demo, temperature=0)
    whole, awaited = model.invoke(CAPITAL), await model.ainvoke(CAPITAL)
    assert whole.content == awaited.content == ANSWER
    assert whole.usage_metadata is not None
    assert whole.usage_metadata["output_tokens"] == 13


async def test_langchain_streams(way: Way) -> None:
    model = ChatLlama(**way.options, model=way.demo, temperature=0)
    for chunks in ([*model.stream(CAPITAL)], [chunk async for chunk in model.astream(CAPITAL)]):
        whole = sum(chunks[1:], chunks[0])
        assert isinstance(whole, AIMessageChunk)
        assert whole.content == ANSWER
        assert whole.response_metadata["finish_reason"] == "stop"


async def test_langchain_calls_tools(tool_way: Way) -> None:
    model = ChatLlama(**tool_way.options, model=tool_way.tools).bind_tools([weather])
    question = HumanMessage("What is the weather in Paris?")
    for asked in (model.invoke([question]), await model.ainvoke([question])):
        (call,) = asked.tool_calls
        assert (call["name"], call["args"]) == ("weather", {"city": "Paris"})
        result = weather.invoke(call)
        assert isinstance(result, ToolMessage)
        assert model.invoke([question, asked, result]).content == "The tool says: sunny in Paris"


async def test_langchain_makes_objects(tool_way: Way) -> None:
    model = ChatLlama(**tool_way.options, model=tool_way.tools).with_structured_output(Weather)
    assert model.invoke("The weather in Paris") == await model.ainvoke("The weather in Paris") == Weather(city="Paris")


# --- LlamaIndex ----------------------------------------------------------------------------------------------------


async def test_llamaindex_answers(way: Way) -> None:
    llm = LlamaLLM(**way.options, model=way.demo, temperature=0)
    messages = [ChatMessage(role="user", content=CAPITAL)]
    assert llm.chat(messages).message.content == (await llm.achat(messages)).message.content == ANSWER


async def test_llamaindex_streams(way: Way) -> None:
    llm = LlamaLLM(**way.options, model=way.demo, temperature=0)
    messages = [ChatMessage(role="user", content=CAPITAL)]
    assert [*llm.stream_chat(messages)][-1].message.content == ANSWER
    assert [chunk async for chunk in await llm.astream_chat(messages)][-1].message.content == ANSWER


async def test_llamaindex_calls_tools(tool_way: Way) -> None:
    llm = LlamaLLM(**tool_way.options, model=tool_way.tools)
    tools = [FunctionTool.from_defaults(tell, name="weather")]
    for response in (
        llm.chat_with_tools(tools, user_msg="What is the weather in Paris?"),
        await llm.achat_with_tools(tools, user_msg="What is the weather in Paris?"),
    ):
        (call,) = llm.get_tool_calls_from_response(response)
        assert (call.tool_name, json.dumps(call.tool_kwargs)) == ("weather", '{"city": "Paris"}')


# --- both ----------------------------------------------------------------------------------------------------------


def test_a_prompt_too_long_is_theirs_and_ours(demo_server: LlamaCppServer) -> None:
    options = {"backend": "llama_server", "base_url": demo_server.url, "api_key": demo_server.key, "max_retries": 0}
    with pytest.raises(ContextOverflowError) as caught:
        ChatLlama(**options, model="demo").invoke("word " * WINDOW)
    assert isinstance(caught.value, ContextLengthError)
    with pytest.raises(ContextLengthError):
        LlamaLLM(**options, model="demo").complete("word " * WINDOW)


def test_whom_the_proxy_refuses(proxy: LiteLLMProxy) -> None:
    refused = ChatLlama(backend="litellm", model="small", base_url=proxy.url, api_key="sk-virtual-unknown")
    with pytest.raises(AuthenticationError):
        refused.invoke("Hi")
    poor = LlamaLLM(backend="litellm", model="priced", base_url=proxy.url, api_key="sk-virtual-poor-framework")
    with pytest.raises(BillingError):
        complete_often(poor, 100)


def complete_often(llm: LlamaLLM, times: int) -> None:
    for _ in range(times):
        llm.complete("Hi")


async def test_embeddings(minilm_server: LlamaCppServer) -> None:
    options = {"backend": "openai_compatible", "base_url": minilm_server.url, "api_key": minilm_server.key}
    texts = ["A cat sat on the mat.", "Interest rates rose again."]
    langchain, llamaindex = (
        LlamaEmbeddings(**options, model="minilm"),
        LlamaEmbedding(**options, model_name="minilm"),
    )
    expected = langchain.embed_documents(texts)
    assert [len(vector) for vector in expected] == [384, 384]
    for vectors in (
        await langchain.aembed_documents(texts),
        llamaindex.get_text_embedding_batch(texts),
        await llamaindex.aget_text_embedding_batch(texts),
    ):
        assert vectors == [pytest.approx(vector, abs=1e-5) for vector in expected]
