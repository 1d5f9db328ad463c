"""Joins a continuation to the text before it, without what it repeats of that."""

from __future__ import annotations

_REPEATED = 16
"""Characters from which on an overlap is taken for a repetition: a model may well write a shorter one anew."""


class Seam:
    """Holds the first pieces of a continuation back until it is plain that they are new.

    Whoever continues a text may begin with a part of it: with all of it, as some servers do, or with the sentence that
    was cut, as models do. The longest such overlap of 16 characters or more with the text's end is left out, so an
    answer that is rightly repetitive there loses one repetition; a shorter overlap is not.

    Templates strip the space at a text's end, so it is asked to be continued without (`text.rstrip()`), and where the
    continuation brings the same space again, that is left out too.
    """

    def __init__(self, text: str) -> None:
        self._asked = text.rstrip()
        self._space = text[len(self._asked) :]
        self._held = ""
        self.is_joined = False

    def take(self, piece: str) -> str:
        """The text that is known to be new by now, with this piece."""
        if self.is_joined:
            return piece
        self._held += piece
        return "" if self._may_repeat() else self.close()

    def close(self) -> str:
        """What is still held back, since no more pieces come."""
        held, self._held, self.is_joined = self._held, "", True
        return held[self._repeated(held) :].removeprefix(self._space)

    def _may_repeat(self) -> bool:
        """Whether what is held is the beginning of a longer repetition than there is so far."""
        rest = self._held[self._repeated(self._held) :]
        if len(rest) < len(self._space) and self._space.startswith(rest):
            return True
        at = self._asked.find(self._held)
        return at != -1 and len(self._asked) - at >= max(_REPEATED, len(self._held) + 1)

    def _repeated(self, held: str) -> int:
        longest = min(len(held), len(self._asked))
        return next((size for size in range(longest, _REPEATED - 1, -1) if self._asked.endswith(held[:size])), 0)
