"""Requests that tests of the local engine make."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from shared_core.types import ChatRequest, ChatResponse, Message, Tool

WEATHER = Tool(
    name="get_weather",
    description="Weather of a city",
    parameters={"type": "object", "properties": {"city": {"type": "string", "maxLength": 8}}, "required": ["city"]},
)
CLOCK = Tool(
    name="clock",
    parameters={
        "type": "object",
        "properties": {"zone": {"$ref": "#/$defs/Zone"}, "hours": {"type": "integer", "minimum": 0, "maximum": 12}},
        "required": ["zone", "hours"],
        "$defs": {"Zone": {"enum": ["UTC", "CET"]}},
    },
)
NO_END = {"logit_bias": {306: -100, 308: -100}}  # the end tokens
CALL_TOKEN = 309  # <tool_call> in the vocabulary of the random models


def ask(text: str = "Hello", **options: Any) -> ChatRequest:
    return ChatRequest(messages=(Message(role="user", content=text),), **{"max_tokens": 24, "seed": 7, **options})


def untimed(response: ChatResponse) -> ChatResponse:
    """Without the only part that differs between two runs."""
    return replace(response, finish=replace(response.finish, timings=None))


def endless(text: str = "Hello", **options: Any) -> ChatRequest:
    """Goes on until the window is full."""
    return ask(text, **{"max_tokens": None, "extra": NO_END, **options})


PATIENCE = 60.0


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()
