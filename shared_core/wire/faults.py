"""Reads an error reply, in whichever envelope it comes, and names its class."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json, to_json

from shared_core.errors import (
    AuthenticationError,
    BackendError,
    BillingError,
    ContextLengthError,
    ErrorResponse,
    ModelNotFoundError,
    RateLimitError,
    ToolCallRefusedError,
    error_class,
)
from shared_core.wire.base import Reply
from shared_core.wire.durations import retry_after
from shared_core.wire.rate_limits import read_rate_limits

LONGEST_TEXT = 2_000
"""Characters of a body that an error quotes; an HTML page says nothing more after that."""

# Throttles speak of tokens too, so they are looked for before overflow.
_THROTTLED = re.compile(
    r"too many tokens, please wait|(?:tokens|requests) per (?:minute|day|hour|second)|rate.?limit|too many requests"
    r"|queue_exceeded|quota_exceeded|queue_full",
    re.IGNORECASE,
)
_OVERFLOW = re.compile(
    r"context_length_exceeded|maximum context length (?:is|of) \d+|context length is only \d+ tokens"
    r"|longer than the model'?s context length|longer than the maximum model length"
    r"|(?:`inputs` tokens \+ `max_new_tokens`|`inputs`) must (?:be <=|have less than) \d+"
    r"|prompt is too long|prompt is longer than the context length|input length exceeds the context length"
    r"|exceed(?:s|ed)? max(?:imum)? context length|exceeds? the (?:available|max(?:imum)?) context (?:size|length)"
    r"|exceed_context_size_error|larger than the max context size|exceed context window"
    r"|reduce the length of the (?:messages|input|prompt)|current length is \d+ while limit is \d+"
    r"|input is too long for requested model|model_context_window_exceeded|contextwindowexceedederror"
    r"|tokens to keep from the initial prompt is greater than the context length"
    r"|trying to keep the first \d+ tokens when context",
    re.IGNORECASE,
)
_REFUSED_CALL = re.compile(r"tool_use_failed")
_BILLING = re.compile(
    r"billing|payment required|blocked_api_access|insufficient (?:credits|balance|funds)|budget.?exceeded",
    re.IGNORECASE,
)
_BAD_KEY = re.compile(r"(?:invalid|incorrect|wrong).{0,8}api.?key|invalid_authentication|unauthorized", re.IGNORECASE)
_NO_MODEL = re.compile(r"model_not_found|model_not_available|model .{1,200}(?:does not exist|not found)", re.IGNORECASE)

# (class, what its message or code says), the first that fits wins; only for statuses that leave the matter open.
_MEANINGS: tuple[tuple[re.Pattern[str], type[BackendError]], ...] = (
    (_REFUSED_CALL, ToolCallRefusedError),
    (_THROTTLED, RateLimitError),
    (_OVERFLOW, ContextLengthError),
    (_BILLING, BillingError),
    (_BAD_KEY, AuthenticationError),
    (_NO_MODEL, ModelNotFoundError),
)
_KEPT = ("code", "type", "param", "request_id", "id", "failed_generation")
_AMBIGUOUS = frozenset({200, 400, 413, 422, 500})


def read_error(reply: Reply, model: str) -> BackendError:
    """The error an HTTP reply stands for; throttling is tested before overflow, and overflow before the status."""
    details = _details(reply.body)
    message = details.get("message") or _text(reply.body) or "no error text"
    code = next((str(details[key]) for key in ("code", "type") if details.get(key) is not None), None)
    kind = _classify(reply.status, f"{message} {details.get('code')} {details.get('type')}")
    error = kind(
        f"HTTP {reply.status}: {message}",
        model=model,
        response=ErrorResponse(reply.status, reply.headers, _text(reply.body)),
        code=code,
        request_id=request_id(reply.headers) or _said_id(details),
        retry_after=retry_after(reply.headers, message),
        rate_limits=read_rate_limits(reply.headers),
    )
    if isinstance(error, ToolCallRefusedError):
        error.generation = str(details.get("failed_generation", ""))
    if isinstance(error, ContextLengthError):
        error.prompt_tokens, error.context_window = _windows(message)
    return error


def read_stream_error(error: object, headers: Mapping[str, str], model: str) -> BackendError:
    """The error a place sends inside a stream, where the HTTP status said 200 already."""
    envelope = error if isinstance(error, dict) else {"error": error}
    inner = envelope.get("error")
    status = _status_of(envelope) or _status_of(inner)
    return read_error(Reply(status or 500, headers, to_json(envelope)), model)


def _status_of(value: object) -> int | None:
    if not isinstance(value, dict):
        return None
    for key in ("status_code", "http_status_code", "status", "code"):
        text = str(value.get(key))
        if re.fullmatch(r"[45]\d\d", text):
            return int(text)
    return None


def _classify(status: int, text: str) -> type[BackendError]:
    if status in _AMBIGUOUS:
        for pattern, kind in _MEANINGS:
            if pattern.search(text):
                return kind
    return error_class(status)


def _details(body: bytes) -> dict[str, Any]:
    """The innermost object that holds `message`, from any of the envelopes in use, else what text there is."""
    try:
        value: Any = from_json(body)
    except ValueError:
        return {}
    return _unwrap(value, {})


def _unwrap(value: Any, outer: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - the JSON boundary
    if isinstance(value, str):
        return _double_encoded(value) or {**outer, "message": value}
    if isinstance(value, list):
        return {**outer, "message": "; ".join(_validation_line(item) for item in value)}
    if not isinstance(value, dict):
        return outer
    known = {**outer, **{key: value[key] for key in _KEPT if value.get(key)}}
    for key in ("error", "detail"):
        if value.get(key):
            return _unwrap(value[key], known)
    return _unwrap(value["message"], known) if value.get("message") else known


def _double_encoded(text: str) -> dict[str, Any] | None:
    """Some gateways put the upstream's JSON, as text, into their own message."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        value = from_json(text)
    except ValueError:
        return None
    return _unwrap(value, {}) if isinstance(value, dict) else None


def _validation_line(item: object) -> str:
    """One entry of FastAPI's list of validation errors."""
    if isinstance(item, dict) and "msg" in item:
        return f"{'.'.join(str(step) for step in item.get('loc', ()))}: {item['msg']}"
    return str(item)


def _text(body: bytes) -> str:
    text = body.decode("utf-8", "replace").strip()
    if text[:200].lstrip().lower().startswith(("<!doctype", "<html")):
        title = re.search(r"<title>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        text = f"an HTML page{f' titled {title[1].strip()!r}' if title else ''}"
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}... ({len(text):,} characters)"


def request_id(headers: Mapping[str, str]) -> str | None:
    """The id under which the place knows the call, for its support."""
    names = ("x-request-id", "request-id", "inference-id", "x-litellm-call-id")
    return next((headers[name] for name in names if headers.get(name)), None)


def _said_id(details: Mapping[str, Any]) -> str | None:
    found = details.get("request_id") or details.get("id")
    return None if found is None else str(found)


def _windows(message: str) -> tuple[int | None, int | None]:
    """Prompt and window, where the text holds exactly the two numbers; the larger is the prompt."""
    match sorted({int(number.replace(",", "")) for number in re.findall(r"\d[\d,]{2,}", message)}):
        case [window, prompt]:
            return prompt, window
        case _:
            return None, None
