"""Bounds how many calls are made twice, so that an outage is not multiplied."""

from __future__ import annotations

from collections.abc import Callable

_ROUNDING = 1e-6


class RetryBudget:
    """Tokens that calls earn and further attempts spend: a `share` of the calls, and `per_second` of their own.

    What is saved is that of the last `span` seconds (Finagle's: 20 % of the requests and 10 a second, over 10 s). Not
    locked: whoever shares it holds a lock around each call.
    """

    __slots__ = ("_at", "_clock", "_floor", "_per_second", "_saved", "_share", "_span")

    def __init__(
        self, clock: Callable[[], float], *, share: float = 0.2, per_second: float = 10.0, span: float = 10.0
    ) -> None:
        self._clock = clock
        self._share = share
        self._per_second = per_second
        self._span = span
        self._saved = 0.0
        self._floor = per_second * span
        self._at = clock()

    @property
    def left(self) -> float:
        """Attempts that may still be spent."""
        return self._saved + self._floor

    def earn(self) -> None:
        """A call came."""
        self._pass_time()
        self._saved += self._share

    def spend(self) -> bool:
        """Take one attempt. False: there is none left."""
        self._pass_time()
        if self._saved + self._floor < 1.0 - _ROUNDING:
            return False
        taken = min(1.0, self._saved)
        self._saved -= taken
        self._floor -= 1.0 - taken
        return True

    def _pass_time(self) -> None:
        now = self._clock()
        passed, self._at = now - self._at, now
        self._saved *= max(0.0, 1.0 - passed / self._span)
        self._floor = min(self._per_second * self._span, self._floor + passed * self._per_second)
