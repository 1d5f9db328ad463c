"""Reads the lists of models that places give, in all their shapes."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json

from shared_core.errors import ProtocolError
from shared_core.types import ListedModel
from shared_core.wire.base import Reply
from shared_core.wire.openai.dialect import Json

# Together and Fireworks: context_length; vLLM: max_model_len; Groq: context_window; llama-server: meta.n_ctx_train.
_WINDOWS = ("context_length", "max_model_len", "context_window", "max_context_length", "n_ctx_train")
_OUTPUTS = ("max_completion_tokens", "max_output_tokens", "max_tokens")
_NESTED = ("meta", "metadata", "top_provider")
_DOLLARS_PER_TOKEN = ("prompt", "completion")  # OpenRouter and SambaNova
_DOLLARS_PER_MILLION = ("input", "output")  # Together


def decode_models(reply: Reply) -> list[ListedModel]:
    """The entries of `{"data": [...]}`, `{"models": [...]}` or a bare array. Raises `ProtocolError`."""
    try:
        value: Any = from_json(reply.body)
    except ValueError:
        value = None
    entries = (value.get("data") or value.get("models")) if isinstance(value, dict) else value
    if not isinstance(entries, list):
        raise ProtocolError(f"expected a list of models and got {reply.body[:200].decode('utf-8', 'replace')!r}")
    return [_listed(entry) for entry in entries if isinstance(entry, dict) and _id(entry)]


def _id(entry: Json) -> str:
    return str(entry.get("id") or entry.get("model") or entry.get("name") or "")


def _listed(entry: Json) -> ListedModel:
    nested = (inner for key in _NESTED if isinstance(inner := entry.get(key), dict))
    known: Json = {}
    for part in (entry, *nested):
        known = {**part, **known}
    return ListedModel(
        id=_id(entry),
        context_window=_first_number(known, _WINDOWS),
        max_output=_first_number(known, _OUTPUTS),
        **_prices(known.get("pricing")),
    )


def _first_number(known: Json, names: tuple[str, ...]) -> int | None:
    return next((value for name in names if isinstance(value := known.get(name), int) and value > 0), None)


def _prices(pricing: object) -> dict[str, float | None]:
    if not isinstance(pricing, dict):
        return {}
    if "prompt" in pricing:
        dollars = [_number(pricing.get(key)) for key in _DOLLARS_PER_TOKEN]
        prices = [None if price is None else round(price * 1e6, 6) for price in dollars]
    else:
        prices = [_number(pricing.get(key)) for key in _DOLLARS_PER_MILLION]
    return {"input_price": prices[0], "output_price": prices[1]}


def _number(value: object) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None
