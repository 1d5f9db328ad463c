"""Embeddings: real ones of all-MiniLM-L6-v2, and the rules for any model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared_core import EmbedOptions, connect
from shared_core import embedder as batched
from shared_core.errors import ConfigurationError, ContextLengthError, InvalidRequestError, UnsupportedError
from shared_core.local import LocalBackend, connect_local
from shared_core.types import EmbedRequest
from tests.halves import Half
from tests.local.bert import Bert
from tests.local.tiny import write_model

TEXTS = (
    "The cat sits outside",
    "The dog plays in the garden",
    "A man is playing guitar",
    "A woman watches TV",
    "The new movie is awesome",
    "The new movie is so great",
    "Überraschung: naïve café, 東京!",
    "x" * 30 + " unbelievably " * 6,
)


@pytest.fixture
def embedder(minilm: Path) -> LocalBackend:
    return connect_local(str(minilm))


@pytest.fixture(scope="module")
def reference() -> tuple[np.ndarray, int]:
    """What an independent implementation makes of the texts, and of how many tokens."""
    bert = Bert()
    return np.array([bert.embed(text) for text in TEXTS]), sum(len(bert.tokenize(text)) for text in TEXTS)


def vectors(reply: object) -> np.ndarray:
    return np.array(reply.vectors)  # type: ignore[attr-defined]


def test_vectors_are_those_of_the_paper(embedder: LocalBackend, half: Half, reference: tuple[np.ndarray, int]) -> None:
    reply = half.embed(embedder, EmbedRequest(texts=TEXTS))
    rows, tokens = reference
    assert vectors(reply).shape == (len(TEXTS), 384)
    assert np.abs(vectors(reply) - rows).max() < 2e-3  # half precision
    assert (vectors(reply) * rows).sum(axis=1).min() > 0.9999
    assert reply.usage.input == tokens
    assert (reply.model, reply.backend) == ("all-MiniLM-L6-v2", "llama_cpp")


def test_similarities_are_the_published_ones(embedder: LocalBackend) -> None:
    # https://sbert.net/docs/sentence_transformer/usage/semantic_textual_similarity.html, older editions
    rows = vectors(embedder.embed(EmbedRequest(texts=TEXTS)))
    assert [float(rows[at] @ rows[at + 1]) for at in (0, 2, 4)] == pytest.approx([0.2838, -0.0327, 0.8939], abs=1e-3)


def test_every_vector_has_length_one_and_its_place(embedder: LocalBackend, half: Half) -> None:
    texts = tuple(f"Sentence number {number}. " * (number % 9 + 1) for number in range(80))
    many = vectors(half.embed(embedder, EmbedRequest(texts=texts)))
    assert np.linalg.norm(many, axis=1) == pytest.approx(np.ones(80), abs=1e-6)
    for number in (0, 40, 79):
        alone = vectors(half.embed(embedder, EmbedRequest(texts=(texts[number],))))[0]
        assert float(alone @ many[number]) > 0.9999


def test_no_texts_give_no_vectors(embedder: LocalBackend, half: Half) -> None:
    reply = half.embed(embedder, EmbedRequest(texts=()))
    assert (reply.vectors, reply.usage.input) == ([], 0)


def test_an_empty_text_is_embedded_where_the_model_frames_it(embedder: LocalBackend) -> None:
    assert np.linalg.norm(vectors(embedder.embed(EmbedRequest(texts=("",))))) == pytest.approx(1)


def test_fewer_dimensions_are_the_first_ones_at_length_one(embedder: LocalBackend) -> None:
    whole = vectors(embedder.embed(EmbedRequest(texts=TEXTS[:1])))[0]
    short = vectors(embedder.embed(EmbedRequest(texts=TEXTS[:1], dimensions=10)))[0]
    assert short == pytest.approx(whole[:10] / np.linalg.norm(whole[:10]), abs=1e-6)
    with pytest.raises(InvalidRequestError, match="385 dimensions were asked for; the model gives 384"):
        embedder.embed(EmbedRequest(texts=("a",), dimensions=385))


def test_a_text_beyond_the_window_is_refused_with_both_numbers(embedder: LocalBackend, half: Half) -> None:
    fits = half.embed(embedder, EmbedRequest(texts=("word " * 510,)))
    assert fits.usage.input == 512
    with pytest.raises(ContextLengthError, match=r"text 1 has 513 tokens, the window of all-MiniLM.* 512") as caught:
        half.embed(embedder, EmbedRequest(texts=("short", "word " * 511)))
    assert (caught.value.prompt_tokens, caught.value.context_window) == (513, 512)


def test_prefixes_are_put_before_texts(minilm: Path, half: Half) -> None:
    plain = connect_local(str(minilm))
    own = connect("llama_cpp", model=str(minilm), prefixes=("Q: ", "D: "), normalize=True, batch_size=2)
    for kind, before in (("query", "Q: "), ("document", "D: ")):
        asked = vectors(half.embed(own, EmbedRequest(texts=("a cat",), kind=kind)))
        assert asked == pytest.approx(vectors(plain.embed(EmbedRequest(texts=(f"{before}a cat",)))))
    with pytest.raises(ConfigurationError, match="prefixes"):
        connect_local(str(minilm), prefixes="Q: ")  # type: ignore[arg-type]


def test_in_batches_the_text_beyond_the_window_is_found(embedder: LocalBackend, half: Half) -> None:
    texts = (*["short"] * 5, "word " * 511, *["short"] * 5)
    with pytest.raises(ContextLengthError, match=r"^the text has 513 tokens.* Failed: texts\[5\] of 11") as caught:
        half.embed(batched(embedder, EmbedOptions(batch_size=8, max_concurrency=1)), EmbedRequest(texts=texts))
    assert caught.value.partial is not None
    assert [vector is None for vector in caught.value.partial.vectors] == [False] * 5 + [True] * 6


# --- models made for chat ------------------------------------------------------------------------------------------


def test_a_chat_model_embeds_by_the_mean(tiny: LocalBackend, half: Half) -> None:
    rows = vectors(half.embed(tiny, EmbedRequest(texts=("one", "two", "x" * 600))))
    assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(3), abs=1e-6)
    again = vectors(half.embed(tiny, EmbedRequest(texts=("x" * 1500, "two"))))  # more room than the first call needed
    assert again[1] == pytest.approx(rows[1], abs=1e-3)


def test_pooling_may_be_chosen(tiny_path: Path) -> None:
    rows = [
        vectors(connect_local(str(tiny_path), pooling=pooling).embed(EmbedRequest(texts=("a word",))))[0]
        for pooling in (None, "mean", "cls", "last")
    ]
    assert rows[0] == pytest.approx(rows[1])
    assert not np.allclose(rows[1], rows[2])
    assert not np.allclose(rows[2], rows[3])


def test_a_text_without_tokens_is_refused(tiny: LocalBackend) -> None:
    with pytest.raises(InvalidRequestError, match="text 1 is empty"):
        tiny.embed(EmbedRequest(texts=("a", "")))


def test_a_model_that_ranks_gives_no_vectors(tmp_path: Path) -> None:
    ranker = connect_local(str(write_model(tmp_path / "ranker.gguf", metadata={"llama.pooling_type": 4})))
    with pytest.raises(UnsupportedError, match=r"ranker.gguf ranks texts"):
        ranker.embed(EmbedRequest(texts=("a",)))


def test_weights_without_direction_stay_zero(tmp_path: Path) -> None:
    blank = connect_local(str(write_model(tmp_path / "blank.gguf", scale=0.0)))
    assert not vectors(blank.embed(EmbedRequest(texts=("a",)))).any()
