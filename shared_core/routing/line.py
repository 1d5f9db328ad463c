"""The calls that wait for one target, first come first served, and none of them holding a thread or a lock."""

from __future__ import annotations

from itertools import islice


class Line:
    """Who waits, in order, each with the tokens it will use. What is free is kept for those further ahead."""

    __slots__ = ("_tokens", "_total")

    def __init__(self) -> None:
        self._tokens: dict[object, float] = {}
        self._total = 0.0

    def __len__(self) -> int:
        return len(self._tokens)

    def ahead_of(self, call: object) -> tuple[int, float]:
        """How many are ahead of a call, and their tokens; of one that does not wait yet, all."""
        if call not in self._tokens:
            return len(self._tokens), self._total
        place = list(self._tokens).index(call)
        return place, sum(islice(self._tokens.values(), place))

    def join(self, call: object, tokens: float) -> None:
        """Wait; whoever waits already keeps its place."""
        if call not in self._tokens:
            self._tokens[call] = tokens
            self._total += tokens

    def leave(self, call: object) -> None:
        """Wait no longer, whether served or not."""
        self._total -= self._tokens.pop(call, 0.0)
        if not self._tokens:
            self._total = 0.0
