"""What must hold of keys, capabilities, lists of models and embeddings at every place."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from shared_core import (
    AuthenticationError,
    Capabilities,
    EmbedRequest,
    InvalidRequestError,
    ModelNotFoundError,
    UnsupportedError,
)
from shared_core.backends.http import HttpBackend
from tests.places.embedding import FEW_DIMENSIONS
from tests.places.under_check import Check, UnderCheck, ask

LISTED = ("context_window", "max_output", "input_price", "output_price")
WRONG = "sk-wrong-key-0123456789"


def the_wrong_key(at: UnderCheck) -> None:
    if at.sim.keyless:
        return
    for call in (at.half.chat, at.half.events):
        with pytest.raises(AuthenticationError) as caught:
            call(at.backend(key=WRONG), ask())
        error = caught.value
        assert WRONG not in f"{error} {error!r} {error.response!r} {error.__dict__}"
        assert error.backend == at.place.name
        assert str(at.place.key) in str(error)


def no_such_model(at: UnderCheck) -> None:
    if not at.sim.any_model:
        for call in (at.half.chat, at.half.events):
            with pytest.raises(ModelNotFoundError):
                call(at.backend("no/such-model"), ask())


def capabilities(at: UnderCheck) -> None:
    """What the documentation says of all models is in the row, and the played place behaves so."""
    flags = asdict(at.backend("some-model-that-nobody-knows").capabilities)
    assert {name: flag for name, flag in flags.items() if flag is not None} == dict(at.sim.flags)
    rules = at.sim.rules
    played = {
        "json_schema_with_tools": rules.schema_with_tools,
        "json_schema": "json_schema" in rules.formats,
        "image_urls": rules.image_urls and at.sim.vision_model is not None,
        "tool_choice": rules.named_tool or at.sim.calls_by_format,
    }
    assert {name: played[name] for name in at.sim.flags if name in played} == {
        name: flag for name, flag in at.sim.flags.items() if name in played
    }
    assert set(Capabilities.__dataclass_fields__) > at.sim.flags.keys()


def the_list_of_models(at: UnderCheck) -> None:
    backend = at.backend()
    assert isinstance(backend, HttpBackend)
    listed = backend.models()
    assert [model.id for model in listed] == [model.id for model in at.sim.models]
    for model, expected in zip(listed, at.sim.models, strict=True):
        known = {name: value for name in LISTED if (value := getattr(expected, name)) is not None}
        assert {name: getattr(model, name) for name in known} == known


# --- embeddings ----------------------------------------------------------------------------------------------------

TEXTS = ("One text.", "Another text.", "A third, Ünïcode: 日本語")


def embeddings(at: UnderCheck) -> None:
    """In the order of the texts, a question otherwise than a document where the place makes the difference."""
    embedding, model = at.sim.embedding, at.embedding_model
    if embedding is None or model is None:
        assert (embedding, model) == (None, None)
        return
    for kind in ("query", "document"):
        response = at.half.embed(at.backend(model), EmbedRequest(texts=TEXTS, kind=kind))
        expected = [embedding.said(text, model, at.sim.input_type(kind)) for text in TEXTS]
        assert [pytest.approx(values, abs=1e-6) for values in expected] == response.vectors
        assert response.usage.input == (at.sim.embedded_tokens(TEXTS) if embedding.usage else None)
        assert response.backend == at.place.name
        assert at.sim.last.get("encoding_format") == embedding.form


def embeddings_of_other_dimensions(at: UnderCheck) -> None:
    embedding, model = at.sim.embedding, at.sim.small_vectors or at.embedding_model
    if embedding is None or embedding.dimensions is None:
        return
    request = EmbedRequest(texts=TEXTS, dimensions=16)
    if embedding.dimensions:
        response = at.half.embed(at.backend(model), request)
        assert [len(values) for values in response.vectors] == [16] * 3
    else:
        with pytest.raises(UnsupportedError, match="dimensions=16"):
            at.half.embed(at.backend(model), request)


def too_long_a_text_to_embed(at: UnderCheck) -> None:
    embedding = at.sim.embedding
    if embedding is not None:
        request = EmbedRequest(texts=("short", "word " * (embedding.longest + 1)))
        with pytest.raises(InvalidRequestError) as caught:
            at.half.embed(at.backend(at.embedding_model), request)
        assert caught.value.response is not None


def more_texts_than_one_call_takes(at: UnderCheck) -> None:
    """They go in as many calls as it takes, however many the caller wanted in one, and none of these is refused."""
    embedding = at.sim.embedding
    if embedding is not None and embedding.most is not None:
        texts = tuple(f"text {number}" for number in range(embedding.most + 1))
        backend = at.backend(FEW_DIMENSIONS, options={"batch_size": 2 * embedding.most})
        before = len(at.sim.received)
        response = at.half.embed(backend, EmbedRequest(texts=texts))
        assert len(at.sim.received) - before == 2
        expected = [embedding.said(text, FEW_DIMENSIONS, at.sim.input_type("document")) for text in texts]
        assert [pytest.approx(values, abs=1e-6) for values in expected] == response.vectors


CHECKS: tuple[Check, ...] = (
    the_wrong_key,
    no_such_model,
    capabilities,
    the_list_of_models,
    embeddings,
    embeddings_of_other_dimensions,
    too_long_a_text_to_embed,
    more_texts_than_one_call_takes,
)
