"""Says in how many seconds a span of time has room for a call: a span with a set limit, or one that a place told of."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from shared_core.types import RateLimit

_SPANS = (1.0, 60.0, 3600.0, 86400.0)
"""Places count by the second, the minute, the hour or the day."""
_SECOND = 1.05
"""A second, and by how much calls may drift together on their way."""
_FIRST_SHARE = 0.1
"""Of a new window that no answer told of yet; the rest is paced over it until one does."""
_CAREFUL = 0.98
_ALIKE, _APART = 0.15, 1.25
_AGREEMENTS = 2
_LOOK = 60.0
"""Seconds after which one call goes through a window that seems used up: what was told may be old, or misread."""


@dataclass(slots=True, eq=False)
class Use:
    """One call's part of a target's limits: what it is taken to cost, corrected when the place has told.

    `number` counts the calls of the target, `at` is when the call was sent, `prompt` the first estimate of its prompt.
    At `counted_at` the place surely knew of it, because its answer had begun.
    """

    number: int
    at: float
    tokens: float
    prompt: float
    requests: float = 1.0
    counted_at: float = math.inf
    settled: bool = False


Of = Callable[[Use], float]


class Window(Protocol):
    """What is asked of a window; costs are requests or tokens, whichever it counts."""

    def ready_in(self, cost: float, ahead: float) -> float:
        """Seconds until there is room for `cost` after the costs of those `ahead` in line, about; 0 is now."""
        ...

    def take(self, use: Use) -> None:
        """A call is sent."""
        ...

    def correct(self, use: Use, more: float) -> None:
        """A call cost `more` than it was taken to."""
        ...

    @property
    def left(self) -> float:
        """What may still be used now; infinite where nothing is known."""
        ...


class SlidingWindow:
    """At most `limit` within any `span` seconds, so that it does not matter when a place begins to count."""

    def __init__(self, of: Of, clock: Callable[[], float], limit: float = math.inf, span: float = 60.0) -> None:
        self.limit = limit
        self.span = span
        self._of = of
        self._clock = clock
        self._uses: deque[Use] = deque()
        self._total = 0.0
        self._forgotten = -math.inf

    @property
    def left(self) -> float:
        """What may still be used now."""
        self._forget()
        return self.limit - self._total

    def ready_in(self, cost: float, ahead: float) -> float:
        """A single cost beyond the limit is let through when nothing else was used: the place will say."""
        over = min(cost, self.limit) + ahead - self.left
        if over <= 0.0:
            return 0.0
        for use in self._uses:
            over -= self._of(use)
            if over <= 0.0:
                return use.at + self.span - self._clock()
        return self.span * (1.0 + over / self.limit)

    def take(self, use: Use) -> None:
        """Count it."""
        self._uses.append(use)
        self._total += self._of(use)

    def correct(self, use: Use, more: float) -> None:
        """Called before the use itself is changed."""
        if use.at > self._forgotten:
            self._total += more

    def _forget(self) -> None:
        self._forgotten = self._clock() - self.span
        while self._uses and self._uses[0].at <= self._forgotten:
            self._total -= self._of(self._uses.popleft())


class LearnedWindow:
    """The window that a place tells of in its headers: how much there is, how much is left, and until when.

    Between two answers the calls that are sent are deducted. What is left comes back at the reset, or bit by bit, as
    places do whose limit is a token bucket: there the reset is when the bucket would be full, and the speed at which
    it fills follows. Which it is shows in answers: the speed they tell is the same every time, or it is not.
    A window of a second is over before its header is read; of that the limit is kept, in any second.
    """

    def __init__(self, of: Of, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._by_second = SlidingWindow(of, clock, span=_SECOND)
        self._of = of
        self._number = -1
        self._limit = math.inf
        self._level = math.inf
        self._at = 0.0
        self._reset_at = 0.0
        self._look_at = 0.0
        self._longest = 0.0  # the longest reset told
        self._told: tuple[float, float] | None = None  # what was used, and in how many seconds all of it comes back
        self._agreed = 0
        self._refill = 0.0

    @property
    def left(self) -> float:
        """What may still be used now."""
        self._pass_time()
        return min(self._level, self._by_second.left)

    def ready_in(self, cost: float, ahead: float) -> float:
        """One call may always go when a new window begins, whatever it costs: its answer tells how that window is."""
        return max(self._by_second.ready_in(cost, ahead), self._refilled_in(cost, ahead))

    def _refilled_in(self, cost: float, ahead: float) -> float:
        self._pass_time()
        need = min(cost, self._limit) + ahead
        if self._level >= need or (ahead == 0.0 and self._at >= self._look_at):
            return 0.0
        before = max(0.0, self._reset_at - self._at)
        if self._level + before * self._refill >= need:
            return (need - self._level) / self._refill
        if ahead == 0.0 and before > 0.0:
            return before
        start = max(self._level + before * self._refill, self._limit * _FIRST_SHARE) if before else self._level
        return before + max(0.0, need - start) / self._pace

    def take(self, use: Use) -> None:
        """Deduct it."""
        self._by_second.take(use)
        self._pass_time()
        if self._level < self._of(use):
            self._look_at = self._at + _LOOK
            if self._at < self._reset_at:
                self._look_at = min(self._look_at, self._reset_at)
        self._level -= self._of(use)

    def correct(self, use: Use, more: float) -> None:
        """Only what the place had not counted itself when it told."""
        self._by_second.correct(use, more)
        if use.number > self._number:
            self._level -= more

    def learn(self, use: Use, told: RateLimit, seen_at: float, spent: float) -> None:
        """What the answer to `use` told, whose headers came at `seen_at`; the place may not know yet of `spent`."""
        if use.number < self._number:
            return
        self._number = use.number
        self._limit = math.inf if told.limit is None else max(1.0, float(told.limit))
        reset = _SPANS[1] if told.reset_s is None else told.reset_s
        self._longest = max(self._longest, reset)
        by_second = self._span == _SPANS[0] and told.limit is not None and told.remaining != 0
        self._by_second.limit = self._limit if by_second else math.inf
        self._compare(told, reset)
        self._level = math.inf if by_second or told.remaining is None else told.remaining - spent
        self._at = seen_at
        self._reset_at = seen_at + reset
        self._look_at = seen_at + min(reset, _LOOK)

    def shut(self, seconds: float) -> None:
        """The place refused a call, and told nothing but for how long: nothing is left until then."""
        if self._number < 0:
            return
        now = self._clock()
        self._agreed, self._refill = 0, 0.0
        self._level, self._at = min(self._level, 0.0), now
        self._reset_at = self._look_at = now + seconds

    @property
    def _span(self) -> float:
        return next((span for span in _SPANS if self._longest <= span), _SPANS[-1])

    @property
    def _pace(self) -> float:
        return _CAREFUL * self._limit / self._span

    def _compare(self, told: RateLimit, reset: float) -> None:
        """Whether what was used comes back bit by bit, which it does as fast whenever one looks."""
        used = 0.0 if told.remaining is None else self._limit - told.remaining
        if math.isinf(used) or used <= 0.0 or reset <= 0.0:
            return
        whole = reset * self._limit / used
        if self._told is None or not 1 / _APART < used / self._told[0] < _APART:
            if self._told is not None:
                self._agreed = self._agreed + 1 if abs(whole / self._told[1] - 1.0) < _ALIKE else 0
            self._told = (used, whole)
        self._refill = _CAREFUL * self._limit / whole if self._agreed >= _AGREEMENTS else 0.0

    def _pass_time(self) -> None:
        now = self._clock()
        if now <= self._at:
            return
        self._level += self._refill * max(0.0, min(now, self._reset_at) - self._at)
        if now >= self._reset_at:
            self._begin_anew(now)
        self._level = min(self._level, self._limit)
        self._at = now

    def _begin_anew(self, now: float) -> None:
        if math.isinf(self._limit):
            self._level = math.inf
            return
        if self._at < self._reset_at:
            self._level = max(self._level, self._limit * _FIRST_SHARE)
        self._level += self._pace * (now - max(self._at, self._reset_at))
