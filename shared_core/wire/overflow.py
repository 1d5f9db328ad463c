"""Reads how long a prompt was, and how long it may be, out of the message that refuses it."""

from __future__ import annotations

import re

# The numbers by the words around them; where these are new, the larger of exactly two is the prompt.
_WINDOW = re.compile(
    r"(?:context length(?: is| of)?(?: only)?|must be <=|must have less than|context (?:length|size) \()\s*(\d[\d,]*)",
    re.IGNORECASE,
)
_PROMPT = re.compile(
    r"given: (\d[\d,]*)(?: `inputs`)?|(\d[\d,]*) in the messages|contains at least (\d[\d,]*) input tokens"
    r"|messages resulted in (\d[\d,]*) tokens|request has (\d[\d,]*) input tokens"
    r"|(?:the input|request) \((\d[\d,]*) tokens\)|requested about (\d[\d,]*) tokens",
    re.IGNORECASE,
)


def read_overflow(message: str) -> tuple[int | None, int | None]:
    """Prompt and window in tokens, as far as the message has them."""
    said = _WINDOW.search(message)
    window = _count(said[1]) if said else None
    if window and (prompt := _PROMPT.search(message)):
        return _count(next(filter(None, prompt.groups()))), window
    match sorted({_count(number) for number in re.findall(r"\d[\d,]{2,}", message)}):
        case [smaller, larger] if window in (None, smaller):
            return larger, smaller
        case _:
            return None, window


def _count(digits: str) -> int:
    return int(digits.replace(",", ""))
