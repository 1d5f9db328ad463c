"""Texts as each place takes them, and vectors in any form that they come in."""

from __future__ import annotations

import base64
import json
import struct
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_core import CATALOG, BackendError, EmbedRequest, ProtocolError, UnsupportedError, Usage
from shared_core.wire import Reply
from shared_core.wire.openai import OpenAIWire

WIRE = OpenAIWire()


def body_at(place: str, **request: Any) -> dict[str, Any]:
    call = CATALOG[place].wire.encode_embed(EmbedRequest(texts=("a",), **request), "m")
    body: dict[str, Any] = json.loads(call.body)
    return body


@pytest.mark.parametrize(
    ("place", "encoding"),
    [
        ("together", None),
        ("fireworks", "base64"),
        ("sambanova", "base64"),
        ("deepinfra", "base64"),
        ("nvidia", "base64"),
        ("lmstudio", "float"),
        ("openai_compatible", "float"),
    ],
)
def test_how_vectors_are_asked_for(place: str, encoding: str | None) -> None:
    assert body_at(place).get("encoding_format") == encoding


@pytest.mark.parametrize("place", ["together", "sambanova"])
def test_dimensions_where_there_are_none(place: str) -> None:
    assert "dimensions" not in body_at(place)
    with pytest.raises(UnsupportedError, match="leave out dimensions=8"):
        body_at(place, dimensions=8)


def test_dimensions_where_there_are() -> None:
    assert body_at("fireworks", dimensions=8)["dimensions"] == 8


def test_what_the_caller_adds_goes_before_everything() -> None:
    assert body_at("nvidia", extra={"input_type": "query", "truncate": "END"}).items() >= {
        ("input_type", "query"),
        ("truncate", "END"),
    }


# --- answers -------------------------------------------------------------------------------------------------------


def decoded(*rows: Any, **more: Any) -> Any:
    return WIRE.decode_embed(Reply(200, {}, json.dumps({"data": rows, **more}).encode()), "m")


def numbered(*indexes: Any) -> list[dict[str, Any]]:
    return [{"index": index, "embedding": [place]} for place, index in enumerate(indexes)]


def test_base64_is_read_to_the_bit_whatever_was_asked() -> None:
    values = struct.unpack("<4f", struct.pack("<4f", 0.1, -2.5, 1e-30, 3e38))
    text = base64.b64encode(struct.pack("<4f", *values)).decode()
    assert decoded({"embedding": text}, {"embedding": [0.5]}).vectors == [list(values), [0.5]]


def test_numbers_are_floats() -> None:
    [vector] = decoded({"embedding": [1, 0.5, -3]}).vectors
    assert vector == [1.0, 0.5, -3.0]
    assert {type(number) for number in vector} == {float}


def test_an_order_of_their_own() -> None:
    assert decoded(*numbered(2, 0, 1)).vectors == [[1.0], [2.0], [0.0]]
    assert decoded({"embedding": [1]}, {"embedding": [2]}).vectors == [[1.0], [2.0]]


@pytest.mark.parametrize("indexes", [(0, 0), (0, 2), (1, 2), (-1, 0), (0, None), ("0", "1"), (0, 1, 1)])
def test_indexes_that_name_no_text_or_one_twice(indexes: tuple[Any, ...]) -> None:
    with pytest.raises(ProtocolError, match=rf"indexes of {len(indexes)} vectors"):
        decoded(*numbered(*indexes))


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 3, "total_tokens": 4}, 3),
        ({"total_tokens": 4}, 4),
        ({}, None),
        (None, None),
        ({"prompt_tokens": -1, "total_tokens": -1}, None),
    ],
)
def test_usage(usage: Any, tokens: int | None) -> None:
    assert decoded(usage=usage).usage == Usage(input=tokens)


@pytest.mark.parametrize(
    "embedding",
    [None, [], "", [None], ["a"], [[1.0]], {"a": 1}, 3, "!", "AAA=", "AAAA", [10**400], True],
)
def test_what_is_no_vector(embedding: Any) -> None:
    with pytest.raises(ProtocolError):
        decoded({"embedding": embedding})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["data", "index", "embedding", "usage", "prompt_tokens", "error", "model"]), inner
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["data", "usage", "error", "model"]), JSON))
def test_no_json_whatsoever_gives_anything_but_vectors_or_a_typed_error(body: Any) -> None:
    with suppress(BackendError):
        response = WIRE.decode_embed(Reply(200, {}, json.dumps(body).encode()), "m")
        assert all(isinstance(number, float) for vector in response.vectors for number in vector)
