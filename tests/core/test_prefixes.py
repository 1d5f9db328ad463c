"""What models want before a text is put there if asked for, once, and by one side only."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from shared_core import EmbedRequest, InvalidRequestError, connect
from shared_core.models.prefixes import prefixed
from tests.halves import Half
from tests.raw_server import Received, Step, serving, whole

KINDS: tuple[Literal["query", "document"], ...] = ("query", "document")
TASK = "Instruct: Given a web search query, retrieve relevant passages that answer the query\n"
PASSAGES = "Represent this sentence for searching relevant passages: "
NOTHING = ("", "")


@pytest.mark.parametrize(
    ("model", "before"),
    [
        ("nomic-ai/nomic-embed-text-v1.5", ("search_query: ", "search_document: ")),
        ("nomic-embed-text:latest", ("search_query: ", "search_document: ")),
        ("text-embedding-nomic-embed-text-v1.5", ("search_query: ", "search_document: ")),
        ("nomic_embed_text_v1.5.Q4_K_M", ("search_query: ", "search_document: ")),
        ("nomic-ai/nomic-embed-code", ("Represent this query for searching relevant code: ", "")),
        ("intfloat/multilingual-e5-large", ("query: ", "passage: ")),
        ("intfloat/e5-base-v2", ("query: ", "passage: ")),
        ("intfloat/multilingual-e5-large-instruct", (TASK + "Query: ", "")),
        ("E5-Mistral-7B-Instruct", (TASK + "Query: ", "")),
        ("accounts/fireworks/models/qwen3-embedding-8b", (TASK + "Query:", "")),
        ("BAAI/bge-base-en-v1.5", (PASSAGES, "")),
        ("bge-large", (PASSAGES, "")),
        ("mxbai-embed-large", (PASSAGES, "")),
        ("snowflake-arctic-embed", (PASSAGES, "")),
        ("snowflake-arctic-embed2", ("query: ", "")),
        ("Snowflake/snowflake-arctic-embed-l-v2.0", ("query: ", "")),
        ("embeddinggemma", ("task: search result | query: ", "title: none | text: ")),
        ("BAAI/bge-m3", NOTHING),
        ("BAAI/bge-reranker-large", NOTHING),
        ("nvidia/nv-embedqa-e5-v5", NOTHING),
        ("all-MiniLM-L6-v2", NOTHING),
        ("text-embedding-3-small", NOTHING),
        ("default", NOTHING),
    ],
)
def test_what_the_cards_of_models_ask_for(model: str, before: tuple[str, str]) -> None:
    assert tuple(prefixed(("x",), kind, "auto", model)[0] for kind in KINDS) == (before[0] + "x", before[1] + "x")


def test_chinese() -> None:
    [text] = prefixed(("x",), "query", "auto", "BAAI/bge-large-zh-v1.5")
    assert text.endswith("\uff1ax")
    assert prefixed((text, "x"), "document", "auto", "BAAI/bge-large-zh-v1.5") == (text, "x")


@pytest.mark.parametrize(
    "text",
    ["search_query: x", "search_document: x", "clustering: x", "search_query:x"],
)
def test_a_text_that_has_its_prefix_keeps_it(text: str) -> None:
    for kind in KINDS:
        assert prefixed((text,), kind, "auto", "nomic-embed-text") == (text,)


def test_a_pair_of_the_callers_own() -> None:
    for kind, before in zip(KINDS, ("q: ", "d: "), strict=True):
        assert prefixed(("x", f"{before}y"), kind, ("q: ", "d: "), "nomic-embed-text") == (f"{before}x", f"{before}y")
    assert prefixed(("x",), "document", ("q: ", ""), "nomic-embed-text") == ("x",)


def answer(request: Received) -> list[Step]:
    return [whole({"data": [{"embedding": [1.0]} for _ in request.json["input"]]})]


@pytest.mark.parametrize(
    ("place", "prefixes", "expected"),
    [
        ("fireworks", None, [["x"], ["x"]]),  # never unasked: an index may have been built without
        ("fireworks", "auto", [["search_query: x"], ["search_document: x"]]),
        ("fireworks", ("q: ", "d: "), [["q: x"], ["d: x"]]),
        ("nvidia", "auto", [["x"], ["x"]]),  # the place does it itself, told by input_type
        ("nvidia", ("q: ", "d: "), [["q: x"], ["d: x"]]),
    ],
)
def test_over_a_place(half: Half, place: str, prefixes: Any, expected: list[list[str]]) -> None:
    with serving(answer) as server:
        model = connect(
            place, model="nomic-ai/nomic-embed-text-v1.5", api_key="k", base_url=server.url, prefixes=prefixes
        )
        for kind in KINDS:
            half.embed(model, EmbedRequest(texts=("x",), kind=kind))
    assert [request.json["input"] for request in server.received] == expected
    told = [request.json.get("input_type") for request in server.received]
    assert told == (["query", "passage"] if place == "nvidia" else [None, None])


def test_an_error_quotes_the_text_without_its_prefix(half: Half) -> None:
    with serving(lambda _: [whole({"error": {"message": "no"}}, 400)]) as server:
        model = connect("vllm", model="nomic-embed-text", base_url=server.url, prefixes="auto")
        with pytest.raises(InvalidRequestError, match="beginning with 'x';"):
            half.embed(model, EmbedRequest(texts=("x", "y")))
