"""The OpenAI API as a wire; what places do differently, if two of them do it, is a field here."""

from __future__ import annotations

import struct
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic_core import to_json

from shared_core.errors import BackendError, ProtocolError, UnsupportedError
from shared_core.types import ChatRequest, ChatResponse, EmbedRequest, EmbedResponse, Grammar, JsonSchema, Usage, fold
from shared_core.wire.base import Call, Decoder, Reply
from shared_core.wire.faults import read_error, read_stream_error
from shared_core.wire.openai.messages import encode_json_schema, encode_messages, encode_tool, encode_tool_choice
from shared_core.wire.openai.replies import Json, StreamDecoder, WholeDecoder, decode_whole, read_object

# Fields of a request that go out under their own name.
_SAME_NAME = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
    "top_logprobs",
    "reasoning_effort",
    "user",
)


@dataclass(frozen=True, slots=True)
class OpenAIWire:
    """Chat completions and embeddings.

    `max_tokens_field` is the name of the output bound (never both are sent: a 400 at Fireworks). `stream_usage`
    asks for usage in streams, needed by servers that else send none. `grammar` says where a GBNF grammar goes.
    """

    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    stream_usage: bool = True
    repetition_penalty_field: Literal["repetition_penalty", "repeat_penalty"] = "repetition_penalty"
    grammar: Literal["response_format", "body"] | None = None

    def encode_chat(self, request: ChatRequest, model: str, *, stream: bool) -> Call:
        """`POST /chat/completions`."""
        body: Json = {"model": model, "messages": encode_messages(request.messages)}
        body.update(self._options(request))
        body.update(self._tools(request))
        body.update(self._format(request))
        if stream:
            body.update({"stream": True, **({"stream_options": {"include_usage": True}} if self.stream_usage else {})})
        body.update(request.extra)
        return _post("/chat/completions", body)

    def _options(self, request: ChatRequest) -> Json:
        options: Json = {name: value for name in _SAME_NAME if (value := getattr(request, name)) is not None}
        if request.repetition_penalty is not None:
            options[self.repetition_penalty_field] = options.pop("repetition_penalty")
        if request.max_tokens is not None:
            options[self.max_tokens_field] = request.max_tokens
        if request.stop:
            options["stop"] = request.stop
        if request.logprobs or request.top_logprobs is not None:
            options["logprobs"] = True
        return options

    def _tools(self, request: ChatRequest) -> Json:
        tools: Json = {}
        if request.tools:
            tools["tools"] = [encode_tool(tool) for tool in request.tools]
            if request.tool_choice is not None:
                tools["tool_choice"] = encode_tool_choice(request.tool_choice)
            if request.parallel_tool_calls is not None:
                tools["parallel_tool_calls"] = request.parallel_tool_calls
        return tools

    def _format(self, request: ChatRequest) -> Json:
        match request.response_format:
            case None:
                return {}
            case JsonSchema() as schema:
                return {"response_format": encode_json_schema(schema)}
            case Grammar(gbnf):
                return self._grammar(gbnf)
            case _:
                return {"response_format": {"type": "json_object"}}

    def _grammar(self, gbnf: str) -> Json:
        if self.grammar is None:
            raise UnsupportedError(
                "this place takes no GBNF grammar: use JsonSchema, or llama_cpp, llama_server, fireworks"
            )
        return (
            {"grammar": gbnf} if self.grammar == "body" else {"response_format": {"type": "grammar", "grammar": gbnf}}
        )

    def decode_chat(self, reply: Reply, model: str) -> ChatResponse:
        """The answer in a whole reply. Raises `ProtocolError`."""
        return fold(decode_whole(reply.body, model, reply.headers))

    def decoder(self, headers: Mapping[str, str], model: str) -> Decoder:
        """A decoder for what the content type says comes."""
        if headers.get("content-type", "").startswith("application/json"):
            return WholeDecoder(headers, model)
        return StreamDecoder(headers, model)

    def encode_embed(self, request: EmbedRequest, model: str) -> Call:
        """`POST /embeddings`."""
        body: Json = {"model": model, "input": request.texts, "encoding_format": "float"}
        if request.dimensions is not None:
            body["dimensions"] = request.dimensions
        return _post("/embeddings", body)

    def decode_embed(self, reply: Reply, model: str) -> EmbedResponse:
        """The vectors, by their index. Raises `ProtocolError`."""
        body = read_object(reply.body)
        if body.get("error"):
            raise read_stream_error(body, reply.headers, model)
        rows = body.get("data")
        if not isinstance(rows, list):
            raise ProtocolError(f"the answer has no data: {reply.body[:200].decode('utf-8', 'replace')!r}", model=model)
        ordered = sorted(enumerate(rows), key=lambda item: item[1].get("index", item[0]))
        usage = body.get("usage") or {}
        return EmbedResponse(
            vectors=[_vector(row.get("embedding")) for _, row in ordered],
            usage=Usage(input=usage.get("prompt_tokens")),
            model=body.get("model") or model,
        )

    def error(self, reply: Reply, model: str) -> BackendError:
        """What a reply with an error status means."""
        return read_error(reply, model)


def _post(path: str, body: Json) -> Call:
    return Call(path, to_json(body), headers={"content-type": "application/json"})


def _vector(value: Any) -> list[float]:  # noqa: ANN401 - the JSON boundary
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        return _floats(value)
    raise ProtocolError(f"an embedding is neither a list of numbers nor base64: {str(value)[:100]!r}")


def _floats(text: str) -> list[float]:
    """Little-endian float32 in base64, the form some places answer in whatever was asked."""
    data = b64decode(text)
    return list(struct.unpack(f"<{len(data) // 4}f", data))
