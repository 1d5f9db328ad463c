"""LM Studio: errors as plain text, tools chosen by words alone, no `json_object`, vectors only as numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from shared_core import (
    AuthenticationError,
    ContextLengthError,
    Finish,
    InvalidRequestError,
    ListedModel,
    ModelNotFoundError,
    ServerError,
)
from tests.places.brain import RefusedError
from tests.places.checks import CORE, PARTS, Rules
from tests.places.embedding import Embedding
from tests.places.faults import Fault
from tests.places.instances import Json
from tests.places.serving import Sent
from tests.places.simulator import Said, Simulator

_CHAT = "openai/gpt-oss-20b"
_OVERFLOW = (
    "Trying to keep the first {} tokens when context the overflows. However, the model is loaded with context length "
    "of only {} tokens, which is not enough. Try to load the model with a larger context length, or provide a "
    "shorter input"
)
_CRASHED = "The model has crashed without additional information. (Exit code: 6)"


class LMStudio(Simulator):
    """Where reasoning stands, and what comes in an error beside its text, depends on its version and settings."""

    name = "lmstudio"
    bills_nothing = True
    variants = ("reasoning", "reasoning-content", "think")
    rules = Rules(
        fields=CORE
        | frozenset(
            [
                *("top_k", "presence_penalty", "frequency_penalty", "logit_bias", "repeat_penalty", "seed", "ttl"),
                "stream_options",
            ]
        ),
        spellings={"repetition_penalty": "repeat_penalty"},
        # Not in its list of parameters, and not refused.
        ignored=frozenset({"min_p", "user", "parallel_tool_calls"}),
        unclear=frozenset({"reasoning_effort", "input_audio", "file"}),
        strict=False,
        stops=64,
        named_tool=False,
        formats=frozenset({"text", "json_schema"}),
        parts={**PARTS, "user": frozenset({"text", "image_url"}), "tool": frozenset({"text"})},
        image_urls=False,
    )
    models = (ListedModel(_CHAT), ListedModel("text-embedding-nomic-embed-text-v1.5"))
    caps_answers = True
    vision_model = _CHAT
    embedding = Embedding({"text-embedding-nomic-embed-text-v1.5": 32}, strict=False, base64=False)
    flags: Mapping[str, bool] = {"json_schema": True}

    thought: str | None = "reasoning"
    tells_cached = False
    faults: Mapping[str, Fault] = {
        "overflow": Fault(400, {"error": _OVERFLOW.format(50785, 45217)}, ContextLengthError, windows=(50785, 45217)),
        "overflow-nested": Fault(
            400, {"error": {"message": _OVERFLOW.format(50785, 45217)}}, ContextLengthError, windows=(50785, 45217)
        ),
        "overflow-streamed": Fault(
            200,
            {"error": {"message": _OVERFLOW.format(50785, 45217)}},
            ContextLengthError,
            event="error",
            windows=(50785, 45217),
        ),
        "no-json-object": Fault(
            400,
            {"error": "'response_format.type' must be 'json_schema' or 'text'"},
            InvalidRequestError,
            says="must be 'json_schema' or 'text'",
        ),
        "gone": Fault(
            404,
            {"error": {"message": "Model not found", "type": "invalid_request_error", "code": "model_not_found"}},
            ModelNotFoundError,
            code="model_not_found",
        ),
        "bad-key": Fault(401, {"error": "Invalid API token"}, AuthenticationError, says="Invalid API token"),
        "crashed": Fault(500, {"error": _CRASHED}, ServerError, says="has crashed"),
        "crashed-streamed": Fault(200, {"error": _CRASHED}, ServerError, event="", says="has crashed"),
    }

    def vary(self, variant: str) -> None:
        self.thought = {"reasoning": "reasoning", "reasoning-content": "reasoning_content", "think": None}[variant]

    def check(self, body: Json) -> None:
        format_ = (body.get("response_format") or {}).get("type", "text")
        if format_ not in self.rules.formats:
            raise RefusedError("'response_format.type' must be 'json_schema' or 'text'")
        if isinstance(body.get("tool_choice"), dict):
            raise RefusedError("Invalid tool_choice type: 'object'. Supported string values: none, auto, required")
        super().check(body)

    def check_window(self, body: Json, prompt: int, limit: int, window: int) -> None:
        if prompt > window:
            raise RefusedError(_OVERFLOW.format(prompt, window))

    def envelope(self, refusal: RefusedError) -> Json:
        return super().envelope(refusal) if self.variant == "think" else {"error": refusal.message}

    def head(self, said: Said | None = None) -> dict[str, str]:
        return {"x-powered-by": "Express"}

    def _embeddings(self, body: Json, embedding: Embedding) -> Sent:
        """Asked for anything but numbers, it answers with a vector of zeros."""
        if body.get("encoding_format") != "float":
            embedding = replace(embedding, scale=0.0)
        return super()._embeddings(body, embedding)

    def about(self, said: Said, kind: str) -> Json:
        return {**super().about(said, kind), "system_fingerprint": said.model}

    def told(self, said: Said) -> Finish:
        return replace(super().told(said), request_id=None, metadata={"system_fingerprint": said.model})

    def call_id(self, unique: str) -> str:
        return str(int(unique[:7], 16))

    def message(self, said: Said) -> Json:
        return {"tool_calls": [], **super().message(said)}

    def whole(self, said: Said) -> Json:
        return {**super().whole(said), "stats": {}}

    def chunks(self, said: Said) -> Iterator[Json]:
        """A call's name is empty after the first of its pieces."""
        for chunk in super().chunks(said):
            for choice in chunk["choices"]:
                choice.setdefault("logprobs", None)
                for call in choice["delta"].get("tool_calls", ()):
                    call["function"].setdefault("name", "")
            yield chunk

    def entry(self, listed: ListedModel) -> Json:
        return {"id": listed.id, "object": "model", "owned_by": "organization_owner"}
