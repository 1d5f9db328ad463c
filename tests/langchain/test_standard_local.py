"""LangChain's standard suites on the bundled model, by real inference in this process."""

from __future__ import annotations

import asyncio
import copy
import importlib.util
import pickle
from pathlib import Path
from typing import Any, Literal

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_tests.integration_tests import ChatModelIntegrationTests, EmbeddingsIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests, EmbeddingsUnitTests
from pydantic import BaseModel

from langchain_multillm import ChatLlama, LlamaEmbeddings

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("llama_cpp") is None, reason="llama-cpp-python is not installed: pip install '.[local]'"
)


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    # Two threads of a small model wait for each other, which on a busy machine takes minutes.
    monkeypatch.setenv("LLAMA_CPP_N_THREADS", "1")


class TestChatUnit(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[ChatLlama]:
        return ChatLlama

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"backend": "llama_cpp"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return {"LLAMA_CPP_N_CTX": "512"}, {"backend": "llama-cpp"}, {"backend": "llama-cpp"}


class TestChat(ChatModelIntegrationTests):
    @property
    def chat_model_class(self) -> type[ChatLlama]:
        return ChatLlama

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"backend": "llama_cpp", "temperature": 0}

    supports_json_mode = True
    supports_anthropic_inputs = True
    supports_model_override = True
    model_override_value = "demo_model"

    @pytest.fixture(autouse=True)
    def _models(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from shared_core.local.files import DEMO_MODEL

        monkeypatch.setenv("LLAMA_CPP_MODEL_DIR", str(DEMO_MODEL.parent))

    @property
    def supported_usage_metadata_details(self) -> dict[Literal["invoke", "stream"], list[Any]]:
        return {"invoke": ["cache_read_input"], "stream": ["cache_read_input"]}

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        model = ChatLlama(backend="llama_cpp", temperature=0, max_tokens=5)
        if not stream:
            return model.invoke("Hello")
        pieces = list(model.stream("Hello"))
        return sum(pieces[1:], start=pieces[0])


class _MiniLM:
    """all-MiniLM-L6-v2, converted when the tests run."""

    path: Path

    @pytest.fixture(autouse=True)
    def _convert(self, minilm: Path) -> None:
        type(self).path = minilm

    @property
    def embeddings_class(self) -> type[LlamaEmbeddings]:
        return LlamaEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"backend": "llama_cpp", "model": str(self.path)}


class TestEmbeddingsUnit(_MiniLM, EmbeddingsUnitTests):
    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return {"LLAMA_CPP_MODEL_DIR": str(self.path.parent)}, {"model": f"llama-cpp/{self.path.stem}"}, {}


class TestEmbeddings(_MiniLM, EmbeddingsIntegrationTests):
    pass


# --- beyond the suites ---------------------------------------------------------------------------------------------


class Person(BaseModel):
    """A person."""

    name: str
    age: int


@tool
def get_weather(location: str) -> str:
    """Get the weather at a location."""
    return f"It is sunny in {location}."


def test_the_bundled_model_needs_nothing() -> None:
    answer = ChatLlama(backend="llama_cpp", temperature=0).invoke("What is the capital of France?")
    assert "Paris" in answer.text
    assert answer.response_metadata["model_provider"] == "llama_cpp"
    assert answer.response_metadata["finish_reason"] == "stop"


def test_the_window_and_the_counts_are_the_models_own() -> None:
    model = ChatLlama(backend="llama_cpp", n_ctx=512)
    assert model.profile is not None
    assert model.profile["max_input_tokens"] == 512
    prompt = [HumanMessage("What is the capital of France?")]
    answer = model.bind(max_tokens=1).invoke(prompt)
    assert answer.usage_metadata is not None
    assert model.get_num_tokens_from_messages(prompt) == answer.usage_metadata["input_tokens"]
    assert 0 < model.get_num_tokens("What is the capital of France?") < answer.usage_metadata["input_tokens"]
    assert model.get_num_tokens_from_messages(prompt, tools=[get_weather]) > model.get_num_tokens_from_messages(prompt)


def test_a_schema_is_kept_whatever_is_asked() -> None:
    model = ChatLlama(backend="llama_cpp", temperature=0, max_tokens=200)
    for method in ("json_schema", "function_calling"):
        assert isinstance(model.with_structured_output(Person, method=method).invoke("Ann is 31 years old."), Person)


def test_one_local_model_over_three_event_loops_and_many_threads() -> None:
    model = ChatLlama(backend="llama_cpp", temperature=0, max_tokens=8)
    expected = model.invoke("What is the capital of France?").text

    async def ask() -> list[str]:
        answers = await asyncio.gather(*(model.ainvoke("What is the capital of France?") for _ in range(3)))
        pieces = [piece.text async for piece in model.astream("What is the capital of France?")]
        return [*(answer.text for answer in answers), "".join(pieces)]

    assert [asyncio.run(ask()) for _ in range(3)] == [[expected] * 4] * 3
    assert [answer.text for answer in model.batch(["What is the capital of France?"] * 5)] == [expected] * 5


def test_leaving_a_stream_frees_the_model() -> None:
    stream = ChatLlama(backend="llama_cpp", max_tokens=1000).stream("Hello")
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert ChatLlama(backend="llama_cpp", max_tokens=1).invoke("Hello") is not None


def test_retrieval_with_real_embeddings(minilm: Path) -> None:
    store = InMemoryVectorStore(LlamaEmbeddings(backend="llama_cpp", model=str(minilm)))
    store.add_texts(["The cat sleeps on the sofa.", "Interest rates rose again.", "The train leaves at noon."])
    assert "train" in store.similarity_search("When can I travel by rail?", k=1)[0].page_content


def test_agent_on_the_bundled_model() -> None:
    agent = create_agent(ChatLlama(backend="llama_cpp", temperature=0, max_tokens=60), [get_weather])
    result = agent.invoke({"messages": [HumanMessage("What is the weather in Oslo?")]}, {"recursion_limit": 8})
    assert [message.type for message in result["messages"]] == ["human", "ai", "tool", "ai"]
    assert "sunny in Oslo" in result["messages"][2].text


def test_agent_with_a_response_format_on_the_bundled_model() -> None:
    agent = create_agent(ChatLlama(backend="llama_cpp", temperature=0, max_tokens=60), [], response_format=Person)
    result = agent.invoke({"messages": [HumanMessage("Ann is 31 years old.")]}, {"recursion_limit": 8})
    assert [message.type for message in result["messages"]] == ["human", "ai"]
    assert isinstance(result["structured_response"], Person)


def test_copies_share_the_loaded_model() -> None:
    model = ChatLlama(backend="llama_cpp", temperature=0, max_tokens=8)
    answer = model.invoke("What is the capital of France?").text
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), model.model_copy()):  # noqa: S301 - our own
        assert copied.invoke("What is the capital of France?").text == answer


def test_never_unloaded_is_a_choice() -> None:
    assert ChatLlama(backend="llama_cpp", keep_alive=None, max_tokens=2).invoke("Hello") is not None
