"""LlamaIndex's own machinery over a real socket: engines, agents, structured prediction, embeddings."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from llama_index.core import Document, Settings, VectorStoreIndex
from llama_index.core.agent.workflow import AgentStream, AgentWorkflow, FunctionAgent, ReActAgent, ToolCall
from llama_index.core.base.llms.types import ImageBlock, TextBlock
from llama_index.core.base.response.schema import AsyncStreamingResponse, StreamingResponse
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.llms import ChatMessage
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.prompts import PromptTemplate
from llama_index.core.schema import TextNode
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import WorkflowRuntimeError
from pydantic import BaseModel

from llamaindex_multillm import LlamaEmbedding, LlamaLLM, StructuredOutputError
from shared_core import (
    AuthenticationError,
    BackendError,
    ContextLengthError,
    RateLimitError,
    ServerError,
    StreamInterruptedError,
)
from tests.llamaindex.conftest import KEY, SIZE
from tests.openai_server import OpenAIServer, vector
from tests.raw_server import delta, serving, sse

FACTS = [
    Document(text=f"The {thing} of Vantor is {value}.")
    for thing, value in {
        "capital": "Olmeth",
        "river": "Sarn",
        "currency": "crown",
        "anthem": "Rise",
        "president": "Ilka Moor",
        "sport": "tamball",
        "dish": "barley pie",
        "bird": "heron",
        "flower": "thistle",
        "language": "Vantish",
    }.items()
]


def llm(server: OpenAIServer, model: str = "small", **options: Any) -> LlamaLLM:
    return LlamaLLM(backend="vllm", model=model, base_url=server.url, api_key=KEY, max_retries=0, **options)


def embedding(server: OpenAIServer, **options: Any) -> LlamaEmbedding:
    return LlamaEmbedding(backend="vllm", model="small", base_url=server.url, api_key=KEY, max_retries=0, **options)


def bodies(server: OpenAIServer, path: str = "chat/completions") -> list[dict[str, Any]]:
    return [seen.body for seen in server.seen if seen.path.endswith(path)]


# --- calls ---------------------------------------------------------------------------------------------------------


async def test_the_eight_calls(server: OpenAIServer) -> None:
    model, user = llm(server), [ChatMessage(content="Hello 'Ann'")]
    said = "You said: Hello 'Ann' Thank you, I will think about it."
    assert model.chat(user).message.content == said
    assert (await model.achat(user)).message.content == said
    assert model.complete("Hello 'Ann'").text == said
    assert (await model.acomplete("Hello 'Ann'")).text == said
    assert "".join(chunk.delta or "" for chunk in model.stream_chat(user)) == said
    assert "".join([chunk.delta or "" async for chunk in await model.astream_chat(user)]) == said
    assert list(model.stream_complete("Hello 'Ann'"))[-1].text == said
    assert [chunk.text async for chunk in await model.astream_complete("Hello 'Ann'")][-1] == said
    assert len({seen.body["messages"][0]["content"] for seen in server.seen}) == 1


@pytest.mark.parametrize("call", ["chat", "stream_chat"])
def test_usage_reasoning_and_logprobs(server: OpenAIServer, call: str) -> None:
    tokens = TokenCountingHandler()
    model = llm(server, "reasoning", callback_manager=CallbackManager([tokens]))
    answer = getattr(model, call)([ChatMessage(content="Hello")], logprobs=True, top_logprobs=1)
    last = answer if call == "chat" else list(answer)[-1]
    usage = last.raw["usage"]
    assert tokens.prompt_llm_token_count == usage["prompt_tokens"] > 0
    assert tokens.completion_llm_token_count == usage["completion_tokens"] > 0
    assert usage["completion_tokens_details"]["reasoning_tokens"] > 0
    assert last.message.blocks[0].content == "The user wants an answer. I have one."
    assert last.logprobs[0][0].token == "You"


def test_an_image(server: OpenAIServer) -> None:
    png = base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )
    llm(server).chat([ChatMessage(blocks=[TextBlock(text="What is it?"), ImageBlock(image=png)])])
    _, image = server.last["messages"][0]["content"]
    assert image["image_url"]["url"].startswith("data:image/png;base64,iVBOR")


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("error-429", RateLimitError),
        ("context-overflow", ContextLengthError),
        ("truncated", StreamInterruptedError),
        ("cut", BackendError),
        ("stream-error", BackendError),
        ("echo-key", AuthenticationError),
    ],
)
def test_errors(server: OpenAIServer, model: str, kind: type[BackendError]) -> None:
    with pytest.raises(kind) as caught:
        list(llm(server, model).stream_chat([ChatMessage(content="Hello there, you")]))
    assert KEY not in f"{caught.value!r} {caught.value.response}"


def test_leaving_a_stream_hangs_up(server: OpenAIServer) -> None:
    stream = llm(server, "endless").stream_chat([ChatMessage(content="Hello")])
    next(stream)
    stream.close()
    assert server.left.wait(10)


async def test_leaving_an_async_stream_hangs_up(server: OpenAIServer) -> None:
    stream = await llm(server, "endless").astream_chat([ChatMessage(content="Hello")])
    await anext(stream)
    await stream.aclose()
    assert await asyncio.to_thread(server.left.wait, 10)


def test_one_object_over_several_event_loops(server: OpenAIServer) -> None:
    """OpenAILike's cached client dies with its loop: the second asyncio.run fails with "Event loop is closed"."""
    model, texts = llm(server), embedding(server)

    async def ask() -> str:
        await texts.aget_text_embedding("Hello")
        return (await model.acomplete("Hello")).text

    assert len({asyncio.run(ask()) for _ in range(3)}) == 1


def test_retries_do_not_multiply(server: OpenAIServer) -> None:
    """OpenAI's class retries with tenacity around an SDK that retries too: max_retries=2 makes 6 requests."""
    model = LlamaLLM(backend="vllm", model="error-500", base_url=server.url, api_key=KEY, max_retries=1)
    with pytest.raises(ServerError):
        model.complete("Hello")
    assert len(server.seen) == 2


def test_metadata_asks_nobody() -> None:
    """Ollama's class asks its server for metadata and for every event, and fails where that is down."""
    model = LlamaLLM(backend="ollama", model="nowhere", base_url="http://127.0.0.1:9/v1")
    assert model.metadata.model_name == "nowhere"
    assert model.to_payload()["backend"] == "ollama"


TWO_CALLS = [
    {"index": 0, "id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}},
    {"index": 1, "id": "b", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}},
]


@pytest.mark.parametrize(
    "deltas",
    [[TWO_CALLS], [[call] for call in TWO_CALLS], [[{**call, "index": 0}] for call in TWO_CALLS]],
    ids=["in one chunk", "one after the other", "all with index 0"],
)
def test_streamed_calls_are_kept_apart(deltas: list[list[dict[str, Any]]]) -> None:
    """OpenAI's class loses the second call, or makes one of both: id "ab", name "weatherweather"."""
    reply = sse(*(delta(tool_calls=calls) for calls in deltas), delta("tool_calls"))
    with serving(lambda _: reply) as raw:
        model = LlamaLLM(backend="vllm", model="m", base_url=raw.url)
        tool = FunctionTool.from_defaults(weather)
        last = list(model.stream_chat_with_tools([tool], "Where?", allow_parallel_tool_calls=True))[-1]
    calls = model.get_tool_calls_from_response(last)
    assert [(call.tool_id, call.tool_kwargs) for call in calls] == [("a", {"city": "Oslo"}), ("b", {"city": "Rome"})]


# --- structured prediction -----------------------------------------------------------------------------------------


class Trip(BaseModel):
    """A trip."""

    city: str
    days: int
    stops: list[str] = []


TRIP = Trip(city="Paris", days=3, stops=["Paris"])
PROMPT = PromptTemplate("{days} days in 'Paris'; answer in json")


@pytest.mark.parametrize(
    "options",
    [{"should_use_structured_outputs": True}, {"should_use_structured_outputs": False}],
    ids=["json_schema", "tools"],
)
async def test_structured_prediction(server: OpenAIServer, options: dict[str, Any]) -> None:
    model = llm(server, system_prompt="Be brief.", **options)
    assert model.structured_predict(Trip, PROMPT, days=3) == TRIP
    assert await model.astructured_predict(Trip, PROMPT, days=3) == TRIP
    parts: list[Any] = list(model.stream_structured_predict(Trip, PROMPT, days=3))
    aparts: list[Any] = [part async for part in await model.astream_structured_predict(Trip, PROMPT, days=3)]
    assert parts[-1] == aparts[-1] == TRIP
    assert [part.model_dump() for part in parts] == [part.model_dump() for part in aparts]
    for body in bodies(server):
        assert [message["role"] for message in body["messages"]] == ["system", "user"]


def test_a_model_that_only_chats(server: OpenAIServer) -> None:
    with pytest.raises(StructuredOutputError, match="I would rather chat"):
        llm(server, "plain-text").structured_predict(Trip, PROMPT, days=3)
    assert llm(server, "fenced", should_use_structured_outputs=False).structured_predict(Trip, PROMPT, days=3) == TRIP


# --- agents --------------------------------------------------------------------------------------------------------


def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


async def test_function_agent(server: OpenAIServer) -> None:
    agent = FunctionAgent(llm=llm(server), tools=[weather], system_prompt="Use your tools.")
    handler = agent.run("How is it in 'Oslo'?")
    events = [event async for event in handler.stream_events()]
    assert str(await handler) == "The tool says: sunny in Oslo"
    assert [event.tool_kwargs for event in events if isinstance(event, ToolCall)] == [{"city": "Oslo"}]
    assert "".join(event.delta for event in events if isinstance(event, AgentStream)) == "The tool says: sunny in Oslo"
    first, second = bodies(server)
    assert first["tools"][0]["function"]["name"] == "weather"
    call, result = second["messages"][-2:]
    assert call["tool_calls"][0]["id"] == result["tool_call_id"]
    assert result["content"] == "sunny in Oslo"


async def test_function_agent_without_streaming_and_with_a_forced_first_tool(server: OpenAIServer) -> None:
    agent = FunctionAgent(llm=llm(server), tools=[weather], streaming=False, initial_tool_choice="weather")
    assert str(await agent.run("How is it in 'Oslo'?")) == "The tool says: sunny in Oslo"
    assert bodies(server)[0]["tool_choice"] == {"type": "function", "function": {"name": "weather"}}


async def test_function_agent_sees_the_thinking(server: OpenAIServer) -> None:
    agent = FunctionAgent(llm=llm(server, "reasoning"), tools=[])
    handler = agent.run("Hello")
    events = [event async for event in handler.stream_events()]
    await handler
    assert (
        "".join(event.thinking_delta or "" for event in events if isinstance(event, AgentStream))
        == "The user wants an answer. I have one."
    )


async def test_function_agent_after_a_tool_that_returns_directly(server: OpenAIServer) -> None:
    """Its assistant message carries a tool_call_id, which servers refuse."""
    from llama_index.core.memory import ChatMemoryBuffer

    tool = FunctionTool.from_defaults(weather, return_direct=True)
    agent, memory = FunctionAgent(llm=llm(server), tools=[tool]), ChatMemoryBuffer.from_defaults(token_limit=4000)
    assert "sunny in Oslo" in str(await agent.run("How is it in 'Oslo'?", memory=memory))
    assert "sunny in Rome" in str(await agent.run("And in 'Rome'?", memory=memory))
    assert not [m for m in server.last["messages"] if m["role"] == "assistant" and "tool_call_id" in m]


async def test_broken_arguments_reach_the_tool_as_none_and_the_model_as_an_error(server: OpenAIServer) -> None:
    agent = FunctionAgent(llm=llm(server, "bad-arguments"), tools=[weather])
    handler = agent.run("How is it in 'Oslo'?", max_iterations=2)
    with pytest.raises(WorkflowRuntimeError, match="Max iterations"):
        await handler
    assert "missing 1 required positional argument: 'city'" in server.last["messages"][-1]["content"]


async def test_agents_hand_over(server: OpenAIServer) -> None:
    first = FunctionAgent(name="first", description="Begins.", llm=llm(server), tools=[], can_handoff_to=["second"])
    second = FunctionAgent(name="second", description="Ends.", llm=llm(server), tools=[])
    workflow = AgentWorkflow(agents=[first, second], root_agent="first")
    assert str(await workflow.run("Hand over to 'second'"))
    assert "handoff" in {tool["function"]["name"] for tool in bodies(server)[0]["tools"]}


async def test_react_agent(server: OpenAIServer) -> None:
    agent = ReActAgent(llm=llm(server), tools=[weather])
    assert "You said" in str(await agent.run("How is it in 'Oslo'?"))


# --- engines -------------------------------------------------------------------------------------------------------


@pytest.fixture
def index(server: OpenAIServer, clean_settings: None) -> VectorStoreIndex:
    Settings.llm, Settings.embed_model = llm(server), embedding(server)
    return VectorStoreIndex.from_documents(FACTS)


QUESTION = "What is the river of Vantor?"


async def test_query_engine(index: VectorStoreIndex) -> None:
    """Sync inside a running loop, async, and both streamed."""
    engine = index.as_query_engine(similarity_top_k=1)
    assert "is Sarn" in str(engine.query(QUESTION))
    assert "is Sarn" in str(await engine.aquery(QUESTION))
    streaming = index.as_query_engine(similarity_top_k=1, streaming=True)
    sync, not_sync = streaming.query(QUESTION), await streaming.aquery(QUESTION)
    assert isinstance(sync, StreamingResponse)
    assert isinstance(not_sync, AsyncStreamingResponse)
    assert "is Sarn" in "".join(sync.response_gen)
    assert "is Sarn" in "".join([piece async for piece in not_sync.response_gen])


@pytest.mark.parametrize("mode", ["refine", "compact", "tree_summarize", "simple_summarize", "accumulate"])
async def test_response_modes(index: VectorStoreIndex, mode: Any) -> None:
    engine = index.as_query_engine(similarity_top_k=2, response_mode=mode, use_async=mode == "tree_summarize")
    assert "Vantor" in str(engine.query(QUESTION))
    assert "Vantor" in str(await engine.aquery(QUESTION))


def test_three_event_loops(index: VectorStoreIndex) -> None:
    engine = index.as_query_engine(similarity_top_k=1)

    async def ask() -> str:
        return str(await engine.aquery(QUESTION))

    assert len({asyncio.run(ask()) for _ in range(3)}) == 1


@pytest.mark.parametrize("mode", ["context", "condense_plus_context", "condense_question", "simple", "best"])
async def test_chat_engines(index: VectorStoreIndex, server: OpenAIServer, mode: Any) -> None:
    engine = index.as_chat_engine(chat_mode=mode, similarity_top_k=1)
    assert str(engine.chat(QUESTION))
    assert str(await engine.achat("And its bird?"))
    stream = engine.stream_chat("And its dish?")
    assert "".join(stream.response_gen)
    astream = await engine.astream_chat("And its flower?")
    assert "".join([piece async for piece in astream.async_response_gen()])
    if mode in {"context", "condense_plus_context"}:
        first = bodies(server)[0]["messages"]
        assert "is Sarn" in first[0]["content"]
        assert len(engine.chat_history) == 8


# --- embeddings ----------------------------------------------------------------------------------------------------


async def test_vectors_come_in_the_order_of_the_texts(server: OpenAIServer) -> None:
    texts = [f"word{number}" for number in range(25)]
    model = embedding(server, embed_batch_size=10)
    expected = [pytest.approx(vector(text, SIZE), abs=1e-6) for text in texts]
    assert model.get_text_embedding_batch(texts) == expected
    assert await model.aget_text_embedding_batch(texts) == expected
    assert [len(body["input"]) for body in bodies(server, "embeddings")][:3] == [10, 10, 5]
    assert len(bodies(server, "embeddings")) == 6


async def test_dimensions(server: OpenAIServer) -> None:
    model = embedding(server, dimensions=8)
    assert len(model.get_query_embedding("a")) == len(await model.aget_text_embedding("a")) == 8


@pytest.mark.parametrize("workers", [None, 2])
async def test_ingestion(server: OpenAIServer, workers: int | None) -> None:
    pipeline = IngestionPipeline(transformations=[SentenceSplitter(), embedding(server, num_workers=workers)])
    for nodes in (pipeline.run(documents=FACTS), await pipeline.arun(documents=FACTS)):
        assert [node.embedding for node in nodes] == [
            pytest.approx(vector(node.get_content(), SIZE), abs=1e-6) for node in nodes
        ]
    assert isinstance(nodes[0], TextNode)
