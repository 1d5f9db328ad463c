"""Fireworks AI: shortens what is asked for unless told not to, and answers with its measurements in headers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace

from shared_core import (
    AuthenticationError,
    BackendTimeoutError,
    BillingError,
    ContextLengthError,
    InvalidRequestError,
    ListedModel,
    ModelNotFoundError,
    PermissionDeniedError,
    RateLimit,
    RateLimitError,
    RateLimits,
    ServerError,
    Timings,
)
from tests.places.brain import RefusedError
from tests.places.checks import OPENAI, PARTS, SAMPLERS, TURNS, Rules, without
from tests.places.embedding import Embedding
from tests.places.faults import BAD_GATEWAY, Fault
from tests.places.instances import Json
from tests.places.simulator import Said, Simulator

_NOMIC, _QWEN = "nomic-ai/nomic-embed-text-v1.5", "accounts/fireworks/models/qwen3-embedding-8b"
_OVERFLOW = "The prompt is too long: {}, model maximum context length: {}"


def _error(message: str, code: str = "invalid_request_error") -> Json:
    return {"error": {"object": "error", "type": "invalid_request_error", "code": code, "message": message}}


_RATE = "rate limit exceeded, please try again later"


class Fireworks(Simulator):
    name = "fireworks"
    variants = ("lenient", "strict", "as-its-types-allow")
    prefix = "/inference/v1"
    rules = Rules(
        fields=OPENAI
        | SAMPLERS
        | frozenset(
            [
                *("typical_p", "mirostat_target", "mirostat_lr", "echo", "echo_last", "ignore_eos", "thinking"),
                *("reasoning_history", "prompt_truncate_len", "context_length_exceeded_behavior", "speculation"),
                *("prompt_cache_key", "prompt_cache_isolation_key", "prediction", "perf_metrics_in_response"),
                *("raw_output", "return_token_ids", "safe_tokenization", "metadata"),
            ]
        ),
        strict=False,
        unknown="Extra inputs are not permitted, field: '{name}'",
        unknown_in_turn="Extra inputs are not permitted, field: 'messages[{number}].{role}.{name}'",
        turns={**TURNS, "assistant": TURNS["assistant"] | {"reasoning_content"}},
        parts=without(PARTS, "input_audio", "file"),
        ranges={"temperature": (0, 2), "top_p": (0, 1), "top_k": (0, 100), "top_logprobs": (0, 5)},
        choices=frozenset({"auto", "none", "any", "required"}),
        formats=frozenset({"json_object", "json_schema", "grammar"}),
        schema_with_tools=False,
    )
    advised = frozenset({"context_length_exceeded_behavior"})
    models = (
        ListedModel("accounts/fireworks/models/deepseek-v4p1-flash", 1048576),
        ListedModel("accounts/fireworks/models/kimi-k3", 1048576),
    )
    image_limits = "30 images, 10 MB of base64 in all, 5 MB for an image by URL"
    echo = "reasoning_content"
    vision_model = "accounts/fireworks/models/kimi-k3"
    embedding = Embedding({_NOMIC: 768, _QWEN: 4096}, form="base64", dimensions=True, scale=8.5)
    small_vectors = _QWEN
    flags: Mapping[str, bool] = {"json_schema": True, "json_schema_with_tools": False}

    usage_at = "finish"
    usage_unasked = True
    limits: Mapping[str, str] = {
        "x-ratelimit-limit-requests": "600",
        "x-ratelimit-remaining-requests": "599",
        "x-ratelimit-limit-tokens-prompt": "60000",
        "x-ratelimit-remaining-tokens-prompt": "59000",
        "x-ratelimit-limit-tokens-cache-adjusted-prompt": "60000",
        "x-ratelimit-remaining-tokens-cache-adjusted-prompt": "59500",
        "x-ratelimit-limit-tokens-generated": "36000",
        "x-ratelimit-remaining-tokens-generated": "9000",
        "x-ratelimit-over-limit": "no",
        "fireworks-server-time-to-first-token": "0.125",
        "fireworks-server-processing-time": "0.5",
    }
    rate_limits = RateLimits(RateLimit(600, 599, None), RateLimit(36000, 9000, None))
    faults: Mapping[str, Fault] = {
        "rate-limit": Fault(429, _error(_RATE), RateLimitError, {"x-ratelimit-over-limit": "no"}),
        "rate-limit-with-header": Fault(429, _error(_RATE), RateLimitError, {"retry-after": "3"}, retry_after=3.0),
        "rate-limit-flat": Fault(429, _error(_RATE)["error"], RateLimitError, says=_RATE),
        "overflow": Fault(
            400, _error(_OVERFLOW.format(221782, 202752)), ContextLengthError, windows=(221782, 202752)
        ),
        "bad-effort": Fault(400, _error("Invalid reasoning effort: none"), InvalidRequestError),
        "bad-key": Fault(401, _error("Unauthorized", "UNAUTHORIZED"), AuthenticationError),
        "no-money": Fault(402, _error("Payment required", "PAYMENT_REQUIRED"), BillingError),
        "forbidden": Fault(403, _error("Forbidden", "FORBIDDEN"), PermissionDeniedError),
        "gone": Fault(
            404, _error("Model not found, inaccessible, and/or not deployed", "NOT_FOUND"), ModelNotFoundError,
            code="NOT_FOUND",
        ),
        "slow": Fault(408, _error("Request timeout", "TIMEOUT"), BackendTimeoutError),
        "suspended": Fault(412, _error("Account suspended", "PRECONDITION_FAILED"), BillingError),
        "too-large": Fault(413, _error("Payload too large", "PAYLOAD_TOO_LARGE"), InvalidRequestError),
        "broken": Fault(500, _error("Internal server error", "INTERNAL"), ServerError),
        "gateway": Fault(502, BAD_GATEWAY, ServerError),
        "shed": Fault(503, _error("Service overloaded", "UNAVAILABLE"), ServerError),
        "gateway-timeout": Fault(504, BAD_GATEWAY, BackendTimeoutError),
        "streamed": Fault(200, _error("Internal server error", "INTERNAL"), ServerError, event=""),
    }  # fmt: skip

    def vary(self, variant: str) -> None:
        if variant == "strict":
            self.rules = replace(self.rules, strict=True)

    def check(self, body: Json) -> None:
        super().check(body)
        if {"thinking", "reasoning_effort"} <= body.keys():
            raise RefusedError("thinking and reasoning_effort cannot both be set")
        if "gpt-oss" in str(body["model"]) and body.get("reasoning_effort") in ("none", False):
            raise RefusedError(f"Invalid reasoning effort: {body['reasoning_effort']}")

    def check_window(self, body: Json, prompt: int, limit: int, window: int) -> None:
        """By default the answer's bound is lowered, which nobody is told."""
        behaviour = body.get("context_length_exceeded_behavior", "truncate")
        if prompt > window or behaviour == "error":
            raise RefusedError(_OVERFLOW.format(max(prompt, prompt + limit), window))
        body["max_tokens"] = window - prompt

    def envelope(self, refusal: RefusedError) -> Json:
        return _error(refusal.message, refusal.code or "invalid_request_error")

    def wrong_key(self, given: str) -> RefusedError:
        return RefusedError("The API key you provided is invalid.", 401, "UNAUTHORIZED")

    def no_model(self, model: str) -> RefusedError:
        return RefusedError("Model not found, inaccessible, and/or not deployed", 404, "NOT_FOUND")

    def timings(self) -> Timings:
        return Timings(first_token=0.125, total=0.5)

    def message(self, said: Said) -> Json:
        message = super().message(said)
        for call in message.get("tool_calls", ()) if self.variant == "as-its-types-allow" else ():
            call["function"]["arguments"] = _object(call["function"]["arguments"])
        return message

    def chunks(self, said: Said) -> Iterator[Json]:
        """Its types have calls without an index."""
        for chunk in super().chunks(said):
            for choice in chunk["choices"] if self.variant == "as-its-types-allow" else ():
                for call in choice["delta"].get("tool_calls", ()):
                    del call["index"]
            yield chunk

    def entry(self, listed: ListedModel) -> Json:
        kind = {"kind": "HF_BASE_MODEL", "supports_chat": True, "supports_image_input": False, "supports_tools": True}
        return {**super().entry(listed), **kind, "context_length": listed.context_window}


def _object(arguments: str) -> object:
    """Arguments as the object that they are, unless the model wrote none."""
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments
