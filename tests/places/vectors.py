"""Embeds by hashed words, so that like texts are near each other."""

from __future__ import annotations

import base64
import hashlib
import re
import struct


def vector(text: str, size: int) -> list[float]:
    """The unit vector of a text."""
    values = [0.0] * size
    for word in re.findall(r"\w+", text.lower()) or [text]:
        values[int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big") % size] += 1.0
    length = sum(value * value for value in values) ** 0.5
    return [value / length for value in values]


def in_base64(values: list[float]) -> str:
    """Little-endian float32, the form that `encoding_format` calls base64."""
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()
