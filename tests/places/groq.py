"""Groq: strict about keys, whole tool calls, timings in its usage, limits in Go's durations."""

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
    RateLimit,
    RateLimitError,
    RateLimits,
    ServerError,
    StreamInterruptedError,
    Timings,
    ToolCallRefusedError,
)
from tests.places.brain import RefusedError
from tests.places.checks import CORE, PARTS, TURNS, Rules, without
from tests.places.faults import BAD_GATEWAY, Fault
from tests.places.instances import Json
from tests.places.simulator import Said, Simulator

_TPM = "on tokens per minute (TPM)"
_ORG = "in organization `org_01` service tier `on_demand`"
_FAILED = '<function=get_weather>{"city": 5}</function>'
_TIMES = {"queue_time": 0.25, "prompt_time": 0.125, "completion_time": 0.5, "total_time": 0.625}
_FORMATS = frozenset({"openai/gpt-oss-20b", "openai/gpt-oss-120b", "qwen/qwen3.8-27b"})
"""The models that take a JSON schema."""


def _error(message: str, kind: str = "invalid_request_error", **more: object) -> Json:
    return {"error": {"message": message, "type": kind, **more}}


_RATE = _error(
    f"Rate limit reached for model `openai/gpt-oss-120b` {_ORG} {_TPM}: Limit 15000, Used 11972, Requested 4351. "
    "Please try again in 5.289s. Visit https://console.groq.com/docs/rate-limits for more information.",
    "tokens",
    code="rate_limit_exceeded",
)
_REFUSED_CALL = _error(
    "Failed to call a function. Please adjust your prompt. See 'failed_generation' for more details.",
    code="tool_use_failed",
    failed_generation=_FAILED,
)
_LIMITS = RateLimits(RateLimit(14400, 14370, 179.56), RateLimit(18000, 17997, 7.66))


class Groq(Simulator):
    name = "groq"
    variants = ("2026", "2025", "penalties-refused")
    prefix = "/openai/v1"
    rules = Rules(
        fields=CORE
        | frozenset(
            [
                *("max_completion_tokens", "seed", "stream_options", "parallel_tool_calls", "user", "service_tier"),
                *("reasoning_effort", "reasoning_format", "include_reasoning", "disable_tool_validation", "n"),
                *("documents", "citation_options", "search_settings", "compound_custom"),
            ]
        ),
        spellings={"max_tokens": "max_completion_tokens"},
        ignored=frozenset({"frequency_penalty", "presence_penalty", "metadata", "store"}),
        unknown="property '{name}' is unsupported",
        unknown_in_turn=(
            "'messages.{number}' : for 'role:{role}' the following must be satisfied"
            "[('messages.{number}' : property '{name}' is unsupported)]"
        ),
        parts=without(PARTS, "input_audio", "file"),
        turns={**without(TURNS, "name"), "assistant": TURNS["assistant"] - {"name"} | {"reasoning"}},
        schema_with_tools=False,
        schema_streamed=False,
    )
    models = (
        ListedModel("openai/gpt-oss-120b", 131072, 65536),
        ListedModel("openai/gpt-oss-20b", 131072, 65536),
        ListedModel("qwen/qwen3.8-27b", 131072, 16384),
    )
    flags: Mapping[str, bool] = {"json_schema_with_tools": False, "prefill": True}
    echo = "reasoning"
    image_limits = "4 MB of base64, 20 MB for an image by URL, 33 megapixels, 3 to 5 images by model"
    vision_model = "qwen/qwen3.8-27b"

    thought = "reasoning"
    calls = "whole"
    usage_at = "finish"
    usage_unasked = True
    limits: Mapping[str, str] = {
        "x-ratelimit-limit-requests": "14400",
        "x-ratelimit-limit-tokens": "18000",
        "x-ratelimit-remaining-requests": "14370",
        "x-ratelimit-remaining-tokens": "17997",
        "x-ratelimit-reset-requests": "2m59.56s",
        "x-ratelimit-reset-tokens": "7.66s",
    }
    rate_limits = _LIMITS
    faults: Mapping[str, Fault] = {
        "rate-limit": Fault(
            429, _RATE, RateLimitError, {"retry-after": "6"}, code="rate_limit_exceeded", retry_after=6.0
        ),
        "rate-limit-said": Fault(
            429, _RATE, RateLimitError, says="tokens per minute", retry_after=5.289, rate_limits=_LIMITS
        ),
        "too-large-for-a-minute": Fault(
            413,
            _error(
                f"Request too large for model `openai/gpt-oss-120b` {_ORG} {_TPM}: Limit 8000, Requested 10013, "
                "please reduce your message size and try again.",
                "tokens",
                code="rate_limit_exceeded",
            ),
            RateLimitError,
        ),
        "overflow": Fault(
            400,
            _error(
                "Please reduce the length of the messages or completion.",
                param="messages",
                code="context_length_exceeded",
            ),
            ContextLengthError,
            code="context_length_exceeded",
        ),
        "spend-cap": Fault(400, _error("Blocked by the spend cap.", code="blocked_api_access"), BillingError),
        "bad-key": Fault(401, _error("Invalid API Key", code="invalid_api_key"), AuthenticationError),
        "gone": Fault(404, _error("The model `x` does not exist.", code="model_not_found"), ModelNotFoundError),
        "semantic": Fault(422, _error("Unprocessable"), InvalidRequestError),
        "remote-tool": Fault(424, _error("The MCP server failed"), ServerError),
        "flex": Fault(498, _error("capacity exceeded", code="capacity_exceeded"), RateLimitError),
        "broken": Fault(500, _error("Internal Server Error", "internal_server_error"), ServerError),
        "gateway": Fault(502, BAD_GATEWAY, ServerError, says="502 Bad Gateway"),
        "busy": Fault(503, _error("Service Unavailable", "internal_server_error"), ServerError),
        "refused-call": Fault(400, _REFUSED_CALL, ToolCallRefusedError, code="tool_use_failed"),
        "bad-json": Fault(
            400,
            _error("Failed to generate JSON.", code="json_validate_failed", failed_generation="{"),
            InvalidRequestError,
        ),
        "refused-call-streamed": Fault(
            200,
            {"error": {**_REFUSED_CALL["error"], "status_code": 400}},
            ToolCallRefusedError,
            event="error",
            code="tool_use_failed",
        ),
        "stopped-early": Fault(
            200,
            {"id": "chatcmpl-1", "choices": [], "x_groq": {"id": "req_played", "error": "over capacity"}},
            StreamInterruptedError,
            event="",
            says="over capacity",
        ),
        "rate-limit-streamed": Fault(
            200, {"error": {**_RATE["error"], "status_code": 429}}, RateLimitError, event="error", retry_after=5.289
        ),
    }

    def vary(self, variant: str) -> None:
        if variant == "penalties-refused":
            self.rules = replace(self.rules, ignored=frozenset())

    def head(self, said: Said | None = None) -> dict[str, str]:
        headers = super().head(said)
        return {k: v for k, v in headers.items() if k != "x-request-id"} if self.variant == "2025" else headers

    def check(self, body: Json) -> None:
        super().check(body)
        model = str(body["model"])
        if body.get("n", 1) != 1:
            raise RefusedError("'n' : number must be at most 1", param="n")
        if {"reasoning_format", "include_reasoning"} <= body.keys():
            raise RefusedError("reasoning_format and include_reasoning cannot be used together")
        wants_schema = (body.get("response_format") or {}).get("type") == "json_schema"
        if wants_schema and self._serves(model) and model not in _FORMATS:
            raise RefusedError("This model does not support response format `json_schema`.", param="response_format")
        if self._serves(model) and model != self.vision_model and _has_image(body["messages"]):
            raise RefusedError(f"messages content must be a string for {model}", param="messages")

    def check_window(self, body: Json, prompt: int, limit: int, window: int) -> None:
        raise RefusedError(
            "Please reduce the length of the messages or completion.", 400, "context_length_exceeded", "messages"
        )

    def envelope(self, refusal: RefusedError) -> Json:
        error = super().envelope(refusal)["error"]
        return {"error": {key: value for key, value in error.items() if value is not None}}

    def wrong_key(self, given: str) -> RefusedError:
        return RefusedError("Invalid API Key", 401, "invalid_api_key")

    def no_model(self, model: str) -> RefusedError:
        return RefusedError(
            f"The model `{model}` does not exist or you do not have access to it.", 404, "model_not_found"
        )

    def call_id(self, unique: str) -> str:
        return f"fc_{unique[:8]}-{unique[8:12]}"

    def timings(self) -> Timings:
        return Timings(*_TIMES.values())

    def usage(self, said: Said) -> Json:
        return {**super().usage(said), **_TIMES}

    def about(self, said: Said, kind: str) -> Json:
        about = {**super().about(said, kind), "system_fingerprint": "fp_groq", "service_tier": "on_demand"}
        return about if kind.endswith("chunk") else {**about, "x_groq": {"id": "req_played"}}

    def told(self, said: Said) -> Finish:
        return replace(super().told(said), metadata={"system_fingerprint": "fp_groq", "service_tier": "on_demand"})

    def message(self, said: Said) -> Json:
        message = super().message(said)
        return {key: value for key, value in message.items() if value is not None}

    def entry(self, listed: ListedModel) -> Json:
        sizes = {"context_window": listed.context_window, "max_completion_tokens": listed.max_output}
        return {**super().entry(listed), "active": True, "public_apps": None, **sizes}

    def choice(self, delta: Json, finish: str | None) -> Json:
        channel = {"channel": "analysis"} if "reasoning" in delta else {}
        return {**super().choice({**delta, **channel}, finish), "logprobs": None}

    def chunks(self, said: Said) -> Iterator[Json]:
        for number, chunk in enumerate(super().chunks(said)):
            usage = chunk.get("usage")
            if usage and self.variant == "2025":
                del chunk["usage"]
            if number == 0 or usage:
                chunk["x_groq"] = {"id": "req_played", **({"usage": usage} if usage else {"seed": 1})}
            yield chunk


def _has_image(messages: list[Json]) -> bool:
    parts = [part for turn in messages if isinstance(turn.get("content"), list) for part in turn["content"]]
    return any(part["type"] == "image_url" for part in parts)
