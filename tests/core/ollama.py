"""Ollama's answers, and what reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from shared_core import ChatRequest, ChatResponse, Event, Message
from shared_core.wire.base import Reader, Reply
from shared_core.wire.ollama import OllamaWire
from tests.core.speech import Json, line

WIRE = OllamaWire()
DONE: Json = {
    "done": True,
    "done_reason": "stop",
    "total_duration": 5_000_000_000,
    "load_duration": 3_000_000_000,
    "prompt_eval_count": 26,
    "prompt_eval_duration": 500_000_000,
    "eval_count": 290,
    "eval_duration": 1_500_000_000,
}


def answer(*messages: Json, done: Json | None = None) -> bytes:
    """A streamed answer."""
    lines = [*(line(**message) for message in messages), line({**DONE, **(done or {})})]
    return b"".join(json.dumps(value, ensure_ascii=False).encode() + b"\n" for value in lines)


def events(data: bytes, reader: Reader = WIRE) -> list[Event]:
    decoder = reader.decoder({}, "asked")
    found = decoder.feed(data) + decoder.close()
    assert decoder.done
    return found


def whole(body: Any, reader: Reader = WIRE, headers: Mapping[str, str] | None = None) -> ChatResponse:
    return reader.decode_chat(Reply(200, headers or {}, json.dumps(body).encode()), "asked")


def reader_for(*contents: str, **options: Any) -> Reader:
    """What reads the answers to a request."""
    messages = tuple(Message(role="user", content=content) for content in contents or ("Hi",))
    reader = WIRE.encode_chat(ChatRequest(messages=messages, **options), "m", stream=True).reader
    assert reader is not None
    return reader


def call(name: str, arguments: object, call_id: str | None = None) -> Json:
    return {**({"id": call_id} if call_id else {}), "function": {"index": 0, "name": name, "arguments": arguments}}
