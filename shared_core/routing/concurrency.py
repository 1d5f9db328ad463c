"""Finds out how many calls a server serves at once without making them wait for one another."""

from __future__ import annotations

import math

_FIRST, _MOST = 4.0, 256.0
_TOLERANCE = 1.6
"""A server may take so many times longer than it usually does before it counts as busy."""
_SMOOTHING = 0.2
_WARM_UP = 10
_FAR_BELOW, _BELOW, _ABOVE, _ABOVE_BUSY = 0.05, 0.002, 0.02, 0.00005
"""The weights of a sample below what is usual and above: what is slow with many calls in flight is not usual."""
_BACK_OFF = 0.9


class Usual:
    """How long a server takes that is not busy: of few calls the mean, later that of the quicker ones."""

    __slots__ = ("_calls", "value")

    def __init__(self) -> None:
        self.value = 0.0
        self._calls = 0

    def add(self, seconds: float, *, busy: bool) -> None:
        """Take a sample."""
        self._calls += 1
        weight = 1.0 / self._calls if self._calls <= _WARM_UP else self._weight(seconds, busy=busy)
        self.value += (seconds - self.value) * weight

    def _weight(self, seconds: float, *, busy: bool) -> float:
        if seconds < self.value:
            return _FAR_BELOW if seconds < self.value / 2 else _BELOW
        return _ABOVE_BUSY if busy else _ABOVE


class AdaptiveConcurrency:
    """A bound on calls in flight that grows while answers begin as fast as usual, and shrinks when they do not.

    The gradient of Netflix's concurrency-limits (Gradient2), with a stricter notion of what is usual, so that a queue
    that lasts does not become it. It looks at the seconds to the first token, or for answers that come whole at those
    for each token: how long an answer takes says less of the server than of the answer.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = _MOST if most is None else float(most)
        self._limit = min(_FIRST, self._most)
        self._usual: dict[str, Usual] = {}

    @property
    def limit(self) -> int:
        """How many calls may be in flight."""
        return int(self._limit)

    def add(self, of: str, seconds: float, in_flight: int) -> None:
        """A call went well in so many seconds `of` one kind, while so many were in flight, itself among them."""
        usual = self._usual.setdefault(of, Usual())
        usual.add(seconds, busy=in_flight > _FIRST)
        if in_flight < self._limit / 2 or seconds <= 0.0:
            return  # what was not used says nothing of what more would do
        gradient = max(0.5, min(1.0, _TOLERANCE * usual.value / seconds))
        aim = self._limit * gradient + math.sqrt(self._limit)
        self._limit = self._bounded(self._limit + (aim - self._limit) * _SMOOTHING)

    def drop(self) -> None:
        """A call was refused, or timed out."""
        self._limit = self._bounded(self._limit * _BACK_OFF)

    def _bounded(self, limit: float) -> float:
        return max(1.0, min(self._most, limit))
