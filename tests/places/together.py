"""Together AI: several engines, so usage in three places, and reasoning under two names; tool calls in two pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Literal

from shared_core import (
    AuthenticationError,
    BackendTimeoutError,
    BillingError,
    ContextLengthError,
    InvalidRequestError,
    ListedModel,
    ModelNotFoundError,
    RateLimit,
    RateLimitError,
    RateLimits,
    ServerError,
)
from tests.places.brain import RefusedError
from tests.places.checks import CORE, PARTS, SAMPLERS, Rules, without
from tests.places.embedding import Embedding
from tests.places.faults import BAD_GATEWAY, Fault
from tests.places.instances import Json
from tests.places.simulator import Said, Simulator, comment

_ID = "ovq5xyz-6Ng1vN-9a1b2c3d4e5f"
_SEED = 17598938344439790000
"""Larger than any signed 64-bit number."""
_INPUT = "The input ({} tokens) is longer than the model's context length ({} tokens)."
_TOTAL = (
    "Input validation error: `inputs` tokens + `max_new_tokens` must be <= {2}. "
    "Given: {0} `inputs` tokens and {1} `max_new_tokens`"
)


def _error(message: str, kind: str = "invalid_request_error", code: str | None = None) -> Json:
    return {"id": _ID, "error": {"message": message, "type": kind, "param": None, "code": code}}


_RATE = _error(
    "You have reached the rate limit specific to this model openai/gpt-oss-120b. The maximum rate limit for this "
    "model is 6.0 queries and 180000 tokens per minute.",
    "model_rate_limit",
)
_GRAMMAR = _error("Input validation error: grammar is not valid: failed to compile grammar")


class Together(Simulator):
    name = "together"
    variants = ("usage-on-the-last-chunk", "usage-on-a-chunk-of-its-own", "usage-in-the-choice")
    rules = Rules(
        fields=CORE
        | SAMPLERS
        | frozenset(
            [
                *("frequency_penalty", "presence_penalty", "logit_bias", "seed", "n", "logprobs", "echo"),
                *("safety_model", "context_length_exceeded_behavior", "reasoning", "reasoning_effort"),
                *("chat_template_kwargs", "compliance"),
            ]
        ),
        # Not in its specification, and tolerated.
        unclear=frozenset({"max_completion_tokens", "stream_options", "top_logprobs", "service_tier"}),
        parts=without(PARTS, "file"),
        strict=False,
        both_limits=True,
        stop_text=False,
        ranges={"temperature": (0, 2), "top_p": (0, 1), "logprobs": (0, 20)},
    )
    models = (
        ListedModel("openai/gpt-oss-120b", 131072, None, 0.15, 0.6),
        ListedModel("Qwen/Qwen3.5-9B", 262144, None, 0.17, 0.25),
    )
    vision_model = "Qwen/Qwen3.5-9B"
    embedding = Embedding({"BAAI/bge-base-en-v1.5": 768}, longest=512, form=None, dimensions=False, strict=False)

    thought = "reasoning"
    calls = "name_first"
    usage_at: Literal["finish", "own", "choice"] = "finish"
    usage_unasked = True
    limits: Mapping[str, str] = {
        "x-ratelimit-limit": "10",
        "x-ratelimit-remaining": "9",
        "x-ratelimit-reset": "1",
        "x-ratelimit-limit-dynamic": "12",
        "x-tokenlimit-limit": "3000",
        "x-tokenlimit-remaining": "2990",
        "x-tokenlimit-limit-dynamic": "3600",
        "x-together-traceid": "trace-1",
    }
    rate_limits = RateLimits(RateLimit(10, 9, 1.0), RateLimit(3000, 2990, None))
    faults: Mapping[str, Fault] = {
        "overflow": Fault(
            400, _error(_INPUT.format(170071, 131072)), ContextLengthError, windows=(170071, 131072), says="170071"
        ),
        "overflow-total": Fault(
            400, _error(_TOTAL.format(30, 999999999, 32769)), ContextLengthError, windows=(30, 32769)
        ),
        "overflow-total-422": Fault(
            422, _error(_TOTAL.format(30, 999999999, 32769)), ContextLengthError, windows=(30, 32769)
        ),
        "overflow-403": Fault(403, _error(_INPUT.format(170071, 131072)), ContextLengthError, windows=(170071, 131072)),
        "grammar": Fault(422, _GRAMMAR, InvalidRequestError, says="failed to compile grammar"),
        "bad-key": Fault(
            401,
            _error("Invalid API key provided.", code="invalid_api_key"),
            AuthenticationError,
            code="invalid_api_key",
        ),
        "no-money": Fault(402, _error("You have reached your spending cap."), BillingError),
        "gone": Fault(
            404,
            _error("Unable to access model X. Please visit https://api.together.ai/models", code="model_not_available"),
            ModelNotFoundError,
            code="model_not_available",
        ),
        "rate-limit": Fault(429, _RATE, RateLimitError, {"retry-after": "2"}, retry_after=2.0),
        "no-header": Fault(429, _RATE, RateLimitError, {"x-request-id": ""}, request_id=_ID),
        "broken": Fault(500, _error("Internal error", "server_error"), ServerError),
        "busy": Fault(503, _error("The engine is overloaded", "server_error"), ServerError),
        "slow": Fault(504, _error("Timed out", "server_error"), BackendTimeoutError),
        "edge": Fault(524, BAD_GATEWAY, ServerError),
        "unknown": Fault(529, _error("Unknown error", "server_error"), ServerError),
    }

    def vary(self, variant: str) -> None:
        if variant == "usage-on-a-chunk-of-its-own":
            self.usage_at = "own"
            self.embedding = replace(Together.embedding, usage=False)
        if variant == "usage-in-the-choice":
            self.usage_at = "choice"
            self.thought = "reasoning_content"

    def check(self, body: Json) -> None:
        super().check(body)
        if isinstance(body.get("logprobs"), bool):
            raise RefusedError("Input validation error: logprobs: expected an integer", 422, param="logprobs")

    def check_window(self, body: Json, prompt: int, limit: int, window: int) -> None:
        said = _INPUT.format(prompt, window) if prompt > window else _TOTAL.format(prompt, limit, window)
        raise RefusedError(said)

    def envelope(self, refusal: RefusedError) -> Json:
        return _error(refusal.message, code=refusal.code)

    def wrong_key(self, given: str) -> RefusedError:
        return RefusedError(f"Invalid API key provided: {given}.", 401, "invalid_api_key")

    def no_model(self, model: str) -> RefusedError:
        return RefusedError(
            f"Unable to access model {model}. Please visit https://api.together.ai/models", 404, "model_not_available"
        )

    def before(self) -> Iterable[bytes]:
        return [comment("keepalive")] * 2 if self.variant == "usage-in-the-choice" else []

    def message(self, said: Said) -> Json:
        return {"tool_calls": [], **super().message(said)}

    def whole(self, said: Said) -> Json:
        body = super().whole(said)
        choice = body["choices"][0]
        choice["seed"] = _SEED
        if "logprobs" in choice:
            choice["logprobs"] = _logprobs(said.tokens)
        return {**body, "prompt": []}

    def chunks(self, said: Said) -> Iterator[Json]:
        """With the text twice, and the end of each call marked as if it were the end of all."""
        for chunk in super().chunks(said):
            for choice in chunk["choices"]:
                delta = choice["delta"]
                choice |= {"text": delta.get("content", ""), "seed": _SEED}
                delta |= {"role": "assistant", "token_id": 976}
                if "logprobs" in choice:
                    choice["logprobs"] = _logprobs([delta["content"]])
                if any("id" not in call for call in delta.get("tool_calls", ())):
                    choice["finish_reason"] = "tool_calls"
            yield chunk

    def listing(self) -> list[Json]:
        return [self.entry(listed) for listed in self.models]

    def entry(self, listed: ListedModel) -> Json:
        price = {"hourly": 0, "input": listed.input_price, "output": listed.output_price, "base": 0, "finetune": 0}
        kind = {"type": "chat", "display_name": listed.id, "organization": "", "link": "", "license": ""}
        return {**super().entry(listed), **kind, "context_length": listed.context_window, "pricing": price}


def _logprobs(tokens: list[str]) -> Json:
    """Lists beside each other, as in the older completions API."""
    return {"token_ids": [976] * len(tokens), "tokens": tokens, "token_logprobs": [-0.25] * len(tokens)}
