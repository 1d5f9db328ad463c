"""A chat or embedding request as the JSON body that Ollama takes."""

from __future__ import annotations

import math
from typing import Any

from shared_core.types import ChatRequest, EmbedRequest
from shared_core.wire.base import Json
from shared_core.wire.merging import merged
from shared_core.wire.ollama.forcing import Offer, instructed
from shared_core.wire.ollama.messages import encode_messages, encode_tool
from shared_core.wire.ollama.window import context_for

# Fields that are options of the model's there, under the names that they have.
_OPTIONS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "max_tokens": "num_predict",
    "seed": "seed",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "repetition_penalty": "repeat_penalty",
}
_THINK: dict[str, bool | str] = {
    "none": False,
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "max": "max",
}
# A prompt that is too long is an error (since October 2025) and not cut, nor is it cut while the answer grows.
_UNCUT = {"truncate": False, "shift": False}
_THINKS_ALWAYS = "gpt-oss"
"""Models of this name take levels, and nothing that switches thinking off: docs.ollama.com/capabilities/thinking."""


def encode_chat(request: ChatRequest, offer: Offer, model: str, *, stream: bool) -> Json:
    """The body of `POST /api/chat`."""
    messages = encode_messages(instructed(request.messages, offer.instructions))
    body: Json = {
        "model": model,
        "messages": messages,
        "stream": stream,  # true where it is not said
        **_UNCUT,
        "options": {"num_ctx": _context(messages, offer, request.max_tokens), **_options(request)},
        **({"tools": [encode_tool(tool) for tool in offer.tools]} if offer.tools else {}),
        **({} if offer.format is None else {"format": offer.format}),
        **_logprobs(request),
        **_think(request, model),
    }
    return _with_extra(body, request.extra)


def _context(messages: list[Json], offer: Offer, answer: int | None) -> int:
    texts = [{key: value for key, value in message.items() if key != "images"} for message in messages]
    tools = [tool.model_dump() for tool in offer.tools]
    return context_for([texts, tools], sum(len(message.get("images", ())) for message in messages), answer)


def _options(request: ChatRequest) -> Json:
    values = request.__dict__
    options = {theirs: values[ours] for ours, theirs in _OPTIONS.items() if values[ours] is not None}
    return {**options, "stop": request.stop} if request.stop else options


def _logprobs(request: ChatRequest) -> Json:
    if request.top_logprobs is not None:
        return {"logprobs": True, "top_logprobs": request.top_logprobs}
    return {"logprobs": True} if request.logprobs else {}


def _think(request: ChatRequest, model: str) -> Json:
    effort = request.reasoning_effort
    return {} if effort is None or _cannot_stop_thinking(request, model) else {"think": _THINK[effort]}


def _cannot_stop_thinking(request: ChatRequest, model: str) -> bool:
    return request.reasoning_effort == "none" and _THINKS_ALWAYS in model


def dropped_from(request: ChatRequest, model: str) -> tuple[str, ...]:
    """What the request has and the server has no form for, though it only tunes the answer."""
    noticed = {
        "parallel_tool_calls": bool(request.tools) and request.parallel_tool_calls is not None,
        "user": request.user is not None,
        "names of messages": any(message.name is not None for message in request.messages),
        "reasoning_effort 'none' of gpt-oss, which always thinks": _cannot_stop_thinking(request, model),
    }
    return tuple(name for name, is_there in noticed.items() if is_there)


def encode_embed(request: EmbedRequest, model: str) -> Json:
    """The body of `POST /api/embed`. Each text has the context for itself, so the longest decides."""
    longest = max(request.texts, key=len, default="")
    body: Json = {
        "model": model,
        "input": request.texts,
        "truncate": False,  # true where it is not said: the end of a long text would be left out silently
        "options": {"num_ctx": context_for(longest, 0, 1)},
        **({} if request.dimensions is None else {"dimensions": request.dimensions}),
    }
    return _with_extra(body, request.extra)


def _with_extra(body: Json, extra: Json) -> Json:
    whole = merged(body, extra)
    if "keep_alive" in whole:
        whole["keep_alive"] = _keep_alive(whole["keep_alive"])
    return whole


def _keep_alive(value: Any) -> Any:  # noqa: ANN401 - seconds, or text such as "10m"
    """Never to unload is a negative number there, and may be an infinite one here, for which JSON has no form."""
    return -1 if isinstance(value, float) and math.isinf(value) else value
