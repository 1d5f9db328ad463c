"""llama.cpp's server: any model's name, codes as numbers, timings, tools chosen by words alone, a key for grammars."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice

from shared_core import (
    AuthenticationError,
    BackendError,
    ContextLengthError,
    Finish,
    InvalidRequestError,
    ListedModel,
    ModelNotFoundError,
    ServerError,
    Timings,
    UnsupportedError,
)
from tests.places.brain import RefusedError
from tests.places.checks import OPENAI, PARTS, SAMPLERS, TURNS, Rules
from tests.places.embedding import Embedding
from tests.places.faults import Fault
from tests.places.instances import Json
from tests.places.simulator import Said, Simulator, comment
from tests.raw_server import Cut

IN_A_FIELD = "broken-in-a-field"
"""A model whose stream ends with an error in a field of its own."""
_ALIAS = "gpt-oss-20b-mxfp4.gguf"
_KINDS = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error", 500: "server_error"}
_OVERFLOW = "request ({} tokens) exceeds the available context size ({} tokens), try increasing it"
_TOO_LONG = "input ({} tokens) is too large to process. increase the physical batch size (current batch size: {})"


def _error(message: str, code: int = 400, kind: str | None = None, **more: object) -> Json:
    return {"error": {"code": code, "message": message, "type": kind or _KINDS[code], **more}}


def _overflow(prompt: int, window: int) -> Json:
    message = _OVERFLOW.format(prompt, window)
    return _error(message, 400, "exceed_context_size_error", n_prompt_tokens=prompt, n_ctx=window)


class LlamaServer(Simulator):
    """Older builds tell nothing of the cache in the usage, and have their own field for an error in a stream."""

    name = "llama_server"
    bills_nothing = True
    variants = ("2026", "2025", "python")
    rules = Rules(
        fields=OPENAI
        | (SAMPLERS - {"repetition_penalty"})
        | frozenset(
            [
                *("repeat_penalty", "typical_p", "mirostat", "grammar", "json_schema", "n_probs", "cache_prompt"),
                *("id_slot", "samplers", "lora", "t_max_predict_ms", "chat_template_kwargs", "reasoning_format"),
                *("timings_per_token", "n_predict"),
            ]
        ),
        spellings={"repetition_penalty": "repeat_penalty"},
        unclear=frozenset({"user", "service_tier"}),
        strict=False,
        stops=64,
        both_limits=True,
        named_tool=False,
        turns=TURNS,
        parts={
            **PARTS,
            "user": frozenset({"text", "image_url", "input_audio"}),
            "tool": frozenset({"text", "image_url"}),
        },
    )
    models = (ListedModel(_ALIAS, 131072, owned_by="llamacpp"),)
    any_model = True
    caps_answers = True
    lacks: Mapping[str, type[BackendError]] = {"logprobs_of_a_call": InvalidRequestError}
    vision_model = _ALIAS
    embedding = Embedding({"default": 32}, strict=False)
    flags: Mapping[str, bool] = {"json_schema": True, "prefill": True}

    calls_at_once = "asked"
    tells_thought = False
    faults: Mapping[str, Fault] = {
        "overflow": Fault(400, _overflow(100500, 100000), ContextLengthError, windows=(100500, 100000)),
        "overflow-2025": Fault(
            400,
            _error("the request exceeds the available context size. try increasing the context size or enable shift"),
            ContextLengthError,
        ),
        "overflow-streamed": Fault(
            200, _overflow(100500, 100000), ContextLengthError, event="", windows=(100500, 100000)
        ),
        "batch": Fault(500, _error(_TOO_LONG.format(700, 512), 500), ContextLengthError, windows=(700, 512)),
        "bad-key": Fault(401, _error("Invalid API Key", 401), AuthenticationError, says="Invalid API Key"),
        "gone": Fault(404, _error("model 'x' not found", 404), ModelNotFoundError),
        "no-path": Fault(404, _error("File Not Found", 404), ModelNotFoundError, says="File Not Found"),
        "no-images": Fault(
            500,
            _error(
                "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj", 500
            ),
            UnsupportedError,
            says="image input is not supported",
        ),
        "no-jinja": Fault(500, _error("tools param requires --jinja flag", 500), UnsupportedError, says="--jinja"),
        "bad-grammar": Fault(
            400, _error("Failed to parse grammar"), InvalidRequestError, says="Failed to parse grammar"
        ),
        "no-embeddings": Fault(
            501,
            _error("This server does not support embeddings. Start it with `--embeddings`", 501, "not_supported_error"),
            UnsupportedError,
            code="501",
        ),
        "loading": Fault(
            503, _error("Loading model", 503, "unavailable_error"), ServerError, code="503", says="Loading model"
        ),
        "broken-streamed": Fault(200, _error("Compute error.", 500), ServerError, event="", says="Compute error."),
    }

    def check(self, body: Json) -> None:
        super().check(body)
        if self.variant == "python":
            _check_shared(body)
        tools = body.get("tools") and body.get("tool_choice") != "none"
        if tools and "grammar" in body:
            raise RefusedError("Cannot use custom grammar constraints with tools.")
        if body.get("logprobs") and body.get("tools") and body.get("stream"):
            raise RefusedError("logprobs is not supported with tools + stream")
        if "json_schema" in body and "grammar" in body:
            raise RefusedError("Cannot use both json_schema and grammar", 500)

    def _say(self, body: Json) -> Said:
        """A JSON object may have a schema, and is then one of that."""
        format_ = body.get("response_format") or {}
        if format_.get("type") != "json_object" or "schema" not in format_:
            return super()._say(body)
        named = {"type": "json_schema", "json_schema": {"name": "schema", "schema": format_["schema"]}}
        said = super()._say({**body, "response_format": named})
        said.body = body
        return said

    def check_window(self, body: Json, prompt: int, limit: int, window: int) -> None:
        if prompt > window:
            raise RefusedError(_OVERFLOW.format(prompt, window), n_prompt_tokens=prompt, n_ctx=window)

    def envelope(self, refusal: RefusedError) -> Json:
        kind = "exceed_context_size_error" if refusal.more else None
        return _error(refusal.message, refusal.status, kind, **refusal.more)

    def wrong_key(self, given: str) -> RefusedError:
        return RefusedError("Invalid API Key", 401)

    def head(self, said: Said | None = None) -> dict[str, str]:
        return {"server": "llama.cpp"}

    def about(self, said: Said, kind: str) -> Json:
        return {**super().about(said, kind), "system_fingerprint": "b7500-0a1b2c3d"}

    def timings(self) -> Timings:
        return Timings(prompt=0.25, completion=0.5)

    def told(self, said: Said) -> Finish:
        return replace(super().told(said), request_id=None, metadata={"system_fingerprint": "b7500-0a1b2c3d"})

    def usage(self, said: Said) -> Json:
        usage = super().usage(said)
        return {key: usage[key] for key in usage if self.variant == "2026" or key != "prompt_tokens_details"}

    def _timings(self, said: Said) -> Json:
        cached, read = said.usage.cached or 0, said.usage.input or 0
        prompt = {"cache_n": cached, "prompt_n": read - cached, "prompt_ms": 250.0, "prompt_per_second": 4.0}
        return {
            "timings": {**prompt, "predicted_n": said.usage.output, "predicted_ms": 500.0, "predicted_per_second": 2.0}
        }

    def whole(self, said: Said) -> Json:
        return {**super().whole(said), **self._timings(said)}

    def call_id(self, unique: str) -> str:
        return unique

    def logprob(self, token: str) -> Json:
        entry = {"id": 9906, "token": token, "bytes": list(token.encode()), "logprob": -0.25}
        return {**entry, "top_logprobs": [entry]}

    def before(self) -> Iterable[bytes]:
        return [comment("ping")]

    def _frames(self, said: Said, fault: Fault | None) -> Iterator[bytes | Cut]:
        """Old builds had a field of their own for an error, where others have `data`."""
        frames = super()._frames(said, fault)
        if said.model == IN_A_FIELD:
            yield from islice(frames, 3)
            yield b"error: " + json.dumps(_error("Compute error.", 500)["error"]).encode() + b"\n\n"
        else:
            yield from frames

    def ending(self, said: Said, about: Json) -> Iterator[Json]:
        """With the timings on the very last chunk."""
        chunks = list(super().ending(said, about))
        yield from (*chunks[:-1], {**chunks[-1], **self._timings(said)})

    def listing(self) -> Json:
        served = [self.entry(listed) for listed in self.models]
        older = [{"name": listed.id, "model": listed.id, "type": "model"} for listed in self.models]
        return {"models": older, "object": "list", "data": served}

    def entry(self, listed: ListedModel) -> Json:
        meta = {"vocab_type": 2, "n_vocab": 201088, "n_ctx_train": listed.context_window, "n_embd": 2880, "size": 1}
        return {**super().entry(listed), "owned_by": "llamacpp", "meta": meta}


def _check_shared(body: Json) -> None:
    """What llama-cpp-python's server, which answers under this row too, takes no other form for."""
    if (body.get("response_format") or {}).get("type") == "json_schema":
        raise RefusedError("Input should be 'text' or 'json_object'", 500, param="response_format")
    if any(message.get("content", "") is None for message in body["messages"]):
        raise RefusedError("Input should be a valid string", 500, param="messages")
