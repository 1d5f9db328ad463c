"""Reads a vector, in either form that places write one in."""

from __future__ import annotations

import struct
from array import array
from base64 import b64decode
from typing import Any

from shared_core.errors import ProtocolError

_BYTES = 4
"""Of a float32."""


def read_vector(value: Any) -> list[float]:  # noqa: ANN401 - the JSON boundary
    """A list of numbers, or base64 of little-endian float32, whichever of them was asked for.

    Raises `ProtocolError`, and what `understood` takes for one.
    """
    if not value:
        raise ProtocolError(f"an embedding is empty: {value!r}")
    if isinstance(value, str):
        data = b64decode(value, validate=True)
        return list(struct.unpack(f"<{len(data) // _BYTES}f", data))
    if isinstance(value, list):
        return _floats(value)
    raise ProtocolError(f"an embedding is neither a list of numbers nor base64: {str(value)[:100]!r}")


def _floats(values: list[Any]) -> list[float]:
    """Numbers as floats; what is none is refused, without a loop in Python."""
    try:
        return array("d", values).tolist()
    except OverflowError as error:
        raise ProtocolError("an embedding has a number that no float holds") from error
