"""Texts as the body that a place takes, and the vectors in its answer."""

from __future__ import annotations

from shared_core.errors import ProtocolError, UnsupportedError
from shared_core.types import EmbedRequest, EmbedResponse, Usage
from shared_core.wire.base import Json, Reply
from shared_core.wire.bodies import read_object, understood
from shared_core.wire.faults import read_stream_error
from shared_core.wire.openai.accounts import known_count
from shared_core.wire.openai.dialect import Dialect
from shared_core.wire.vectors import read_vector


def encode_texts(dialect: Dialect, request: EmbedRequest, model: str) -> Json:
    """The body. Raises `UnsupportedError` for `dimensions` where the place has none."""
    body: Json = {"model": model, "input": request.texts}
    if dialect.embed_encoding:
        body["encoding_format"] = dialect.embed_encoding
    if request.dimensions is not None:
        if not dialect.embed_dimensions:
            raise UnsupportedError(
                f"this place gives vectors in the model's own length only: leave out dimensions={request.dimensions}, "
                "or ask another backend. Of a model that is trained for it (Matryoshka), the first numbers of a "
                "vector, brought to length 1, are the shorter one"
            )
        body["dimensions"] = request.dimensions
    if dialect.embed_kinds:
        body["input_type"] = dict(dialect.embed_kinds)[request.kind]
    return {**body, **request.extra}


def decode_vectors(reply: Reply, model: str) -> EmbedResponse:
    """The vectors by their index, in whichever form they came. Raises `ProtocolError`."""
    body = read_object(reply.body)
    if body.get("error"):
        raise read_stream_error(body, reply.headers, model)
    with understood(reply.body):
        usage = body.get("usage") or {}
        return EmbedResponse(
            vectors=[read_vector(row.get("embedding")) for row in _ordered(body["data"])],
            usage=Usage(input=known_count(usage.get("prompt_tokens", usage.get("total_tokens")))),
            model=body.get("model") or model,
        )


def _ordered(rows: list[Json]) -> list[Json]:
    """By index, if the place numbers its vectors at all."""
    numbered = {row.get("index"): row for row in rows}
    if numbered.keys() <= {None}:
        return rows
    if numbered.keys() != set(range(len(rows))):
        raise ProtocolError(f"the indexes of {len(rows)} vectors are not the numbers from 0 to {len(rows) - 1}")
    return [numbered[index] for index in range(len(rows))]
