"""The options that places have of their own: a value for each, where it arrives, and ones that must not be shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from tests.places.registry import SIMULATORS
from tests.places.serving import received, response
from tests.places.simulator import OwnOption, Simulator

Kind = type[Simulator]
EACH = [pytest.param(kind, name, id=f"{kind.name}-{name}") for kind in SIMULATORS.values() for name in kind.own]

UPSTREAM = "sk-upstream-0123456789"
"""A key for what stands behind a gateway."""
SECRET: dict[str, dict[str, Any]] = {
    "llama_stack": {"provider_data": {"up_api_key": UPSTREAM}},
    "litellm": {"metadata": {"team": "a", "deeper": [{"Auth-Token": UPSTREAM}], "hidden": SecretStr(UPSTREAM)}},
}
"""Options that hold a key, by place."""
HARMLESS: dict[str, Any] = {"llama_stack": None, "litellm": {"metadata": {"team": "a", "deeper": [{}]}}}
"""What may be written down of them."""


@contextmanager
def played(kind: Kind) -> Iterator[tuple[httpx.Client, list[httpx.Request]]]:
    """A client that reaches the place whichever URL it is called at, and what it was sent."""
    place, seen = kind(), list[httpx.Request]()

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return response(place.answer(received(request)))

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        yield client, seen


def arrives(own: OwnOption, request: httpx.Request) -> bool:
    """Whether the value is where the place reads it."""
    if own.url:
        return request.url.host == own.url
    if own.headers:
        return [request.headers.get(name) for name in own.headers] == [own.arrives] * len(own.headers)
    body: Any = json.loads(request.content)
    return bool(reduce(lambda inner, key: inner.get(key, {}), own.body, body) == own.arrives)
