"""LlamaIndex over models that run in this process: the bundled demo model and MiniLM, real weights."""

from __future__ import annotations

import asyncio
import math
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import Document, Settings, VectorStoreIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.response.schema import AsyncStreamingResponse, StreamingResponse
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from llamaindex_multillm import LlamaEmbedding, LlamaLLM
from shared_core import ContextLengthError, ModelFileError

pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed: no model runs in this process")

# Invented, so that no model can know them: an answer can only come from the documents.
FACTS = (
    "The Brannock observatory was built in 1911 by Sela Wynter.",
    "Doctor Ivo Maring lives in Kestwick.",
    "The door code of the seed vault is 8306.",
    "The Harrow Prize was won by Dina Solberg.",
    "Lumen Textiles is based in Arvenne.",
    "The night train to Polva leaves at 21:15.",
    "The town hall of Kestwick is painted violet.",
    "Project Tamarack is led by Owen Castellan.",
    "The clock museum opens at 9:30.",
    "The mayor of Arvenne is Petra Halloran.",
)
ASKED = {
    "Who built the Brannock observatory?": "Sela Wynter",
    "What is the door code of the seed vault?": "8306",
    "Who leads Project Tamarack?": "Owen Castellan",
    "Who is the mayor of Arvenne?": "Petra Halloran",
    "Where does Doctor Ivo Maring live?": "Kestwick",
    "Who won the Harrow Prize?": "Dina Solberg",
    "Where is Lumen Textiles based?": "Arvenne",
    "When does the night train to Polva leave?": "21:15",
    "What colour is the town hall of Kestwick?": "violet",
    "When does the clock museum open?": "9:30",
}
QUESTION, FACT = "Who leads Project Tamarack?", "Owen Castellan"


@pytest.fixture(scope="module")
def llm() -> LlamaLLM:
    return LlamaLLM(backend="llama_cpp", temperature=0)


@pytest.fixture(scope="module")
def embedding(minilm: Path) -> LlamaEmbedding:
    return LlamaEmbedding(backend="llama_cpp", model=str(minilm))


@pytest.fixture(scope="module")
def index(embedding: LlamaEmbedding) -> VectorStoreIndex:
    return VectorStoreIndex.from_documents([Document(text=fact) for fact in FACTS], embed_model=embedding)


@pytest.fixture
def defaults(llm: LlamaLLM, embedding: LlamaEmbedding, clean_settings: None) -> None:
    Settings.llm, Settings.embed_model = llm, embedding


# --- a query engine over ten documents -----------------------------------------------------------------------------


def test_query(index: VectorStoreIndex, defaults: None) -> None:
    """The demo model is held to 85 % of such questions; with two documents in its prompt it does better."""
    engine = index.as_query_engine()
    answers = {question: str(engine.query(question)) for question in ASKED}
    wrong = {question: answer for question, answer in answers.items() if ASKED[question] not in answer}
    assert len(wrong) <= 1, wrong


async def test_query_inside_a_running_loop(index: VectorStoreIndex, defaults: None) -> None:
    """As a notebook does: sync and async from the same loop, and the modes that use threads and loops of their own."""
    engine = index.as_query_engine()
    assert FACT in str(engine.query(QUESTION))
    assert FACT in str(await engine.aquery(QUESTION))
    summarizer = index.as_query_engine(response_mode="tree_summarize", use_async=True)
    assert FACT in str(summarizer.query(QUESTION))


async def test_query_streamed(index: VectorStoreIndex, defaults: None) -> None:
    engine = index.as_query_engine(streaming=True)
    response = engine.query(QUESTION)
    assert isinstance(response, StreamingResponse)
    pieces = list(response.response_gen)
    assert FACT in "".join(pieces)
    assert len([piece for piece in pieces if piece]) > 1
    aresponse = await engine.aquery(QUESTION)
    assert isinstance(aresponse, AsyncStreamingResponse)
    assert "".join([piece async for piece in aresponse.response_gen]) == "".join(pieces)


def test_query_over_three_event_loops(index: VectorStoreIndex, defaults: None) -> None:
    engine = index.as_query_engine()

    async def ask() -> str:
        assert FACT in str(engine.query(QUESTION))
        return str(await engine.aquery(QUESTION))

    for _ in range(3):
        assert FACT in asyncio.run(ask())


async def test_queries_side_by_side(index: VectorStoreIndex, defaults: None) -> None:
    engine = index.as_query_engine()
    answers = await asyncio.gather(*(engine.aquery(question) for question in ASKED))
    assert [str(answer) for answer in answers] == [str(engine.query(question)) for question in ASKED]


@pytest.mark.parametrize("mode", ["context", "condense_plus_context"])
def test_chat_engine(index: VectorStoreIndex, defaults: None, mode: Any) -> None:
    assert FACT in str(index.as_chat_engine(chat_mode=mode).chat(QUESTION))


# --- the LLM -------------------------------------------------------------------------------------------------------


async def test_the_eight_calls_say_the_same(llm: LlamaLLM) -> None:
    """LlamaCPP has no native async, and a prompt template of its own instead of the model's."""
    asked, user = "What is the capital of France?", [ChatMessage(content="What is the capital of France?")]
    answers = [
        llm.complete(asked).text,
        llm.chat(user).message.content,
        (await llm.acomplete(asked)).text,
        (await llm.achat(user)).message.content,
        list(llm.stream_complete(asked))[-1].text,
        list(llm.stream_chat(user))[-1].message.content,
        [chunk.text async for chunk in await llm.astream_complete(asked)][-1],
        [chunk.message.content async for chunk in await llm.astream_chat(user)][-1],
    ]
    assert "Paris" in answers[0]  # type: ignore[operator]
    assert len(set(answers)) == 1


def test_options_of_a_call_are_taken_and_do_not_stay(llm: LlamaLLM) -> None:
    """LlamaCPP ignores them all and keeps `stream` in a dict that threads share."""
    asked = "What is the capital of France?"
    usual = llm.complete(asked)
    short = llm.complete(asked, max_tokens=2)
    assert short.additional_kwargs["completion_tokens"] == 2
    assert short.additional_kwargs["finish_reason"] == "length"
    assert usual.text.startswith(llm.complete(asked, stop=["Pa"]).text)
    assert "Pa" not in llm.complete(asked, stop=["Pa"]).text
    with ThreadPoolExecutor(4) as pool:
        streamed = [pool.submit(lambda: "".join(c.delta or "" for c in llm.stream_complete(asked))) for _ in range(4)]
        whole = [pool.submit(lambda: llm.complete(asked).text) for _ in range(4)]
    assert {job.result() for job in [*streamed, *whole]} == {usual.text}


def test_metadata_is_the_models(llm: LlamaLLM) -> None:
    metadata = llm.metadata
    assert metadata.is_chat_model
    assert metadata.is_function_calling_model
    assert metadata.context_window == LlamaLLM(backend="llama_cpp").metadata.context_window > 500
    assert LlamaLLM(backend="llama_cpp", n_ctx=512).metadata.context_window == 512


def test_usage_is_exact(llm: LlamaLLM) -> None:
    chunks = list(llm.stream_complete("What is the capital of France?"))
    usage = chunks[-1].raw["usage"]  # type: ignore[index]
    assert usage == llm.complete("What is the capital of France?").raw["usage"] | {  # type: ignore[index]
        name: usage[name] for name in ("prompt_tokens_details",)
    }
    assert usage["completion_tokens"] >= len([chunk for chunk in chunks if chunk.delta])


async def test_a_stream_that_is_left_lets_the_next_call_in(llm: LlamaLLM) -> None:
    stream = llm.stream_complete("What is the capital of France?")
    next(stream)
    stream.close()
    astream = await llm.astream_complete("What is the capital of France?")
    await anext(astream)
    await astream.aclose()
    assert "Paris" in (await llm.acomplete("What is the capital of France?")).text


def get_temperature(city: str) -> str:
    """Get the current temperature in a city."""
    return {"Kestwick": "17 degrees"}.get(city, "unknown")


TOOL = FunctionTool.from_defaults(get_temperature)
TOOL_QUESTION = "What is the temperature in Kestwick? Use the tool."


@pytest.mark.parametrize("required", [False, True])
def test_a_tool_call(llm: LlamaLLM, required: bool) -> None:
    response = llm.chat_with_tools([TOOL], TOOL_QUESTION, tool_required=required)
    (call,) = llm.get_tool_calls_from_response(response)
    assert (call.tool_name, call.tool_kwargs) == ("get_temperature", {"city": "Kestwick"})


async def test_a_function_agent(llm: LlamaLLM) -> None:
    agent = FunctionAgent(llm=llm, tools=[TOOL])
    assert "17 degrees" in str(await agent.run(TOOL_QUESTION))


class Doctor(BaseModel):
    """A doctor and where they live."""

    name: str
    city: str


async def test_structured_prediction(llm: LlamaLLM) -> None:
    prompt = PromptTemplate("Doctor Ivo Maring lives in {city}.")
    doctor = llm.structured_predict(Doctor, prompt, city="Kestwick")
    assert (doctor.city, "Ivo Maring" in doctor.name) == ("Kestwick", True)
    assert await llm.astructured_predict(Doctor, prompt, city="Kestwick") == doctor
    assert list(llm.stream_structured_predict(Doctor, prompt, city="Kestwick"))[-1] == doctor


def test_a_prompt_that_is_too_long(llm: LlamaLLM) -> None:
    with pytest.raises(ContextLengthError):
        llm.complete("word " * 20_000)


def test_a_chat_template_of_ones_own(llm: LlamaLLM) -> None:
    template = "{% for message in messages %}{{ message.content }}{% endfor %}"
    plain = LlamaLLM(backend="llama_cpp", temperature=0, chat_template=template, load_timeout=60)
    tokens = [model.complete("Hello", max_tokens=1).additional_kwargs["prompt_tokens"] for model in (plain, llm)]
    assert tokens[0] < tokens[1]


def test_a_pooling_of_ones_own(minilm: Path, embedding: LlamaEmbedding) -> None:
    first = LlamaEmbedding(backend="llama_cpp", model=str(minilm), pooling="cls")
    assert first.get_text_embedding("Hello") != pytest.approx(embedding.get_text_embedding("Hello"), abs=1e-3)


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="nowhere"):
        LlamaLLM(model="llama-cpp/nowhere.gguf", model_dir=tmp_path)


def test_never_unloading_and_pickling(llm: LlamaLLM) -> None:
    """Also how `keep_alive=None` gets to llama.cpp, where an option that is `None` is one not given."""
    forever = LlamaLLM(backend="llama_cpp", temperature=0, keep_alive=None)
    again = pickle.loads(pickle.dumps(forever))  # noqa: S301
    assert again.keep_alive is None
    assert again.complete("What is the capital of France?").text == llm.complete("What is the capital of France?").text


# --- the embedding -------------------------------------------------------------------------------------------------


async def test_embeddings(embedding: LlamaEmbedding) -> None:
    vectors = embedding.get_text_embedding_batch(list(FACTS))
    assert await embedding.aget_text_embedding_batch(list(FACTS)) == vectors
    assert {len(vector) for vector in vectors} == {384}
    assert [math.hypot(*vector) for vector in vectors] == [pytest.approx(1, abs=1e-4)] * len(FACTS)
    query = await embedding.aget_query_embedding("painted in a colour")
    best = max(range(len(FACTS)), key=lambda number: embedding.similarity(query, vectors[number]))
    assert "violet" in FACTS[best]
