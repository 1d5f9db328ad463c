"""Reads an error reply, in whichever envelope it comes, and names its class."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json, to_json

from shared_core.errors import BackendError, ContextLengthError, ErrorResponse, ToolCallRefusedError
from shared_core.wire.base import Reply
from shared_core.wire.durations import retry_after
from shared_core.wire.meanings import classify
from shared_core.wire.overflow import read_overflow
from shared_core.wire.rate_limits import read_rate_limits

LONGEST_TEXT = 2_000
"""Characters of a body that an error quotes; an HTML page says nothing more after that."""

_STATUS = re.compile(r"[45]\d\d")
_STATUS_BEFORE = re.compile(r"([45]\d\d): ")
# LiteLLM (before the ids of what stands behind it), OpenAI and most, Cerebras, NVIDIA, Bedrock, Llama Stack.
_REQUEST_IDS = (
    *("x-litellm-call-id", "x-request-id", "request-id", "inference-id", "nvcf-reqid", "x-amzn-requestid"),
    "x-trace-id",
)
_KEPT = ("code", "type", "param", "request_id", "id", "failed_generation")


def read_error(reply: Reply, model: str) -> BackendError:
    """The error an HTTP reply stands for; throttling is tested before overflow, and overflow before the status."""
    details = _details(reply.body)
    message = details.get("message") or _text(reply.body) or "no error text"
    if details.get("upstream"):
        message = f"{message}: {details['upstream']}"
    headers = {**reply.headers, **details.get("headers", {})}
    code = next((str(details[key]) for key in ("code", "type") if details.get(key) is not None), None)
    kind = classify(reply.status, f"{message} {details.get('code')} {details.get('type')}")
    error = kind(
        f"HTTP {reply.status}: {message}",
        model=model,
        response=ErrorResponse(reply.status, reply.headers, _text(reply.body)),
        code=code,
        request_id=request_id(reply.headers) or _said_id(details),
        retry_after=retry_after(headers, message),
        rate_limits=read_rate_limits(headers),
    )
    if isinstance(error, ToolCallRefusedError):
        error.generation = str(details.get("failed_generation", ""))
    if isinstance(error, ContextLengthError):
        error.prompt_tokens, error.context_window = read_overflow(message)
    return error


def read_stream_error(error: object, headers: Mapping[str, str], model: str) -> BackendError:
    """The error a place sends inside a stream, where the HTTP status said 200 already."""
    envelope = error if isinstance(error, dict) else {"error": error}
    inner = envelope.get("error")
    status = _status_of(envelope) or _status_of(inner)
    return read_error(Reply(status or 500, headers, to_json(envelope)), model)


def _status_of(value: object) -> int | None:
    """A status told in a body, as a field or, by Llama Stack, in front of the message."""
    if not isinstance(value, dict):
        return None
    told = (str(value.get(key)) for key in ("status_code", "http_status_code", "status", "code"))
    found = next(filter(_STATUS.fullmatch, told), None) or _STATUS_BEFORE.match(str(value.get("message")))
    return int(found if isinstance(found, str) else found[1]) if found else None


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
    known = {**outer, **{key: value[key] for key in _KEPT if value.get(key)}, **_upstream(value.get("metadata"))}
    for key in ("error", "detail", "errors"):
        if value.get(key):
            return _unwrap(value[key], known)
    return _unwrap(value["message"], known) if value.get("message") else known


def _upstream(metadata: object) -> dict[str, Any]:
    """What OpenRouter passes on of the provider behind it: its own words, and its headers."""
    if not isinstance(metadata, dict):
        return {}
    raw, headers = metadata.get("raw"), metadata.get("headers")
    said = (_double_encoded(raw) or {}).get("message", raw) if isinstance(raw, str) else None
    told = {str(name).lower(): str(value) for name, value in headers.items()} if isinstance(headers, dict) else {}
    return {**({"upstream": said} if said else {}), **({"headers": told} if told else {})}


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
    return next((headers[name] for name in _REQUEST_IDS if headers.get(name)), None)


def _said_id(details: Mapping[str, Any]) -> str | None:
    found = details.get("request_id") or details.get("id")
    return None if found is None else str(found)
