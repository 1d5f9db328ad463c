"""The OpenAI API as a wire; what places do differently is data, in their dialects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic_core import to_json

from shared_core.errors import BackendError
from shared_core.folding import fold
from shared_core.types import (
    ChatRequest,
    ChatResponse,
    EmbedRequest,
    EmbedResponse,
    Finish,
    ListedModel,
    Timings,
)
from shared_core.wire.base import Call, Decoder, Json, Reply
from shared_core.wire.faults import read_error, request_id
from shared_core.wire.listing import decode_models
from shared_core.wire.openai.dialect import Dialect
from shared_core.wire.openai.embeddings import decode_vectors, encode_texts
from shared_core.wire.openai.replies import AnswerDecoder, Head, decode_whole
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
        """`POST /embeddings`. Raises `UnsupportedError`."""
        return _post("/embeddings", encode_texts(self, request, model))

    def decode_embed(self, reply: Reply, model: str) -> EmbedResponse:
        """The vectors, by their index. Raises `ProtocolError`."""
        return decode_vectors(reply, model)

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
