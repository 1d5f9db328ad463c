"""NVIDIA NIM: errors in FastAPI's manner, a queue that answers 202, and vectors that must know who asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from shared_core import (
    AuthenticationError,
    BackendTimeoutError,
    BillingError,
    ContextLengthError,
    Finish,
    InvalidRequestError,
    ListedModel,
    ModelNotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)
from tests.places.brain import RefusedError
from tests.places.checks import CORE, Rules
from tests.places.embedding import Embedding
from tests.places.faults import Fault
from tests.places.instances import Json
from tests.places.simulator import Said, Simulator

_KINDS = {"query": "query", "document": "passage"}
_REQUEST = "8f9a1c1e-0000-4000-8000-000000000001"
_OVERFLOW = (
    "This model's maximum context length is {0} tokens. However, you requested {1} tokens ({2} in the messages, "
    "{3} in the completion). Please reduce the length of the messages or completion."
)


class Nvidia(Simulator):
    name = "nvidia"
    variants = ("detail", "problem", "openai", "lenient")
    rules = Rules(
        fields=CORE
        | frozenset(
            [
                *("frequency_penalty", "presence_penalty", "seed", "parallel_tool_calls", "nvext"),
                *("chat_template_kwargs", "stream_options"),
            ]
        ),
        unclear=frozenset({"logprobs", "top_logprobs", "reasoning_effort", "input_audio", "file"}),
        status=422,
        unknown="body.{name}: Extra inputs are not permitted",
        unknown_in_turn="body.messages.{number}.{role}.{name}: Extra inputs are not permitted",
    )
    models = (ListedModel("meta/llama-3.3-70b-instruct"), ListedModel("meta/llama-3.2-11b-vision-instruct"))
    vision_model = "meta/llama-3.2-11b-vision-instruct"
    embedding = Embedding(
        {"nvidia/llama-3.2-nv-embedqa-1b-v2": 2048},
        most=50,
        form="base64",
        dimensions=True,
        kinds=("query", "passage"),
        fields=frozenset({"model", "input", "encoding_format", "user", "truncate"}),
        status=422,
    )
    image_limits = "180 KB for an inline image"
    small_vectors = "nvidia/llama-3.2-nv-embedqa-1b-v2"

    tells_cached = False
    tells_thought = False
    faults: Mapping[str, Fault] = {
        "validation": Fault(
            422,
            {
                "detail": [
                    {"type": "extra_forbidden", "loc": ["body", "min_p"], "msg": "Extra inputs are not permitted"}
                ]
            },
            InvalidRequestError,
            says="body.min_p: Extra inputs are not permitted",
        ),
        "overflow": Fault(
            400,
            {
                "object": "error",
                "message": _OVERFLOW.format(8192, 9000, 8990, 10),
                "type": "BadRequestError",
                "code": 400,
            },
            ContextLengthError,
            code="400",
            windows=(8990, 8192),
        ),
        "bad-key": Fault(
            401, {"status": 401, "title": "Unauthorized", "detail": "Authentication failed"}, AuthenticationError
        ),
        "no-credits": Fault(402, {"detail": "Account out of credits"}, BillingError, says="out of credits"),
        "forbidden": Fault(
            403, {"status": 403, "title": "Forbidden", "detail": "Authorization failed"}, PermissionDeniedError
        ),
        "gone": Fault(
            404,
            {"status": 404, "title": "Not Found", "detail": f"Function '{_REQUEST}': Not found for account 'x'"},
            ModelNotFoundError,
            says="Not found for account",
        ),
        "no-page": Fault(404, "404 page not found", ModelNotFoundError),
        "rate-limit": Fault(
            429, {"status": 429, "title": "Too Many Requests"}, RateLimitError, says="Too Many Requests"
        ),
        "broken": Fault(500, {"detail": "Internal server error"}, ServerError),
        "busy": Fault(503, {"detail": "ResourceExhausted: worker queue full"}, ServerError),
        "still-running": Fault(
            202, "", BackendTimeoutError, {"nvcf-reqid": _REQUEST, "nvcf-status": "pending-evaluation"}
        ),
        "openai": Fault(
            400, {"error": {"message": "no", "type": "invalid", "code": 400}}, InvalidRequestError, code="400"
        ),
    }

    def vary(self, variant: str) -> None:
        if variant == "lenient":
            self.rules = replace(self.rules, strict=False)

    def head(self, said: Said | None = None) -> dict[str, str]:
        return {"nvcf-reqid": _REQUEST, "nvcf-status": "fulfilled"}

    def told(self, said: Said) -> Finish:
        return replace(super().told(said), request_id=_REQUEST)

    def check_window(self, body: Json, prompt: int, limit: int, window: int) -> None:
        raise RefusedError(_OVERFLOW.format(window, prompt + limit, prompt, limit), 400)

    def envelope(self, refusal: RefusedError) -> Json:
        if self.variant == "openai":
            return {"error": {"message": refusal.message, "type": "invalid_request_error", "code": refusal.status}}
        if self.variant == "problem":
            return {"status": refusal.status, "title": "Refused", "detail": refusal.message}
        if refusal.status == 422:
            return {"detail": [{"type": "extra_forbidden", "loc": ["body"], "msg": refusal.message}]}
        return {"detail": refusal.message}

    def wrong_key(self, given: str) -> RefusedError:
        return RefusedError("Authentication failed", 401)

    def no_model(self, model: str) -> RefusedError:
        return RefusedError(f"Function for {model}: Not found for account 'x'", 404)

    def input_type(self, kind: str) -> str:
        return _KINDS[kind]

    def entry(self, listed: ListedModel) -> Json:
        return {"id": listed.id, "object": "model", "created": 735790403, "owned_by": listed.id.partition("/")[0]}
