"""Ollama's own API as a wire: `/api/chat`, `/api/embed` and `/api/tags`."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic_core import to_json

from shared_core.errors import BackendError
from shared_core.types import ChatRequest, EmbedRequest, EmbedResponse, ListedModel, Usage
from shared_core.wire.base import Call, Json, Reply
from shared_core.wire.bodies import read_object, understood
from shared_core.wire.listing import decode_models
from shared_core.wire.ollama.forcing import offer_for
from shared_core.wire.ollama.replies import OllamaReader, count, raise_error_in, read_reply_error
from shared_core.wire.ollama.request import dropped_from, encode_chat, encode_embed
from shared_core.wire.ollama.window import window_of
from shared_core.wire.vectors import read_vector


@dataclass(frozen=True, slots=True)
class OllamaWire(OllamaReader):
    """Chats and embeddings. An answer to a forced call, or to a long prompt, is read by the reader in its `Call`."""

    def encode_chat(self, request: ChatRequest, model: str, *, stream: bool) -> Call:
        """`POST /api/chat`. Raises `UnsupportedError`, and `ContextLengthError` for what cannot fit into num_ctx."""
        offer = offer_for(request)
        body = encode_chat(request, offer, model, stream=stream)
        window = window_of(body)
        window.check_prompt()
        return _post("/api/chat", body, dropped_from(request, model), OllamaReader(window, offer.written))

    def encode_embed(self, request: EmbedRequest, model: str) -> Call:
        """`POST /api/embed`."""
        return _post("/api/embed", encode_embed(request, model))

    def decode_embed(self, reply: Reply, model: str) -> EmbedResponse:
        """The vectors, which come in the order of the texts. Raises `ProtocolError`."""
        body = read_object(reply.body)
        raise_error_in(body, reply.headers, model)
        with understood(reply.body):
            return EmbedResponse(
                vectors=[read_vector(vector) for vector in body["embeddings"]],
                usage=Usage(input=count(body.get("prompt_eval_count"))),
                model=body.get("model") or model,
            )

    def encode_models(self) -> Call:
        """`GET /api/tags`: what was pulled."""
        return Call("/api/tags", b"", method="GET")

    def decode_models(self, reply: Reply) -> list[ListedModel]:
        """What was pulled. Raises `ProtocolError`."""
        return decode_models(reply)

    def error(self, reply: Reply, model: str) -> BackendError:
        """What a reply with an error status means."""
        return read_reply_error(reply, model)


def _post(path: str, body: Json, dropped: tuple[str, ...] = (), reader: OllamaReader | None = None) -> Call:
    return Call(path, to_json(body), headers={"content-type": "application/json"}, dropped=dropped, reader=reader)
