"""Reads the lists of models that places give, in all their shapes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date
from typing import Any, Literal, TypeAlias

from pydantic_core import from_json

from shared_core.errors import ProtocolError
from shared_core.types import Capabilities, ListedModel
from shared_core.wire.base import Json, Reply
from shared_core.wire.faults import read_stream_error

_Kind: TypeAlias = Literal["chat", "embedding", "other"]

# Llama Stack has identifiers, LiteLLM's /model/info model names, Ollama's /api/tags models that are also names.
_IDS = ("id", "identifier", "model_name", "model", "name")
# Where the rest may stand. What stands in the entry itself goes before, then the first of these.
_NESTED = (
    "meta",  # llama-server
    "metadata",  # DeepInfra, Llama Stack
    "custom_metadata",  # OGX
    "model_info",  # LiteLLM
    "details",  # Ollama's /api/tags
    "top_provider",  # OpenRouter
    "architecture",  # OpenRouter, llama-server, Cerebras
    "limits",  # Cerebras
    "capabilities",  # Cerebras, Hugging Face's format
    "sn_metadata",  # SambaNova
)
# LM Studio: the window as loaded goes before the model's own. LiteLLM: max_input_tokens. llama-server: n_ctx_train.
_WINDOWS = (
    "loaded_context_length",
    "context_length",
    "max_model_len",
    "context_window",
    "max_context_length",
    "max_input_tokens",
    "n_ctx_train",
)
_OUTPUTS = ("max_completion_tokens", "max_output_tokens", "max_output_length", "max_tokens")
_DIMENSIONS = ("embedding_dimension", "output_vector_size")
_OWNERS = ("owned_by", "organization", "provider_id")
_ENDS = ("expiration_date", "deprecation_date")

# USD per token: OpenRouter, SambaNova and Cerebras in `pricing`, LiteLLM beside the rest.
_PER_TOKEN = (
    ("input_price", ("prompt", "input_cost_per_token")),
    ("output_price", ("completion", "output_cost_per_token")),
    ("cached_price", ("input_cache_read", "cache_read_input_token_cost")),
)
# USD per million tokens: Together and Hugging Face's format, DeepInfra.
_PER_MILLION = (
    ("input_price", ("input", "input_tokens")),
    ("output_price", ("output", "output_tokens")),
    ("cached_price", ("cached_input", "cache_read_tokens")),
)

_KINDS = ("model_type", "mode", "kind", "type")
_KIND_OF: dict[str, _Kind] = {
    **dict.fromkeys(("chat", "language", "code", "llm", "vlm", "completion", "responses"), "chat"),
    **dict.fromkeys(("embedding", "embeddings", "embedding_model"), "embedding"),
    **dict.fromkeys(("rerank", "reranker", "moderation", "image", "image_generation", "flumina_base_model"), "other"),
    **dict.fromkeys(("audio", "audio_speech", "audio_transcription", "transcribe", "video"), "other"),
}
# A capability is a flag with one of these names, or one of these words in a list of what a model takes.
_FLAGS = {
    "tools": ("supports_tools", "supports_function_calling", "function_calling", "tools"),
    "tool_choice": ("supports_tool_choice", "tool_choice"),
    "json_object": ("json_mode",),
    "json_schema": ("supports_response_schema", "structured_outputs"),
    "images": ("supports_image_input", "supports_vision", "vision"),
    "audio": ("supports_audio_input",),
    "reasoning": ("supports_reasoning", "reasoning"),
}
_LISTS = ("supported_parameters", "supported_features", "input_modalities", "capabilities")
_WORDS = {
    "tools": {"tools", "tool_use", "function_calling"},
    "tool_choice": {"tool_choice"},
    "json_object": {"response_format", "json_mode"},
    "json_schema": {"structured_outputs"},
    "images": {"image", "vision"},
    "audio": {"audio"},
    "reasoning": {"reasoning", "thinking"},
}


def decode_models(reply: Reply) -> list[ListedModel]:
    """The entries of `{"data": [...]}`, `{"models": [...]}` or a bare array. Raises `ProtocolError`.

    An entry without a name is left out, a value that makes no sense is unknown, and a name that comes again is not
    told again.
    """
    models: dict[str, ListedModel] = {}
    for entry in _entries(reply):
        if isinstance(entry, dict) and (name := _first_text(entry, _IDS)):
            models.setdefault(name, _listed(name, entry))
    return list(models.values())


def _entries(reply: Reply) -> list[Any]:
    try:
        value: Any = from_json(reply.body)
    except ValueError:
        value = None
    if isinstance(value, dict):
        if value.get("error"):
            raise read_stream_error(value, reply.headers, "")
        value = _list_in(value)
    if not isinstance(value, list):
        raise ProtocolError(f"expected a list of models and got {reply.body[:200].decode('utf-8', 'replace')!r}")
    return value


def _list_in(value: Json) -> object:
    """Ollama without a model says null."""
    lists = [value[key] for key in ("data", "models") if key in value]
    return next(filter(None, lists), []) if lists else None


def _listed(name: str, entry: Json) -> ListedModel:
    known: Json = {}
    for part in (entry, *(inner for key in _NESTED if isinstance(inner := entry.get(key), dict))):
        known = {**part, **known}
    return ListedModel(
        id=name,
        context_window=_first_count(known, _WINDOWS),
        max_output=_first_count(known, _OUTPUTS),
        kind=_kind(known),
        dimensions=_first_count(known, _DIMENSIONS),
        owned_by=_first_text(known, _OWNERS),
        active=_flag(known.get("active")),
        retired=_day(_first_text(known, _ENDS)),
        capabilities=_capabilities(entry, known),
        **_prices(known),
    )


def _first_text(known: Json, names: tuple[str, ...]) -> str | None:
    return next((value for name in names if isinstance(value := known.get(name), str) and value), None)


def _first_count(known: Json, names: tuple[str, ...]) -> int | None:
    counts = (_number(known.get(name)) for name in names)
    return next((int(count) for count in counts if count and count.is_integer()), None)


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat((text or "")[:10])
    except ValueError:
        return None


def _number(value: object) -> float | None:
    """Prices often are strings, and -1 where they vary."""
    try:
        number = math.nan if isinstance(value, bool) else float(str(value))
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


# --- kind and capabilities -----------------------------------------------------------------------------------------


def _kind(known: Json) -> _Kind | None:
    if known.get("supports_chat") is True:
        return "chat"
    said = (value.lower() for name in _KINDS if isinstance(value := known.get(name), str))
    return next((_KIND_OF[word] for word in said if word in _KIND_OF), None)


def _capabilities(entry: Json, known: Json) -> Capabilities:
    """What a list leaves out is unknown: each place has words of its own."""
    words = set(_words(entry)) | set(_words(known))
    flags = {name: _first_flag(known, names) for name, names in _FLAGS.items()}
    return Capabilities(
        **{name: True if flag is None and not words.isdisjoint(_WORDS[name]) else flag for name, flag in flags.items()}
    )


def _words(known: Json) -> Iterable[str]:
    for name in _LISTS:
        value = known.get(name)
        yield from (word for word in (value if isinstance(value, list) else ()) if isinstance(word, str))


def _first_flag(known: Json, names: tuple[str, ...]) -> bool | None:
    return next((flag for name in names if (flag := _flag(known.get(name))) is not None), None)


# --- prices --------------------------------------------------------------------------------------------------------


def _prices(known: Json) -> dict[str, float | None]:
    pricing = known.get("pricing")
    table = pricing if isinstance(pricing, dict) else known
    per_token = {field: _first_price(table, names) for field, names in _PER_TOKEN}
    if any(price is not None for price in per_token.values()):
        return {field: None if price is None else round(price * 1e6, 6) for field, price in per_token.items()}
    return {field: _first_price(table, names) for field, names in _PER_MILLION}


def _first_price(table: Json, names: tuple[str, ...]) -> float | None:
    return next((price for name in names if (price := _number(table.get(name))) is not None), None)
