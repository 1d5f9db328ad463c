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

    __slots__ = ("_begun", "_end", "_held", "_inside", "_line_ends", "_open", "_tags", "_thought")

    def __init__(self, tags: tuple[tuple[str, str], ...] = (THINK, REASONING)) -> None:
        self._tags = tags
        self._held = ""
        self._end = ""
        self._line_ends = ""  # behind the last reasoning: within it only if more follows
        self._begun = False  # some reasoning is out
        self._inside = False
        self._thought = False  # there was a tag
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
        held, self._held = self._held, ""
        if self._inside:
            return [ReasoningDelta(self._line_ends + held)] if held else []
        text = held.lstrip("\n") if self._thought else held
        return [TextDelta(text)] if text else []

    def _step(self, events: list[TextDelta | ReasoningDelta]) -> bool:
        return self._read_reasoning(events) if self._inside else self._read_beginning(events)

    def _read_beginning(self, events: list[TextDelta | ReasoningDelta]) -> bool:
        start = self._held.lstrip()
        for begin, end in self._tags:
            if start.startswith(begin):
                self._held, self._end, self._inside = start.removeprefix(begin), end, True
                return True
        if not any(begin.startswith(start) for begin, _ in self._tags):
            events.append(TextDelta(start if self._thought else self._held))
            self._held, self._open = "", False
        return False

    def _read_reasoning(self, events: list[TextDelta | ReasoningDelta]) -> bool:
        thought, found, rest = self._held.partition(self._end)
        kept = "" if found else _partial(thought, self._end)
        self._think(thought.removesuffix(kept), events)
        if not found:
            self._held = kept
            return False
        self._held, self._inside, self._thought = rest, False, True
        return bool(rest)

    def _think(self, thought: str, events: list[TextDelta | ReasoningDelta]) -> None:
        thought = self._line_ends + thought
        if not self._begun:
            thought = thought.lstrip("\n")
        inner = thought.rstrip("\n")
        self._line_ends = thought.removeprefix(inner)
        if inner:
            events.append(ReasoningDelta(inner))
            self._begun = True


def _partial(text: str, mark: str) -> str:
    """The end of `text` that may be the beginning of `mark`."""
    return next((mark[:size] for size in range(len(mark) - 1, 0, -1) if text.endswith(mark[:size])), "")
