"""Vectors come in the order of the texts, in requests of bounded size and number."""

from __future__ import annotations

import asyncio
import math
import pickle
import threading
from typing import Any

import pytest
from langchain_core.exceptions import ModelInvalidRequestError
from langchain_core.vectorstores import InMemoryVectorStore
from pydantic import ValidationError

from langchain_multillm import LlamaEmbeddings
from shared_core import EmbedRequest, EmbedResponse, InvalidRequestError, RateLimitError, connect
from tests.langchain.conftest import KEY
from tests.openai_server import OpenAIServer, vector


def embeddings(server: OpenAIServer, **arguments: Any) -> LlamaEmbeddings:
    return LlamaEmbeddings(**{"backend": "vllm", "model": "e", "api_key": KEY, "base_url": server.url, **arguments})


async def test_order_is_kept_over_many_requests(server: OpenAIServer) -> None:
    texts = [f"text number {n}" for n in range(50)]
    expected = [pytest.approx(vector(text, 32), abs=1e-6) for text in texts]
    small = embeddings(server, batch_size=7)
    assert small.embed_documents(texts) == expected
    assert sorted(len(seen.body["input"]) for seen in server.seen) == [1] + [7] * 7
    assert await small.aembed_documents(texts) == expected


async def test_nothing_asks_for_nothing(server: OpenAIServer) -> None:
    assert embeddings(server).embed_documents([]) == []
    assert await embeddings(server).aembed_documents([]) == []
    assert not server.seen


async def test_queries_and_dimensions(server: OpenAIServer) -> None:
    short = embeddings(server, dimensions=8)
    assert short.embed_query("hi there") == pytest.approx(vector("hi there", 8), abs=1e-6)
    assert await short.aembed_query("hi there") == short.embed_query("hi there")
    assert server.last["dimensions"] == 8


class _Place:
    """A backend of the caller's own that watches how it is asked."""

    name = "own"
    model = "e"

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.timeouts: list[float | None] = []
        self.running = 0
        self.most = 0
        self.lock = threading.Lock()

    def with_model(self, model: str) -> _Place:
        return self

    def embed(self, request: EmbedRequest) -> EmbedResponse:
        self.kinds.append(request.kind)
        self.timeouts.append(request.timeout)
        return EmbedResponse([[float(len(text))] for text in request.texts])

    async def aembed(self, request: EmbedRequest) -> EmbedResponse:
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0)
        self.running -= 1
        if "fail" in request.texts:
            raise RateLimitError("slow down")
        return self.embed(request)


async def test_questions_are_told_from_answers_and_concurrency_is_bounded() -> None:
    place = _Place()
    own = LlamaEmbeddings(backend=place, chunk_size=1, max_concurrency=3, timeout=5)
    own.embed_query("q")
    own.embed_documents(["d"])
    assert place.kinds == ["query", "document"]
    assert place.timeouts == [5, 5]
    assert await own.aembed_documents([str(10**n) for n in range(12)]) == [[float(n + 1)] for n in range(12)]
    assert place.most == 3


async def test_one_failure_is_the_error_and_stops_the_rest() -> None:
    place = _Place()
    own = LlamaEmbeddings(backend=place, chunk_size=1, max_concurrency=1)
    with pytest.raises(RateLimitError):
        await own.aembed_documents(["a", "fail", *["b"] * 20])
    assert len(place.kinds) <= 2  # the first, and the one that had taken the failed one's turn
    assert len(asyncio.all_tasks()) == 1


def test_three_event_loops_and_many_threads(server: OpenAIServer) -> None:
    one = embeddings(server, max_retries=0, chunk_size=1)
    runs = [asyncio.run(one.aembed_documents(["a", "b", "c"])) for _ in range(3)]
    assert runs[0] == runs[1] == runs[2] == one.embed_documents(["a", "b", "c"])


def test_vector_store(server: OpenAIServer) -> None:
    store = InMemoryVectorStore(embeddings(server))
    store.add_texts(["the cat sat on the mat", "stock markets fell", "dogs bark"])
    assert store.similarity_search("a cat on a mat", k=1)[0].page_content == "the cat sat on the mat"


def test_the_default_model_is_one_that_embeds() -> None:
    assert "bge" in LlamaEmbeddings(backend="together", api_key=KEY).connection.model.lower()


# --- what shared_core does for it ----------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [{}, {"chunk_size": 5}])
async def test_a_backend_that_came_built_has_its_own_batches(server: OpenAIServer, chunk: dict[str, Any]) -> None:
    built = connect("vllm", model="e", api_key=KEY, base_url=server.url, batch_size=3)
    own = LlamaEmbeddings(backend=built, **chunk)
    assert own.embed_documents(["a"] * 10) == await own.aembed_documents(["a"] * 10)
    assert max(len(seen.body["input"]) for seen in server.seen) == chunk.get("chunk_size", 3)


async def test_prefixes_and_length(server: OpenAIServer) -> None:
    own = embeddings(server, model="nomic-embed-text", prefixes="auto", normalize=True)
    assert own.embed_query("a") == await own.aembed_query("a")
    assert own.embed_documents(["a"]) == await own.aembed_documents(["a"])
    asked = [seen.body["input"] for seen in server.seen]
    assert asked == [["search_query: a"]] * 2 + [["search_document: a"]] * 2
    assert math.hypot(*own.embed_query("a")) == pytest.approx(1)
    with pytest.raises(ValidationError, match="prefixes"):
        embeddings(server, prefixes="query: ")


async def test_an_error_says_which_texts_failed(server: OpenAIServer) -> None:
    """An empty text is refused."""
    own = embeddings(server, chunk_size=2, max_concurrency=1, max_retries=0)
    texts = ["a", "b", "", "d", "e"]
    with pytest.raises(ModelInvalidRequestError, match=r"texts\[2\] of 5.*texts\[2\]") as caught:
        own.embed_documents(texts)
    with pytest.raises(ModelInvalidRequestError) as later:
        await own.aembed_documents(texts)
    for error in (caught.value, later.value, pickle.loads(pickle.dumps(caught.value))):  # noqa: S301
        assert isinstance(error, InvalidRequestError)
        assert error.partial is not None
        assert error.partial.failed == [2]
        assert [vector is None for vector in error.partial.vectors] == [False, False, True, True, True]
