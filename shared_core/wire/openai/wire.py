"""The OpenAI API as a wire; what places do differently is data, in their dialects."""

from __future__ import annotations

import re
import struct
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from shared_core.errors import BackendError, ProtocolError
from shared_core.folding import fold
from shared_core.types import (
    ChatRequest,
    ChatResponse,
    EmbedRequest,
    EmbedResponse,
    Finish,
    ListedModel,
    Timings,
    Usage,
)
from shared_core.wire.base import Call, Decoder, Reply
from shared_core.wire.faults import read_error, read_stream_error, request_id
from shared_core.wire.openai.dialect import Dialect, Json
from shared_core.wire.openai.listing import decode_models
from shared_core.wire.openai.replies import AnswerDecoder, Head, decode_whole, read_object, understood
from shared_core.wire.openai.request import encode_request
from shared_core.wire.rate_limits import read_rate_limits

_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class OpenAIWire(Dialect):
    """Chat completions and embeddings, in the dialect that the fields describe."""

    def encode_chat(self, request: ChatRequest, model: str, *, stream: bool) -> Call:
        """`POST /chat/completions`. Raises `UnsupportedError`."""
        body, dropped = encode_request(self, request, model, stream=stream)
        return _post("/chat/completions", body, tuple(dropped))

    def decode_chat(self, reply: Reply, model: str) -> ChatResponse:
        """The answer in a whole reply. Raises `ProtocolError`."""
        return fold(decode_whole(reply.body, self._head(reply.headers, model)))

    def decoder(self, headers: Mapping[str, str], model: str) -> Decoder:
        """A decoder for whatever comes: a stream, or a whole answer."""
        return AnswerDecoder(self._head(headers, model))

    def _head(self, headers: Mapping[str, str], model: str) -> Head:
        cost = headers.get(self.cost_header or "")
        finish = Finish(
            "unknown",
            request_id=request_id(headers),
            rate_limits=read_rate_limits(headers),
            cost=float(cost) if cost and _NUMBER.fullmatch(cost) else None,
            timings=self._timings(headers),
            metadata={name: headers[name] for name in self.metadata_headers if name in headers},
        )
        return Head(model, headers, finish)

    def _timings(self, headers: Mapping[str, str]) -> Timings | None:
        told = {name: headers.get(header, "") for header, name in self.timing_headers}
        seconds = {name: float(value) for name, value in told.items() if _NUMBER.fullmatch(value)}
        return Timings(**seconds) if seconds else None

    def encode_embed(self, request: EmbedRequest, model: str) -> Call:
        """`POST /embeddings`."""
        body: Json = {"model": model, "input": request.texts, "encoding_format": "float"}
        if request.dimensions is not None:
            body["dimensions"] = request.dimensions
        if self.embed_kinds:
            body["input_type"] = dict(self.embed_kinds)[request.kind]
        return _post("/embeddings", {**body, **request.extra})

    def decode_embed(self, reply: Reply, model: str) -> EmbedResponse:
        """The vectors, by their index. Raises `ProtocolError`."""
        body = read_object(reply.body)
        if body.get("error"):
            raise read_stream_error(body, reply.headers, model)
        with understood(reply.body):
            ordered = sorted(enumerate(body["data"]), key=lambda item: item[1].get("index", item[0]))
            usage = body.get("usage") or {}
            return EmbedResponse(
                vectors=[_vector(row.get("embedding")) for _, row in ordered],
                usage=Usage(input=usage.get("prompt_tokens")),
                model=body.get("model") or model,
            )

    def encode_models(self) -> Call:
        """`GET /models`."""
        return Call("/models", b"", method="GET")

    def decode_models(self, reply: Reply) -> list[ListedModel]:
        """What the place serves. Raises `ProtocolError`."""
        return decode_models(reply)

    def error(self, reply: Reply, model: str) -> BackendError:
        """What a reply with an error status means."""
        return read_error(reply, model)


def _post(path: str, body: Json, dropped: tuple[str, ...] = ()) -> Call:
    return Call(path, to_json(body), headers={"content-type": "application/json"}, dropped=dropped)


def _vector(value: Any) -> list[float]:  # noqa: ANN401 - the JSON boundary
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        return _floats(value)
    raise ProtocolError(f"an embedding is neither a list of numbers nor base64: {str(value)[:100]!r}")


def _floats(text: str) -> list[float]:
    """Little-endian float32 in base64, the form some places answer in whatever was asked."""
    data = b64decode(text, validate=True)
    return list(struct.unpack(f"<{len(data) // 4}f", data))
