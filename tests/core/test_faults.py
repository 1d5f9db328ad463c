"""Error bodies as the places send them; the status alone says too little."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from shared_core import (
    AuthenticationError,
    BackendError,
    BackendTimeoutError,
    BillingError,
    ContextLengthError,
    InvalidRequestError,
    ModelNotFoundError,
    PermissionDeniedError,
    RateLimit,
    RateLimitError,
    RateLimits,
    ServerError,
    UnsupportedError,
)
from shared_core.wire.base import Reply
from shared_core.wire.durations import parse_duration, retry_after
from shared_core.wire.faults import read_error, read_stream_error


def read(status: int, body: Any, **headers: str) -> BackendError:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_error(Reply(status, headers, data), "m")


def nested(message: str, **more: object) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


CASES: list[tuple[str, int, Any, type[BackendError]]] = [
    ("groq over its minute, 413", 413, nested("Request too large for model `x` on tokens per minute (TPM): Limit 8000, Requested 10013, please reduce your message size", code="rate_limit_exceeded"), RateLimitError),
    ("groq overflow", 400, nested("Please reduce the length of the messages or completion.", code="context_length_exceeded"), ContextLengthError),
    ("cerebras overflow, flat", 400, {"message": "Please reduce the length of the messages or completion. Current length is 8677 while limit is 8192", "code": "context_length_exceeded"}, ContextLengthError),
    ("cerebras queue, flat", 429, {"message": "We're experiencing high traffic right now!", "code": "queue_exceeded"}, RateLimitError),
    ("together overflow", 400, nested("The input (170071 tokens) is longer than the model's context length (131072 tokens)."), ContextLengthError),
    ("tgi overflow, 422", 422, {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 32769. Given: 30", "error_type": "validation"}, ContextLengthError),
    ("fireworks overflow", 400, nested("The prompt is too long: 221782, model maximum context length: 202752"), ContextLengthError),
    ("openrouter overflow", 400, nested("This endpoint's maximum context length is 131072 tokens. However, you requested about 537812 tokens", code=400), ContextLengthError),
    ("llama-server overflow", 400, nested("the request exceeds the available context size, try increasing it", type="exceed_context_size_error", code=400), ContextLengthError),
    ("litellm overflow", 400, nested("litellm.ContextWindowExceededError: This model's maximum context length is 10", code="400"), ContextLengthError),
    ("sambanova model, 400", 400, nested("Model x not found", code="model_not_found"), ModelNotFoundError),
    ("groq model, 404", 404, nested("The model `x` does not exist or you do not have access to it.", code="model_not_found"), ModelNotFoundError),
    ("retired, 410", 410, nested("Model deprecated", code="model_deprecated"), ModelNotFoundError),
    ("a key refused with 400", 400, nested("Invalid API key provided"), AuthenticationError),
    ("401", 401, {"error": "Unauthorized"}, AuthenticationError),
    ("402", 402, nested("spending cap reached"), BillingError),
    ("litellm budget, 400", 400, nested("Budget has been exceeded! budget_exceeded", type="budget_exceeded"), BillingError),
    ("403", 403, {"detail": "not yours"}, PermissionDeniedError),
    ("408", 408, nested("request timeout"), BackendTimeoutError),
    ("sambanova quota is a rate limit", 429, nested("Rate limit exceeded", code="insufficient_quota"), RateLimitError),
    ("groq flex, 498", 498, nested("capacity exceeded"), RateLimitError),
    ("validation list", 422, {"detail": [{"loc": ["body", "messages"], "msg": "field required"}]}, InvalidRequestError),
    ("plain 413", 413, b"Content Too Large", InvalidRequestError),
    ("html 502", 502, b"<html><head><title>502 Bad Gateway</title></head></html>", ServerError),
    ("504", 504, b"", BackendTimeoutError),
    ("529", 529, nested("overloaded"), ServerError),
    ("together overflow, 403", 403, nested("The input (170071 tokens) is longer than the model's context length (131072 tokens)."), ContextLengthError),
    ("not paid for, 403", 403, nested("Payment required: insufficient balance"), BillingError),
    ("a key that is not enough, 403", 403, nested("Unauthorized for this model"), PermissionDeniedError),
    ("groq spend cap, 400", 400, nested("This organization has reached its spend limit", code="blocked_api_access"), BillingError),
    ("fireworks suspended, 412", 412, nested("Account is suspended"), BillingError),
    ("nvidia still running, 202", 202, b"", BackendTimeoutError),
    ("litellm budget, 422", 422, nested("ExceededBudget: over budget", type="budget_exceeded"), BillingError),
    ("litellm budget, 429", 429, nested("ExceededBudget: over budget", type="budget_exceeded"), BillingError),
    ("groq rate limit with an offer", 429, nested("Rate limit reached. Upgrade at https://console.groq.com/settings/billing"), RateLimitError),
    ("litellm key without a database", 400, nested("No connected db.", type="no_db_connection"), AuthenticationError),
    ("litellm model", 400, nested("litellm.BadRequestError: You passed in model=nope. There are no healthy deployments for this model"), ModelNotFoundError),
    ("vllm without tools", 400, nested('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set', code=400), UnsupportedError),
    ("vllm without images", 400, nested("x is not a multimodal model", code=400), UnsupportedError),
    ("llama-server without templates", 500, nested("tools param requires --jinja flag", code=500), UnsupportedError),
    ("llama-server without images", 500, nested("image input is not supported - hint: mmproj", code=500), UnsupportedError),
    ("llama_cpp.server without embeddings", 500, nested("Llama model must be created with embedding=True to call this method"), UnsupportedError),
    ("501", 501, nested("not implemented"), UnsupportedError),
    ("litellm option", 400, nested("litellm.UnsupportedParamsError: groq does not support parameters: ['logprobs']"), UnsupportedError),
    ("litellm model, older", 400, nested("Invalid model name passed in model=x. Call `/v1/models` to view available models"), ModelNotFoundError),
    ("llama_cpp.server validation", 500, nested("1 validation error:\n  {'type': 'literal_error'}"), InvalidRequestError),
    ("an unknown 4xx", 418, {"message": "teapot"}, InvalidRequestError),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "kind"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_every_envelope_finds_its_class(status: int, body: Any, kind: type[BackendError]) -> None:
    error = read(status, body)
    assert type(error) is kind
    assert error.status == status
    assert error.model == "m"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (nested("nested"), "nested"),
        ({"message": "flat", "code": "c"}, "flat"),
        ({"error": "text"}, "text"),
        ({"detail": "detail"}, "detail"),
        ({"detail": {"error": "inside detail"}}, "inside detail"),
        ({"detail": [{"loc": ["body", "top_p"], "msg": "too large"}, "second"]}, "body.top_p: too large; second"),
        (nested('{"error": {"message": "encoded twice", "code": "c"}}'), "encoded twice"),
        ({"error": {"detail": {"errors": [{"loc": ["body", "n"], "msg": "missing"}]}}}, "body.n: missing"),
        (nested("{not json"), "{not json"),
        (nested("{}"), "{}"),
        (b"plain text", "plain text"),
        (b"<!DOCTYPE html><title> Gone </title>", "an HTML page titled 'Gone'"),
        (b"<html></html>", "an HTML page"),
        (b"", "no error text"),
        ([1], "1"),
        (3, "3"),
    ],
)
def test_the_message_is_found_in_every_envelope(body: Any, said: str) -> None:
    assert str(read(400, body)) == f"HTTP 400: {said}"


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"raw": "x is temporarily rate-limited upstream"}, "Provider returned error: x is temporarily rate-limited upstream"),
        ({"raw": '{"error": {"message": "overloaded"}}'}, "Provider returned error: overloaded"),
        ({"raw": None}, "Provider returned error"),
        ({"provider_name": "A"}, "Provider returned error"),
        ("text", "Provider returned error"),
    ],
)  # fmt: skip
def test_what_the_provider_behind_openrouter_said(metadata: object, said: str) -> None:
    error = read(429, {"error": {"code": 429, "message": "Provider returned error", "metadata": metadata}})
    assert str(error) == f"HTTP 429: {said}"
    assert isinstance(error, RateLimitError)


def test_limits_in_the_body_of_an_error() -> None:
    limits = {"X-RateLimit-Limit": "20", "X-RateLimit-Remaining": "0", "Retry-After": "7"}
    error = read(429, nested("Rate limit exceeded", code=429, metadata={"headers": limits}))
    assert error.rate_limits == RateLimits(RateLimit(20, 0), None)
    assert error.retry_after == 7


@pytest.mark.parametrize("name", ["x-request-id", "inference-id", "nvcf-reqid", "x-amzn-requestid", "x-trace-id"])
def test_request_ids_by_all_their_names(name: str) -> None:
    assert read(500, {}, **{name: "r-1"}).request_id == "r-1"


def test_a_long_body_is_cut() -> None:
    error = read(500, b"x" * 5_000)
    assert error.response is not None
    assert error.response.text.endswith("(5,000 characters)")
    assert len(error.response.text) < 2_100


def test_numbers_of_an_overflow() -> None:
    error = read(400, nested("The input (170,071 tokens) is longer than the model's context length (131072 tokens)."))
    assert isinstance(error, ContextLengthError)
    assert (error.prompt_tokens, error.context_window) == (170_071, 131_072)


def test_numbers_that_are_not_two_are_not_guessed() -> None:
    error = read(400, nested("prompt is too long: 100, 200, 300"))
    assert isinstance(error, ContextLengthError)
    assert (error.prompt_tokens, error.context_window) == (None, None)


def test_codes_and_ids() -> None:
    error = read(429, {"error": {"message": "x", "type": "t", "code": "c"}, "request_id": "r"})
    assert (error.code, error.request_id) == ("c", "r")
    assert read(429, nested("x", type="t")).code == "t"
    assert read(429, nested("x"), **{"x-request-id": "h"}).request_id == "h"
    assert read(429, nested("x")).request_id is None


def test_an_error_in_a_stream_has_the_status_it_names() -> None:
    inner = read_stream_error({"error": {"message": "slow down", "code": 429}}, {}, "m")
    assert type(inner) is RateLimitError
    outer = read_stream_error({"error": {"message": "busy"}, "status_code": 503}, {}, "m")
    assert type(outer) is ServerError
    assert outer.status == 503
    before = read_stream_error({"error": {"message": "400: {'errors': []}"}}, {}, "m")
    assert (type(before), before.status) == (InvalidRequestError, 400)
    text = read_stream_error("it broke", {}, "m")
    assert (type(text), str(text)) == (ServerError, "HTTP 500: it broke")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2m59.56s", 179.56), ("7.66s", 7.66), ("250ms", 0.25), ("1h", 3600.0), ("7", 7.0), ("11.38", 11.38),
        ("1h2m", 3720.0), ("", None), ("soon", None), ("5 apples", None),
    ],
)  # fmt: skip
def test_durations(text: str, seconds: float | None) -> None:
    assert parse_duration(text) == (None if seconds is None else pytest.approx(seconds))


def test_waiting_times_come_from_headers_first() -> None:
    assert retry_after({"retry-after-ms": "1500", "retry-after": "9"}) == 1.5
    assert retry_after({"retry-after": "58"}) == 58.0
    assert retry_after({}, "Please try again in 5.289s. Visit") == 5.289
    assert retry_after({}, "Please try again in 1m2.5s.") == 62.5
    assert retry_after({}, "no idea") is None
    assert retry_after({"llm_provider-retry-after": "4"}) == 4.0
    assert retry_after({"retry-after": "never"}) is None


def test_a_date_to_wait_for() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert retry_after({"retry-after": later}) == pytest.approx(60, abs=3)
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 -0000"}) == 0.0
