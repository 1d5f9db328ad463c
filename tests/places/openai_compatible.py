"""Any server with the safe core of the OpenAI API; the rest of it in every form in which it is known to come."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from shared_core import (
    AuthenticationError,
    ContextLengthError,
    InvalidRequestError,
    ListedModel,
    ModelNotFoundError,
    RateLimitError,
    ServerError,
)
from tests.places.brain import RefusedError
from tests.places.checks import OPENAI, SAMPLERS, Rules
from tests.places.embedding import Embedding
from tests.places.faults import BAD_GATEWAY, Fault
from tests.places.instances import Json
from tests.places.simulator import Said, Simulator, comment
from tests.raw_server import Cut

_OVERFLOW = "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens."


def _error(message: str, kind: str, code: object = None) -> Json:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


class OpenAICompatible(Simulator):
    """`openai` has OpenAI's own forms, `odd` one of every other that a reader must know."""

    name = "openai_compatible"
    variants = ("openai", "odd", "tags")
    # What a server makes of options beyond the core is its own affair: they go out as they are.
    rules = Rules(
        fields=OPENAI, unclear=SAMPLERS | {"reasoning_effort", "user", "seed", "input_audio", "file"}, strict=False
    )
    models = (ListedModel("served-model", 131072),)
    vision_model = "served-model"
    embedding = Embedding({"served-embedder": 32}, strict=False)
    faults: Mapping[str, Fault] = {
        "nested": Fault(400, _error("bad", "invalid_request_error", "bad_thing"), InvalidRequestError, code="bad_thing"),
        "text": Fault(400, {"error": "bad"}, InvalidRequestError, says="bad"),
        "flat": Fault(400, {"message": _OVERFLOW, "type": "BadRequestError", "code": 400}, ContextLengthError, windows=(5000, 4096)),
        "object": Fault(404, {"object": "error", "message": "The model `x` does not exist.", "code": 404}, ModelNotFoundError),
        "detail": Fault(422, {"detail": [{"loc": ["body", "top_p"], "msg": "too large"}]}, InvalidRequestError, says="body.top_p: too large"),
        "detail-text": Fault(401, {"detail": "Invalid API key"}, AuthenticationError, says="Invalid API key"),
        "html": Fault(502, BAD_GATEWAY, ServerError, says="502 Bad Gateway"),
        "plain": Fault(503, "no healthy upstream", ServerError, says="no healthy upstream"),
        "empty": Fault(500, "", ServerError),
        "limit": Fault(429, _error("Too Many Requests", "requests"), RateLimitError, {"retry-after": "3"}, retry_after=3.0),
        "frame": Fault(200, _error("out of memory", "server_error", 500), ServerError, event="", done=True),
        "named-frame": Fault(200, {"message": "out of memory", "code": 500}, ServerError, event="error"),
    }  # fmt: skip

    def vary(self, variant: str) -> None:
        if variant == "odd":
            self.thought, self.usage_at, self.calls, self.says_done = "reasoning", "finish", "whole", False
        if variant == "tags":
            self.thought, self.calls = None, "name_first"

    def check_window(self, body: Json, prompt: int, limit: int, window: int) -> None:
        if self.variant != "odd":
            super().check_window(body, prompt, limit, window)
        raise RefusedError(f"the request exceeds the available context size ({window} tokens), try increasing it")

    def before(self) -> Iterable[bytes]:
        return [comment("keep-alive"), b"\r\n"] if self.variant == "odd" else ()

    def _frames(self, said: Said, fault: Fault | None) -> Iterator[bytes | Cut]:
        """Oddly: with names and ids of events, and the line ends of Windows."""
        for piece in super()._frames(said, fault):
            if self.variant == "odd" and isinstance(piece, bytes) and piece.startswith(b"data: "):
                yield b"id: 1\r\n" + piece.replace(b"\n", b"\r\n")
            else:
                yield piece

    def call(self, number: int, call: tuple[str, str]) -> Json:
        """Oddly: without a type, with arguments that are an object if they can be."""
        whole = super().call(number, call)
        if self.variant != "odd":
            return whole
        return {"id": whole["id"], "function": {"name": call[0], "arguments": _object(call[1])}}

    def chunks(self, said: Said) -> Iterator[Json]:
        """Oddly: without indices, with the role and null beside all that has not come, and with the end said twice."""
        for chunk in super().chunks(said):
            yield chunk if self.variant != "odd" else {**chunk, "choices": [_oddly(each) for each in chunk["choices"]]}
            if self.variant == "odd" and chunk["choices"][0]["finish_reason"]:
                yield {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": said.answer.finish}]}

    def entry(self, listed: ListedModel) -> Json:
        return {**super().entry(listed), "context_length": listed.context_window}


def _oddly(choice: Json) -> Json:
    delta = {"role": "assistant", "content": None, "tool_calls": None, **choice["delta"]}
    calls = [{key: value for key, value in call.items() if key != "index"} for call in delta["tool_calls"] or ()]
    return {**choice, "delta": {**delta, "tool_calls": calls or None}}


def _object(arguments: str) -> object:
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments
