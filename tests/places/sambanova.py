"""SambaNova: measures everything in its usage, has codes of its own for values out of range, ignores penalties."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from shared_core import (
    AuthenticationError,
    BackendTimeoutError,
    ContextLengthError,
    InvalidRequestError,
    ListedModel,
    ModelNotFoundError,
    RateLimit,
    RateLimitError,
    RateLimits,
    ServerError,
    Timings,
)
from tests.places.brain import RefusedError
from tests.places.checks import CORE, Rules
from tests.places.embedding import Embedding
from tests.places.faults import Fault
from tests.places.instances import Json
from tests.places.simulator import Said, Simulator

_ID = "2a8b3c4d-1234-5678-abcd-ef0123456789"
_RANGES = {"temperature": (0, 2), "top_p": (0, 1)}


def _error(message: str, code: str, kind: str = "invalid_request_error", param: str | None = None) -> Json:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}, "request_id": _ID}


_RATE = _error("Rate limit exceeded", "insufficient_quota", "rate_limit_exceeded")
_RANGE = _error(
    "Decimal above maximum value. Expected a value between 0 and 1, but got 100 instead.",
    "decimal_above_max_value",
    param="top_p",
)


class SambaNova(Simulator):
    name = "sambanova"
    variants = ("2026", "strict", "text-only-lists")
    rules = Rules(
        fields=CORE
        | frozenset(
            [
                *("max_completion_tokens", "top_k", "do_sample", "stream_options", "parallel_tool_calls", "n", "seed"),
                *("logprobs", "top_logprobs", "logit_bias", "reasoning_effort", "chat_template_kwargs"),
                *("repetition_penalty",),
            ]
        ),
        ignored=frozenset({"frequency_penalty", "presence_penalty"}),
        unclear=frozenset({"input_audio", "file"}),
        strict=False,
        formats=frozenset({"json_object", "json_schema"}),
        image_urls=False,
        ranges={"top_logprobs": (0, 20)},
    )
    models = (
        ListedModel("Meta-Llama-3.3-70B-Instruct", 131072, 131072, 0.6, 1.2),
        ListedModel("gpt-oss-120b", 131072, 131072, 0.22, 0.59),
        ListedModel("gemma-4-31B-it", 131072, 131072, 0.38, 1.15),
    )
    vision_model = "gemma-4-31B-it"
    embedding = Embedding({"E5-Mistral-7B-Instruct": 4096}, longest=4096, form="base64", dimensions=False)
    flags: Mapping[str, bool] = {"image_urls": False}

    thought = "reasoning"
    tells_thought = False
    limits: Mapping[str, str] = {
        "x-ratelimit-limit-requests": "240",
        "x-ratelimit-remaining-requests": "239",
        "x-ratelimit-reset-requests": "1700000000",
        "x-ratelimit-limit-requests-day": "1000",
        "x-ratelimit-remaining-requests-day": "100",
        "x-ratelimit-reset-requests-day": "3600",
    }
    rate_limits = RateLimits(RateLimit(1000, 100, 3600.0), None)
    faults: Mapping[str, Fault] = {
        "overflow": Fault(400, _error("The prompt is too long.", "context_length_exceeded"), ContextLengthError),
        "out-of-range": Fault(400, _RANGE, InvalidRequestError, code="decimal_above_max_value"),
        "wrong-type": Fault(400, _error("Invalid type", "invalid_type"), InvalidRequestError, code="invalid_type"),
        "no-model": Fault(400, _error("Model not found", "model_not_found"), ModelNotFoundError),
        "bad-key": Fault(401, _error("Invalid authentication", "invalid_authentication"), AuthenticationError),
        "slow": Fault(408, _error("Request timed out", "request_timeout"), BackendTimeoutError),
        "retired": Fault(410, _error("This model is deprecated", "model_deprecated"), ModelNotFoundError),
        "rate-limit": Fault(429, _RATE, RateLimitError, code="insufficient_quota", rate_limits=rate_limits),
        "no-header": Fault(429, _RATE, RateLimitError, {"x-request-id": ""}, request_id=_ID),
        "queue": Fault(429, _error("The queue is full", "queue_full"), RateLimitError, code="queue_full"),
        "broken": Fault(500, _error("Internal server error", "internal_server_error"), ServerError),
        "maintenance": Fault(503, _error("Under maintenance", "maintenance"), ServerError),
        "queue-expired": Fault(504, _error("Expired in the queue", "queue_expired"), BackendTimeoutError),
        "streamed": Fault(
            200, _error("Internal server error", "internal_server_error"), ServerError, event="error", request_id=None
        ),
        "rate-limit-streamed": Fault(200, _RATE, RateLimitError, event="error"),
    }

    def vary(self, variant: str) -> None:
        if variant == "strict":
            self.rules = replace(self.rules, strict=True)
            self.calls = "whole"  # until July 2026

    def check(self, body: Json) -> None:
        for name, (low, high) in _RANGES.items():
            value = body.get(name, low)
            if not low <= value <= high:
                side, word = ("above", "maximum") if value > high else ("below", "minimum")
                raise RefusedError(
                    f"Decimal {side} {word} value. Expected a value between {low} and {high}, but got {value} instead.",
                    code=f"decimal_{side}_{word[:3]}_value",
                    param=name,
                )
        if self.variant == "text-only-lists" and any(_is_list_of_texts(turn) for turn in body["messages"]):
            raise RefusedError("content: expected a string", code="invalid_type", param="messages")
        super().check(body)

    def check_window(self, body: Json, prompt: int, limit: int, window: int) -> None:
        raise RefusedError(f"{prompt + limit} tokens are too many", code="context_length_exceeded")

    def envelope(self, refusal: RefusedError) -> Json:
        return _error(refusal.message, refusal.code or "invalid_type", param=refusal.param)

    def wrong_key(self, given: str) -> RefusedError:
        return RefusedError("Invalid authentication", 401, "invalid_authentication")

    def no_model(self, model: str) -> RefusedError:
        return RefusedError(f"Model {model} not found", 400, "model_not_found")

    def about(self, said: Said, kind: str) -> Json:
        return {**super().about(said, kind), "created": 1_700_000_000.5}

    def timings(self) -> Timings:
        return Timings(first_token=0.125, total=0.5)

    def usage(self, said: Said) -> Json:
        measured = {"time_to_first_token": 0.125, "total_latency": 0.5, "completion_tokens_per_sec": 280.5}
        more = {
            "start_time": 1_700_000_000.5,
            "end_time": 1_700_000_001.0,
            "acceptance_rate": 3.1,
            "stop_reason": "stop",
        }
        return {**super().usage(said), **measured, **more}

    def ending(self, said: Said, about: Json) -> Iterator[Json]:
        for chunk in super().ending(said, about):
            if "usage" in chunk:
                chunk["usage"]["is_last_response"] = True
                chunk["choices"] = None
                if self.variant == "strict":
                    del chunk["choices"]
            yield chunk

    def entry(self, listed: ListedModel) -> Json:
        assert listed.input_price is not None
        assert listed.output_price is not None
        prices = {"prompt": f"{listed.input_price / 1e6:.8f}", "completion": f"{listed.output_price / 1e6:.8f}"}
        sizes = {"context_length": listed.context_window, "max_completion_tokens": listed.max_output}
        return {**super().entry(listed), **sizes, "pricing": prices, "sn_metadata": {}}


def _is_list_of_texts(turn: Json) -> bool:
    content = turn.get("content")
    return isinstance(content, list) and all(part["type"] == "text" for part in content)
