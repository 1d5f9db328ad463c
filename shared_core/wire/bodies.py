"""Reads the JSON bodies of answers, and says what came where none did."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic_core import from_json

from shared_core.errors import ProtocolError


def read_object(body: bytes) -> dict[str, Any]:
    """A JSON object. Raises `ProtocolError` with the beginning of what came instead."""
    try:
        value = from_json(body)
    except ValueError as error:
        raise ProtocolError(f"expected a JSON object and got {beginning(body)}") from error
    if not isinstance(value, dict):
        raise ProtocolError(f"expected a JSON object and got {beginning(body)}")
    return value


def beginning(body: bytes) -> str:
    """As much of a body as an error should quote."""
    return repr(body[:200].decode("utf-8", "replace"))


@contextmanager
def understood(body: bytes) -> Iterator[None]:
    """JSON whose pieces have other types than any place sends is no answer; the mapping need not check each."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError, struct.error) as error:
        raise ProtocolError(f"the answer has a shape of its own: {beginning(body)}") from error
