"""OpenRouter: comments while it waits, the usage and its cost on a chunk that still has a choice, errors in streams."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
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
    RateLimit,
    RateLimitError,
    RateLimits,
    ServerError,
)
from tests.places.brain import RefusedError
from tests.places.checks import DEVELOPER, OPENAI, SAMPLERS, Rules
from tests.places.embedding import Embedding
from tests.places.faults import BAD_GATEWAY, Fault
from tests.places.instances import Json
from tests.places.simulator import OwnOption, Said, Simulator, comment

_COST = 0.00123


def _error(code: int, message: str, **metadata: object) -> Json:
    more = {"metadata": metadata} if metadata else {}
    return {"error": {"code": code, "message": message, **more}, "user_id": "user_1"}


_UPSTREAM = _error(429, "Provider returned error", provider_name="X", raw="x is temporarily rate-limited upstream.")
_OVERFLOW = "This endpoint's maximum context length is {} tokens. However, you requested about {} tokens."
_LATE = _error(502, "Provider disconnected unexpectedly", provider_name="X")


class OpenRouter(Simulator):
    name = "openrouter"
    variants = ("usage-always", "usage-asked-for", "formats-dropped")
    prefix = "/api/v1"
    rules = Rules(
        fields=OPENAI
        | SAMPLERS
        | frozenset(
            [
                *("models", "provider", "top_a", "reasoning", "plugins", "metadata", "session_id", "prediction"),
                *("transforms", "route", "verbosity"),
            ]
        ),
        turns={**DEVELOPER, "assistant": DEVELOPER["assistant"] | {"reasoning", "reasoning_details"}},
        strict=False,
        both_limits=True,
    )
    models = (
        ListedModel("meta-llama/llama-3.3-70b-instruct", 131072, 16384, 0.13, 0.4),
        ListedModel("openai/gpt-oss-120b", 131072, 32768, 0.05, 0.25),
    )
    echo = "reasoning"
    own: Mapping[str, OwnOption] = {
        "provider": OwnOption({"order": ["x"]}, body=("provider",)),
        "site_url": OwnOption("https://example.org", headers=("http-referer",)),
        "app_name": OwnOption("An app", headers=("x-title",)),
    }
    vision_model = "meta-llama/llama-3.3-70b-instruct"
    embedding = Embedding({"qwen/qwen3-embedding-8b": 4096}, dimensions=True)
    small_vectors = "qwen/qwen3-embedding-8b"

    thought = "reasoning"
    limits: Mapping[str, str] = {
        "X-RateLimit-Limit": "20",
        "X-RateLimit-Remaining": "19",
        "X-RateLimit-Reset": "1700000000000",
    }
    rate_limits = RateLimits(RateLimit(20, 19, 0.0), None)
    faults: Mapping[str, Fault] = {
        "invalid": Fault(400, _error(400, "Bad request"), InvalidRequestError, code="400"),
        "overflow": Fault(
            400, _error(400, _OVERFLOW.format(131072, 537812)), ContextLengthError, windows=(537812, 131072)
        ),
        "bad-key": Fault(401, _error(401, "No auth credentials found"), AuthenticationError),
        "no-money": Fault(402, _error(402, "Insufficient credits"), BillingError),
        "moderated": Fault(403, _error(403, "Flagged", reasons=["x"]), PermissionDeniedError),
        "no-endpoint": Fault(404, _error(404, "No endpoints found for x."), ModelNotFoundError),
        "slow": Fault(408, _error(408, "Request timed out"), BackendTimeoutError),
        "too-large": Fault(413, _error(413, "Payload too large"), InvalidRequestError),
        "semantic": Fault(422, _error(422, "Unprocessable"), InvalidRequestError),
        "rate-limit": Fault(429, _error(429, "Rate limit exceeded"), RateLimitError, rate_limits=rate_limits),
        "upstream": Fault(429, _UPSTREAM, RateLimitError, says="rate-limited upstream"),
        "in-metadata": Fault(
            429,
            _error(
                429,
                "Rate limit exceeded: free-models-per-min.",
                headers={
                    "X-RateLimit-Limit": "16",
                    "X-RateLimit-Remaining": "0",
                    "X-RateLimit-Reset": "1700000000000",
                },
            ),
            RateLimitError,
            rate_limits=RateLimits(RateLimit(16, 0, 0.0), None),
        ),
        "broken": Fault(500, _error(500, "Internal Server Error"), ServerError),
        "bad-gateway": Fault(502, _error(502, "Bad gateway"), ServerError),
        "gateway": Fault(502, BAD_GATEWAY, ServerError),
        "nobody": Fault(503, _error(503, "No provider meets your requirements"), ServerError),
        "edge": Fault(524, BAD_GATEWAY, ServerError),
        "overloaded": Fault(529, _error(529, "Provider overloaded"), ServerError),
        "streamed": Fault(
            200,
            {
                **_LATE,
                "id": "gen-1",
                "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1},
            },
            ServerError,
            event="",
            done=True,
        ),
        "rate-limit-streamed": Fault(200, _UPSTREAM, RateLimitError, event="", done=True),
        "whole-at-200": Fault(200, _LATE, ServerError),
    }

    def head(self, said: Said | None = None) -> dict[str, str]:
        headers = super().head(said)
        return {**headers, "x-generation-id": said.id} if said and self.variant == "usage-always" else headers

    def check(self, body: Json) -> None:
        """A provider that knows no formats is asked too, unless it must know all that is asked for."""
        super().check(body)
        must_know = (body.get("provider") or {}).get("require_parameters")
        if self.variant == "formats-dropped" and not must_know:
            body.pop("response_format", None)

    def check_window(self, body: Json, prompt: int, limit: int, window: int) -> None:
        raise RefusedError(_OVERFLOW.format(window, prompt + limit))

    def envelope(self, refusal: RefusedError) -> Json:
        return _error(refusal.status, refusal.message)

    def wrong_key(self, given: str) -> RefusedError:
        return RefusedError("User not found.", 401)

    def no_model(self, model: str) -> RefusedError:
        return RefusedError(f"No endpoints found for {model}.", 404)

    def before(self) -> Iterable[bytes]:
        return [comment("OPENROUTER PROCESSING")] * 2

    def spelled(self, body: object) -> bytes:
        """Blank lines keep the connection open before a whole answer."""
        return b"\n         \n" + json.dumps(body).encode()

    def about(self, said: Said, kind: str) -> Json:
        return {**super().about(said, kind), "id": f"gen-{said.number}", "provider": "Played"}

    def told(self, said: Said) -> Finish:
        return replace(super().told(said), id=f"gen-{said.number}", cost=_COST, metadata={"provider": "Played"})

    def usage(self, said: Said) -> Json:
        return {
            **super().usage(said),
            "cost": _COST,
            "is_byok": False,
            "cost_details": {"upstream_inference_cost": None},
        }

    def choice(self, delta: Json, finish: str | None) -> Json:
        thought = delta.get("reasoning")
        details = {"reasoning_details": [{"type": "reasoning.text", "text": thought, "index": 0}]} if thought else {}
        return {**super().choice({**delta, **details}, finish), "native_finish_reason": finish, "logprobs": None}

    def message(self, said: Said) -> Json:
        message = super().message(said)
        calls = [{"index": number, **call} for number, call in enumerate(message.get("tool_calls", ()))]
        return {**message, "refusal": None, **({"tool_calls": calls} if calls else {})}

    def ending(self, said: Said, about: Json) -> Iterator[Json]:
        """The finish reason may come twice, the second time with the usage."""
        asked = (said.body.get("stream_options") or {}).get("include_usage") or self.variant == "usage-always"
        yield {**about, "choices": [self.choice({"content": ""}, said.answer.finish)]}
        if asked:
            choice = self.choice({"role": "assistant", "content": ""}, said.answer.finish)
            yield {**about, "choices": [choice], "usage": self.usage(said)}

    def entry(self, listed: ListedModel) -> Json:
        assert listed.input_price is not None
        assert listed.output_price is not None
        prices = {"prompt": f"{listed.input_price / 1e6:.8f}", "completion": f"{listed.output_price / 1e6:.8f}"}
        top = {
            "context_length": listed.context_window,
            "max_completion_tokens": listed.max_output,
            "is_moderated": False,
        }
        return {
            "id": listed.id,
            "name": listed.id,
            "context_length": listed.context_window,
            "pricing": {**prices, "image": "0", "request": "0"},
            "top_provider": top,
            "supported_parameters": ["max_tokens", "temperature", "tools"],
        }
