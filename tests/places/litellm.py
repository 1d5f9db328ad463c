"""A LiteLLM proxy (1.106): one shape before many, what a call cost in headers or the last chunk, errors in errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    RateLimit,
    RateLimitError,
    RateLimits,
    ServerError,
    UnsupportedError,
)
from tests.places.brain import RefusedError
from tests.places.checks import DEVELOPER, OPENAI, SAMPLERS, Rules
from tests.places.embedding import Embedding
from tests.places.faults import Fault
from tests.places.instances import Json
from tests.places.simulator import OwnOption, Said, Simulator
from tests.raw_server import Received

_COST = 4.8e-05
_CALL = "010c73ad-d901-4f31-94b2-9f5496a234a9"
_ENDING = "\n\nLiteLLM: model group '{}' failed with the error above. No fallback was attempted."
_WINDOW = "This model's maximum context length is {} tokens. However, your messages resulted in {} tokens."
_OVERFLOW = "litellm.ContextWindowExceededError: litellm.BadRequestError: ContextWindowExceededError: {}"
_AFTER = "\nmodel=x. context_window_fallbacks=None. fallbacks=None." + _ENDING.format("x")
_BUDGET = "Budget has been exceeded! Key=0fb7a9381d67 Current cost: 0.032778, Max budget: 1e-06"
_CROSSED = (
    "Rate limit exceeded for api_key: 3c4f8a917a88. Limit type: requests. Current limit: 1, Remaining: 0. "
    "Limit resets at: 2026-11-20 15:01:45 UTC"
)
_NO_KEY = (
    "Authentication Error, Invalid proxy server token passed. Received API Key = sk-...6789. "
    "Unable to find token in cache or `LiteLLM_VerificationTokenTable`"
)
_NO_MODEL = "litellm.BadRequestError: You passed in model={}. There are no healthy deployments for this model"
_OLD_NO_MODEL = (
    "{'error': '/chat/completions: Invalid model name passed in model=x. Call `/v1/models` to view available models "
    "for your key.'}"
)
_TOLD: Mapping[str, str] = {
    "x-litellm-call-id": _CALL,
    "x-litellm-model-id": "218e5cf87e2b",
    "x-litellm-model-api-base": "http://10.0.0.7:8000/v1",
    "x-litellm-model-group": "small",
    "x-litellm-response-duration-ms": "506.695",
    "x-litellm-overhead-duration-ms": "4.76",
    "x-litellm-key-spend": "4.8e-05",
    "x-litellm-attempted-retries": "0",
    "x-litellm-attempted-fallbacks": "0",
}
"""Headers that say what became of a call, and must be handed on."""
_OF_THE_KEY: Mapping[str, str] = {
    "x-ratelimit-api_key-limit-requests": "60",
    "x-ratelimit-api_key-remaining-requests": "59",
}
_BEHIND: Mapping[str, str] = {
    "x-ratelimit-limit-requests": "100",
    "x-ratelimit-remaining-requests": "99",
    "x-ratelimit-limit-tokens": "10000",
    "x-ratelimit-remaining-tokens": "9900",
}
_UPSTREAM: Mapping[str, str] = {
    "x-litellm-version": "1.106.2",
    "x-litellm-response-cost-original": "0.0",
    "llm_provider-x-request-id": "req_upstream",
    "llm_provider-x-ratelimit-limit-requests": "7",
    "request-id": "req_upstream",
}
"""More headers, among them the ids and limits of the place behind."""


def _error(message: str, code: int = 400, kind: str | None = "invalid_request_error", param: str | None = None) -> Json:
    return {"error": {"message": message, "type": kind, "param": param, "code": str(code)}}


def _overflow(upstream: str) -> Json:
    return _error(_OVERFLOW.format(upstream) + _AFTER)


class LiteLLM(Simulator):
    """Without a database it knows its master key alone, and says of any other that there is no database."""

    name = "litellm"
    variants = ("database", "no-database")
    rules = Rules(
        fields=OPENAI | {"metadata", "tags", "fallbacks", "num_retries", "timeout", "cache", "guardrails"},
        # Up to the place behind.
        unclear=SAMPLERS | {"reasoning_effort", "user", "input_audio", "file"},
        unknown="litellm.BadRequestError: OpenAIException - Unrecognized request argument supplied: {name}",
        turns=DEVELOPER,
        both_limits=True,
    )
    models = (
        ListedModel("gpt-4o", 128000, 16384, kind="chat", owned_by="openai"),
        ListedModel("small", owned_by="openai"),
        ListedModel("text-embedding-3-small", kind="embedding", owned_by="openai"),
    )
    vision_model = "gpt-4o"
    embedding = Embedding({"text-embedding-3-small": 64}, dimensions=True, strict=False)
    small_vectors = "text-embedding-3-small"
    own: Mapping[str, OwnOption] = {
        "metadata": OwnOption({"team": "a"}, body=("metadata",)),
        "tags": OwnOption(["a", "b"], body=("metadata", "tags")),
    }

    limits = _OF_THE_KEY
    rate_limits = RateLimits(RateLimit(60, 59), None)
    faults: Mapping[str, Fault] = {
        "overflow": Fault(
            400, _overflow(f"OpenAIException - {_WINDOW.format(8192, 9000)}"), ContextLengthError, windows=(9000, 8192)
        ),
        "overflow-in-json": Fault(
            400,
            _overflow(
                'Hosted_vllmException - {"error": {"message": "' + _WINDOW.format(8192, 9000) + '", "code": null}}'
            ),
            ContextLengthError,
            windows=(9000, 8192),
        ),
        "content-policy": Fault(
            400, _error("litellm.ContentPolicyViolationError: AzureException - filtered"), InvalidRequestError
        ),
        "no-such-option": Fault(
            400,
            _error(
                "litellm.UnsupportedParamsError: groq does not support parameters: ['logprobs'], for model=x. "
                "To drop these, set `litellm.drop_params=True`"
            ),
            UnsupportedError,
            says="does not support parameters",
        ),
        "budget": Fault(422, _error(_BUDGET, 422, "budget_exceeded"), BillingError, code="422"),
        "budget-older": Fault(400, _error(_BUDGET, 400, "budget_exceeded"), BillingError),
        "budget-as-limit": Fault(429, _error(_BUDGET, 429, "budget_exceeded"), BillingError),
        "bad-key": Fault(401, _error(_NO_KEY, 401, "token_not_found_in_db", "key"), AuthenticationError, code="401"),
        "bad-key-older": Fault(401, _error("Authentication Error, bad key", 401, "auth_error"), AuthenticationError),
        "gone": Fault(400, _error(_NO_MODEL.format("x") + _ENDING.format("x")), ModelNotFoundError),
        "gone-older": Fault(400, _error(_OLD_NO_MODEL, 400, "None", "None"), ModelNotFoundError),
        "gone-behind": Fault(
            404,
            _error("litellm.NotFoundError: OpenAIException - The model `x` does not exist", 404),
            ModelNotFoundError,
        ),
        "slow": Fault(
            408, _error("litellm.Timeout: Connection timed out. Timeout passed=600.0", 408), BackendTimeoutError
        ),
        "limit-behind": Fault(
            429,
            _error("litellm.RateLimitError: RateLimitError: OpenAIException - slow down", 429, "throttling_error"),
            RateLimitError,
            {"llm_provider-retry-after": "7"},
            retry_after=7.0,
        ),
        "limit-of-key": Fault(
            429,
            _error(_CROSSED, 429, "throttling_error"),
            RateLimitError,
            {"retry-after": "60", "rate_limit_type": "requests", "reset_at": "2026-11-20 15:01:45 UTC"},
            retry_after=60.0,
            request_id=_CALL,
        ),
        "limit-of-key-older": Fault(
            429,
            _error("Crossed TPM / RPM / Max Parallel Request Limit. Hit limit for api_key: 5f2c", 429, "None", "None"),
            RateLimitError,
            {"retry-after": "60"},
            retry_after=60.0,
        ),
        "cooling": Fault(
            429,
            _error("No deployments available for selected model, Try again in 5 seconds. Passed model=x.", 429, "None"),
            RateLimitError,
            retry_after=5.0,
        ),
        "unmapped": Fault(
            500, _error("litellm.APIConnectionError: OpenAIException - broken", 500, None), ServerError, code="500"
        ),
        "plain": Fault(500, "Internal Server Error", ServerError),
        "down": Fault(503, _error("litellm.ServiceUnavailableError: no capacity", 503), ServerError, code="503"),
        "in-stream": Fault(
            200,
            _error("litellm.APIConnectionError: APIConnectionError: OpenAIException - the engine fell over", 500, None),
            ServerError,
            event="",
            says="fell over",
            code="500",
        ),
        "in-stream-done": Fault(
            200, _error("litellm.RateLimitError: slow down", 429), RateLimitError, event="", done=True, code="429"
        ),
    }

    def vary(self, variant: str) -> None:
        if variant == "no-database":
            self.limits, self.rate_limits = _BEHIND, RateLimits(RateLimit(100, 99), RateLimit(10000, 9900))

    def check_window(self, body: Json, prompt: int, limit: int, window: int) -> None:
        raise RefusedError(_overflow(f"OpenAIException - {_WINDOW.format(window, prompt + limit)}")["error"]["message"])

    def envelope(self, refusal: RefusedError) -> Json:
        if refusal.status == 404:
            return {"detail": refusal.message}
        return _error(refusal.message, refusal.status, refusal.code or "invalid_request_error", refusal.param)

    def wrong_key(self, given: str) -> RefusedError:
        if self.variant == "no-database":
            return RefusedError("No connected db.", 400, "no_db_connection")
        return RefusedError(_NO_KEY, 401, "token_not_found_in_db", "key")

    def no_model(self, model: str) -> RefusedError:
        return RefusedError(_NO_MODEL.format(model) + _ENDING.format(model))

    def no_path(self, request: Received) -> RefusedError:
        return RefusedError("Not Found", 404)

    def head(self, said: Said | None = None) -> dict[str, str]:
        """The cost of a stream is not yet known."""
        headers = {**_TOLD, **_UPSTREAM, **self.limits}
        if said is None or said.body.get("stream"):
            return headers
        return {**headers, "x-litellm-response-cost": str(_COST)}

    def about(self, said: Said, kind: str) -> Json:
        return {**super().about(said, kind), "system_fingerprint": "fp_upstream"}

    def told(self, said: Said) -> Finish:
        """No one knows what a stream cost that was not asked to count."""
        counted = not said.body.get("stream") or "stream_options" in said.body
        metadata = {**_TOLD, "system_fingerprint": "fp_upstream"}
        return replace(super().told(said), request_id=_CALL, cost=_COST if counted else None, metadata=metadata)

    def message(self, said: Said) -> Json:
        return {**super().message(said), "provider_specific_fields": {"refusal": None}}

    def choice(self, delta: Json, finish: str | None) -> Json:
        return {"index": 0, "delta": delta, **({"finish_reason": finish} if finish else {})}

    def ending(self, said: Said, about: Json) -> Iterator[Json]:
        """The usage stands on a chunk with an empty choice, and with the cost."""
        for chunk in super().ending(said, about):
            counted = {"choices": [{"index": 0, "delta": {}}], "usage": {**self.usage(said), "cost": _COST}}
            yield {**chunk, **(counted if "usage" in chunk else {})}

    def entry(self, listed: ListedModel) -> Json:
        known = {"mode": listed.kind, "max_input_tokens": listed.context_window, "max_output_tokens": listed.max_output}
        told = {key: value for key, value in known.items() if value is not None}
        return {"id": listed.id, "object": "model", "created": 1_677_610_602, "owned_by": "openai", **told}
