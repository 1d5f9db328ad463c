"""Ends an answer at a stop string, wherever tokens cut it."""

from __future__ import annotations

from collections.abc import Sequence


def partial_end(text: str, marks: Sequence[str]) -> int:
    """How many characters at the end of `text` may be the beginning of one of `marks`."""
    longest = max(map(len, marks), default=1) - 1
    for length in range(min(longest, len(text)), 0, -1):
        if any(len(mark) > length and text.endswith(mark[:length]) for mark in marks):
            return length
    return 0


def first_mark(text: str, marks: Sequence[str]) -> tuple[int, str] | None:
    """Where the first of `marks` stands in `text`, and which it is; the longest of those that begin there."""
    found = [(text.index(mark), -len(mark), mark) for mark in marks if mark in text]
    if not found:
        return None
    at, _, mark = min(found)
    return at, mark


class StopFilter:
    """Lets text pass up to the first stop string, which it swallows; `found` says that it came."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._held = ""
        self.found = False

    def feed(self, text: str) -> str:
        """The part of the text that is certain to come before any stop string."""
        text, self._held = self._held + text, ""
        hit = first_mark(text, self._stops)
        if hit:
            self.found = True
            return text[: hit[0]]
        held = partial_end(text, self._stops)
        text, self._held = text[: len(text) - held], text[len(text) - held :]
        return text

    def flush(self) -> str:
        """What was held back, now that it is no stop string."""
        held, self._held = self._held, ""
        return held
