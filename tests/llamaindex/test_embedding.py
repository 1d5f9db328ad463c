"""The embedding class over a backend that shows what it was asked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from llama_index.core.rate_limiter import BaseRateLimiter
from llama_index.core.schema import TextNode
from llama_index.core.storage.kvstore import SimpleKVStore
from pydantic import ValidationError

from llamaindex_multillm import LlamaEmbedding
from tests.llamaindex.scripted import Vectors

TEXTS = ["a", "bb", "ccc", "dddd", "eeeee"]


def made(**options: Any) -> tuple[LlamaEmbedding, Vectors]:
    backend = Vectors()
    return LlamaEmbedding(backend=backend, **options), backend


async def test_queries_and_texts_are_told_apart() -> None:
    model, backend = made(query_instruction="query: ", text_instruction="passage: ", dimensions=2)
    model.get_query_embedding("a")
    await model.aget_query_embedding("a")
    model.get_text_embedding("a")
    await model.aget_text_embedding("a")
    model.get_text_embedding_batch(["a"])
    await model.aget_text_embedding_batch(["a"])
    asked = [(request.kind, request.texts, request.dimensions) for request in backend.requests]
    assert asked == [("query", ("query: a",), 2)] * 2 + [("document", ("passage: a",), 2)] * 4


async def test_what_the_card_of_the_model_asks_for() -> None:
    """An instruction of the caller's goes before it; a text that has its prefix keeps it."""
    backend = Vectors(model="nomic-embed-text")
    model = LlamaEmbedding(backend=backend, prefixes="auto")
    model.get_query_embedding("a")
    await model.aget_text_embedding("search_document: a")
    model = LlamaEmbedding(backend=backend, prefixes="auto", text_instruction="T: ")
    model.get_text_embedding("a")
    await model.aget_query_embedding("a")
    assert [request.texts for request in backend.requests] == [
        ("search_query: a",),
        ("search_document: a",),
        ("T: a",),
        ("a",),
    ]


async def test_vectors_at_length_one() -> None:
    model, _ = made(normalize=True)
    assert model.get_text_embedding_batch(["aaa", ""]) == [pytest.approx([0.9486833, 0.3162278]), [0.0, 1.0]]
    assert await model.aget_query_embedding("aaa") == model.get_query_embedding("aaa")


async def test_a_batch_is_one_request() -> None:
    """LlamaIndex's TogetherEmbedding sends one request per text, and core's async default does."""
    model, backend = made(embed_batch_size=2)
    expected = [[1.0, 1.0], [2.0, 1.0], [3.0, 1.0], [4.0, 1.0], [5.0, 1.0]]
    assert model.get_text_embedding_batch(TEXTS) == expected
    assert await model.aget_text_embedding_batch(TEXTS) == expected
    assert sorted(len(request.texts) for request in backend.requests) == [1, 1, 2, 2, 2, 2]


async def test_no_texts_are_no_request() -> None:
    model, backend = made()
    assert model.get_text_embedding_batch([]) == await model.aget_text_embedding_batch([]) == []
    assert model._get_text_embeddings([]) == await model._aget_text_embeddings([]) == []
    assert backend.requests == []


@pytest.mark.parametrize(("workers", "most"), [(None, 8), (1, 1), (3, 3)])
async def test_requests_at_a_time_are_bounded(workers: int | None, most: int) -> None:
    """Core sends all batches at once unless num_workers is above 1."""
    model, backend = made(embed_batch_size=1, num_workers=workers)
    vectors = await model.aget_text_embedding_batch([str(number) for number in range(30)])
    assert (len(vectors), backend.most_at_once) == (30, most)


def test_the_bound_holds_over_several_event_loops() -> None:
    model, backend = made(embed_batch_size=1, num_workers=2)
    for _ in range(3):
        asyncio.run(model.aget_text_embedding_batch(TEXTS))
    assert backend.most_at_once == 2


async def test_progress(capsys: pytest.CaptureFixture[str]) -> None:
    model, _ = made(embed_batch_size=2)
    assert len(model.get_text_embedding_batch(TEXTS, show_progress=True)) == 5
    assert len(await model.aget_text_embedding_batch(TEXTS, show_progress=True)) == 5
    assert capsys.readouterr().err.count("Generating embeddings") >= 2


async def test_as_a_transformation() -> None:
    model, _ = made()
    nodes = [TextNode(text=text) for text in TEXTS]
    assert [node.embedding for node in model(nodes)] == [node.embedding for node in await model.acall(nodes)]


async def test_the_cache_spares_requests() -> None:
    model, backend = made(embeddings_cache=SimpleKVStore())
    assert model.get_text_embedding_batch(TEXTS) == await model.aget_text_embedding_batch(TEXTS)
    assert len(backend.requests) == 1


class Gate(BaseRateLimiter):
    def __init__(self) -> None:
        self.passed = 0

    def acquire(self, num_tokens: int = 0) -> None:
        self.passed += 1

    async def async_acquire(self, num_tokens: int = 0) -> None:
        self.passed += 1


async def test_every_request_passes_the_rate_limiter() -> None:
    gate = Gate()
    model, backend = made(embed_batch_size=2, rate_limiter=gate)
    model.get_text_embedding_batch(TEXTS)
    await model.aget_text_embedding_batch(TEXTS)
    await model.aget_query_embedding("a")
    assert gate.passed == len(backend.requests) == 7


def test_what_it_tells_of_itself() -> None:
    model, _ = made(embed_batch_size=7)
    assert model.model_name == "vectors-1"
    payload = {"class_name": "multillm_embedding", "model_name": "vectors-1", "embed_batch_size": 7}
    assert model.to_payload() == payload


@pytest.mark.parametrize("wrong", [{"embed_batch_size": 0}, {"num_workers": 0}, {"dimensions": 0}])
def test_values_out_of_range(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        made(**wrong)
