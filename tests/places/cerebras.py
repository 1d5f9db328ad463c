"""Cerebras: errors without an envelope, timings beside the usage, limits with their window in the name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from shared_core import (
    AuthenticationError,
    BillingError,
    ContextLengthError,
    Finish,
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
from tests.places.checks import OPENAI, PARTS, TURNS, Rules, without
from tests.places.faults import BAD_GATEWAY, Fault
from tests.places.instances import Json
from tests.places.simulator import Said, Simulator

_TIMES = {"queue_time": 0.25, "prompt_time": 0.125, "completion_time": 0.5, "total_time": 0.875}
_DOUBTFUL = frozenset({"frequency_penalty", "presence_penalty", "logit_bias", "parallel_tool_calls", "service_tier"})
"""Refused for years, and typed in the newest SDK."""
_OVERFLOW = "Please reduce the length of the messages or completion. Current length is {} while limit is {}"


def _error(message: str, kind: str, param: str | None, code: str) -> Json:
    return {"message": message, "type": kind, "param": param, "code": code}


def _busy(message: str, param: str, code: str) -> Json:
    return _error(message, "too_many_requests_error", param, code)


_QUEUE = _busy("We're experiencing high traffic right now! Please try again soon.", "queue", "queue_exceeded")
_TOKENS = _busy("Tokens per minute limit exceeded - too many tokens processed.", "quota", "token_quota_exceeded")
_DAY = _busy("Tokens per day limit exceeded - too many tokens processed.", "quota", "token_quota_exceeded")
_REQUESTS = _busy("Requests per minute limit exceeded - too many requests sent.", "quota", "request_quota_exceeded")
_LIMITS = RateLimits(RateLimit(14400, 14399, 33011.382867097855), RateLimit(60000, 400, 11.382867097854614))


class Cerebras(Simulator):
    name = "cerebras"
    variants = ("strict", "newest")
    rules = Rules(
        fields=(OPENAI - _DOUBTFUL)
        | frozenset(
            [
                *("min_tokens", "min_completion_tokens", "prediction", "prompt_cache_key", "reasoning_format"),
                *("disable_reasoning", "clear_thinking", "model_parameters"),
            ]
        ),
        unknown="body.{name}: property 'body.{name}' is unsupported",
        unknown_in_turn="body.messages.{number}.{role}.{name}: property '{name}' is unsupported",
        parts=without(PARTS, "input_audio", "file"),
        turns={**TURNS, "assistant": TURNS["assistant"] | {"reasoning"}},
        spellings={"max_tokens": "max_completion_tokens"},
        schema_with_tools=False,
        image_urls=False,
    )
    models = (ListedModel("gpt-oss-120b"), ListedModel("qwen-3.8-27b"), ListedModel("gemma-4-31b"))
    advised = frozenset({"max_completion_tokens"})
    vision_model = "qwen-3.8-27b"
    echo = "reasoning"
    flags: Mapping[str, bool] = {"json_schema_with_tools": False, "image_urls": False}

    thought = "reasoning"
    calls = "whole"
    usage_at = "finish"
    usage_unasked = True
    limits: Mapping[str, str] = {
        "x-ratelimit-limit-requests-day": "14400",
        "x-ratelimit-limit-tokens-minute": "60000",
        "x-ratelimit-remaining-requests-day": "14399",
        "x-ratelimit-remaining-tokens-minute": "400",
        "x-ratelimit-reset-requests-day": "33011.382867097855",
        "x-ratelimit-reset-tokens-minute": "11.382867097854614",
    }
    rate_limits = _LIMITS
    faults: Mapping[str, Fault] = {
        "queue": Fault(429, _QUEUE, RateLimitError, code="queue_exceeded", rate_limits=_LIMITS),
        "requests": Fault(
            429, _REQUESTS, RateLimitError, {"retry-after": "58"}, code="request_quota_exceeded", retry_after=58.0
        ),
        "tokens": Fault(429, _TOKENS, RateLimitError, code="token_quota_exceeded", says="Tokens per minute"),
        "tokens-of-the-day": Fault(429, _DAY, RateLimitError, says="Tokens per day"),
        "overflow": Fault(
            400,
            {
                **_error(_OVERFLOW.format(8677, 8192), "invalid_request_error", "messages", "context_length_exceeded"),
                "id": "",
            },
            ContextLengthError,
            code="context_length_exceeded",
            windows=(8677, 8192),
        ),
        "bad-key": Fault(
            401, _error("Wrong API Key", "invalid_request_error", "api_key", "wrong_api_key"), AuthenticationError
        ),
        "no-money": Fault(402, _error("Payment required", "payment_required_error", "", ""), BillingError),
        "forbidden": Fault(403, _error("Forbidden", "permission_error", "", "forbidden"), PermissionDeniedError),
        "gone": Fault(
            404, _error("Model x does not exist", "not_found_error", "model", "model_not_found"), ModelNotFoundError
        ),
        "too-large": Fault(413, "Content Too Large", InvalidRequestError, says="Content Too Large"),
        "semantic": Fault(422, _error("Unprocessable", "invalid_request_error", "", "invalid"), InvalidRequestError),
        "gateway": Fault(502, BAD_GATEWAY, ServerError),
        "busy": Fault(503, _error("overloaded", "server_error", "", "overloaded"), ServerError),
        "streamed": Fault(
            200,
            {"error": {"id": "", **_error("overloaded", "server_error", "", "overloaded")}, "status_code": 503},
            ServerError,
            event="",
            code="overloaded",
        ),
        "queue-streamed": Fault(200, {"error": {"id": "", **_QUEUE}, "status_code": 429}, RateLimitError, event=""),
    }

    def vary(self, variant: str) -> None:
        if variant == "newest":
            self.rules = replace(self.rules, unclear=_DOUBTFUL)
            self.says_done = False

    def head(self, said: Said | None = None) -> dict[str, str]:
        headers = super().head(said)
        return {**headers, "inference-id": said.id if said else "chatcmpl-none"} | {"x-request-id": ""}

    def check(self, body: Json) -> None:
        super().check(body)
        if body.get("disable_reasoning") and body["model"] == "gpt-oss-120b":
            raise RefusedError("disable_reasoning is not supported for this model", param="disable_reasoning")

        format_ = (body.get("response_format") or {}).get("json_schema") or {}
        strict = [format_["schema"]] if format_.get("strict") else []
        strict += [tool["function"]["parameters"] for tool in body.get("tools", ()) if tool["function"].get("strict")]
        for schema in strict if self.variant == "strict" else ():
            _check_strict(schema)

    def check_window(self, body: Json, prompt: int, limit: int, window: int) -> None:
        raise RefusedError(_OVERFLOW.format(prompt + limit, window), 400, "context_length_exceeded", "messages")

    def envelope(self, refusal: RefusedError) -> Json:
        return _error(refusal.message, "invalid_request_error", refusal.param, refusal.code or "invalid_request")

    def wrong_key(self, given: str) -> RefusedError:
        return RefusedError("Wrong API Key", 401, "wrong_api_key", "api_key")

    def no_model(self, model: str) -> RefusedError:
        return RefusedError(
            f"Model {model} does not exist or you do not have access to it.", 404, "model_not_found", "model"
        )

    def call_id(self, unique: str) -> str:
        return unique[:9]

    def timings(self) -> Timings:
        return Timings(*_TIMES.values())

    def about(self, said: Said, kind: str) -> Json:
        about = {**super().about(said, kind), "system_fingerprint": "fp_cerebras"}
        return about if kind.endswith("chunk") else {**about, "time_info": {**_TIMES, "created": 1_700_000_000.5}}

    def told(self, said: Said) -> Finish:
        return replace(super().told(said), request_id=said.id, metadata={"system_fingerprint": "fp_cerebras"})

    def message(self, said: Said) -> Json:
        return {key: value for key, value in super().message(said).items() if value is not None}

    def ending(self, said: Said, about: Json) -> Iterator[Json]:
        yield {**about, "choices": [self.choice({}, None)]}
        for chunk in super().ending(said, about):
            yield {**chunk, "time_info": {**_TIMES, "created": 1_700_000_000.5}}

    def entry(self, listed: ListedModel) -> Json:
        return {"id": listed.id, "object": "model", "created": 0, "owned_by": "Cerebras"}


def _check_strict(schema: object) -> None:
    """What is said of strict schemas: closed objects with all their properties required, and few keywords."""
    if isinstance(schema, list):
        for item in schema:
            _check_strict(item)
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object":
        closed = schema.get("additionalProperties") is False
        if not closed or set(schema.get("required", ())) != set(schema.get("properties", {})):
            raise RefusedError("strict schemas need additionalProperties: false and all properties required")
    if refused := {"pattern", "format", "minItems", "maxItems"} & schema.keys():
        raise RefusedError(f"strict schemas do not take {sorted(refused)}")
    for value in schema.values():
        _check_strict(value)
