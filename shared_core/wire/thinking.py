"""Separates the reasoning that a model writes between tags from its answer, wherever the pieces break."""

from __future__ import annotations

from shared_core.types import ReasoningDelta, TextDelta

THINK = ("<think>", "</think>")
REASONING = ("<reasoning>", "</reasoning>")


class TagSplitter:
    """Text in, text and reasoning out. Only an answer that begins with a tag has reasoning between tags.

    Where a place wraps every piece of reasoning by itself (Bedrock's runtime), another tag may follow at once.
    Text that cannot be a tag is passed on in the piece in which it came. The line ends that set reasoning off
    belong to neither side.
    """

    __slots__ = ("_end", "_held", "_inside", "_open", "_strip", "_tags")

    def __init__(self, tags: tuple[tuple[str, str], ...] = (THINK, REASONING)) -> None:
        self._tags = tags
        self._held = ""
        self._end = ""
        self._inside = False
        self._strip = False  # right behind a tag
        self._open = True  # nothing but blanks and reasoning so far: a tag may begin

    def feed(self, text: str) -> list[TextDelta | ReasoningDelta]:
        """The events that are certain now."""
        if not (self._open or self._inside):
            return [TextDelta(text)] if text else []
        self._held += text
        events: list[TextDelta | ReasoningDelta] = []
        while self._step(events):
            pass
        return events

    def close(self) -> list[TextDelta | ReasoningDelta]:
        """What was held back because it might have become a tag."""
        held, self._held = self._held.lstrip("\n") if self._strip else self._held, ""
        if not held:
            return []
        return [ReasoningDelta(held) if self._inside else TextDelta(held)]

    def _step(self, events: list[TextDelta | ReasoningDelta]) -> bool:
        return self._read_reasoning(events) if self._inside else self._read_beginning(events)

    def _read_beginning(self, events: list[TextDelta | ReasoningDelta]) -> bool:
        start = self._held.lstrip()
        for begin, end in self._tags:
            if start.startswith(begin):
                self._held, self._end, self._inside, self._strip = start.removeprefix(begin), end, True, True
                return True
        if not any(begin.startswith(start) for begin, _ in self._tags):
            events.append(TextDelta(start if self._strip else self._held))
            self._held, self._open = "", False
        return False

    def _read_reasoning(self, events: list[TextDelta | ReasoningDelta]) -> bool:
        if self._strip:
            self._held = self._held.lstrip("\n")
        thought, found, rest = self._held.partition(self._end)
        kept = "" if found else _partial(thought, self._end)
        thought = thought.removesuffix(kept)
        if thought:
            events.append(ReasoningDelta(thought))
            self._strip = False
        if not found:
            self._held = kept
            return False
        self._held, self._inside, self._strip = rest, False, True
        return bool(rest)


def _partial(text: str, mark: str) -> str:
    """The end of `text` that may be the beginning of `mark`."""
    return next((mark[:size] for size in range(len(mark) - 1, 0, -1) if text.endswith(mark[:size])), "")
