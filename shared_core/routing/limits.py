"""Keeps calls back that a target would refuse: by limits that were set, and by those it tells of."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from operator import attrgetter
from typing import NamedTuple, TypeAlias

from shared_core.errors import BackendError, BackendTimeoutError, ConfigurationError, RateLimitError, ServerError
from shared_core.routing.concurrency import AdaptiveConcurrency
from shared_core.routing.line import Line
from shared_core.routing.windows import LearnedWindow, SlidingWindow, Use, Window
from shared_core.types import RateLimit, RateLimits, Usage

_USUAL_ANSWER = 500.0
"""Tokens an answer is taken to have where the request has no bound, until the target's own are known."""
_SMOOTHING = 0.2
_FIRST_CALLS = 10
"""Calls that a hosted place gets at once before it has told what it takes, and again each second until it has."""
_LOOK_AGAIN, _LONGEST_LOOK = 0.02, 0.25
"""Seconds until the first in line looks whether another call has ended, and the most for those behind."""
_STALE = 0.25
"""Seconds that headers may be on their way, or lie in a buffer, while other answers are read."""
_APART = 0.001
"""Seconds between two in line that would start at the same moment."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a target may be asked at most; `None` is no limit.

    `requests_per_minute` and `tokens_per_minute` (prompt and answer) hold within any minute, `in_flight` bounds the
    calls at the same time. With `adaptive`, for servers of your own, that bound is found by how fast answers begin, up
    to `in_flight`. With `learn`, limits that a place tells of in its headers are kept too.

    Raises `ConfigurationError` for limits that nothing meets.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    in_flight: int | None = None
    adaptive: bool = False
    learn: bool = True

    def __post_init__(self) -> None:
        for name in ("requests_per_minute", "tokens_per_minute", "in_flight"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ConfigurationError(f"{name} is {value:g}: no call could ever be made; None means no limit")


LimitsOf: TypeAlias = Limits | Sequence[Limits | None] | Mapping[str, Limits]
"""Limits for all targets alike, one for each, or by the targets' names."""


def limits_of(given: LimitsOf | None, names: Sequence[str], own: int) -> tuple[Limits, ...]:
    """One for each target; a list is for the first, which are the route's `own`.

    Raises `ConfigurationError` for limits of targets that are not there.
    """
    if given is None or isinstance(given, Limits):
        return (given or Limits(),) * len(names)
    if isinstance(given, Mapping):
        if unknown := given.keys() - set(names):
            raise ConfigurationError(f"limits for {', '.join(sorted(unknown))}, but the targets are {', '.join(names)}")
        return tuple(given.get(name) or Limits() for name in names)
    if len(given) != own:
        raise ConfigurationError(f"{len(given)} limits for {own} targets: give as many, None for no limit")
    return tuple(one or Limits() for one in (*given, *[None] * (len(names) - own)))


@dataclass(frozen=True, slots=True)
class LimitStatus:
    """What a target would still take at one moment, `None` where no limit is known; `waiting` calls are in its line."""

    requests_left: float | None = None
    tokens_left: float | None = None
    in_flight: int | None = None
    waiting: int = 0


class Demand(NamedTuple):
    """What a call will need, about: tokens of its prompt, and of the longest answer it allows."""

    prompt: float
    answer: float | None


class TargetLimits:
    """All limits of one target. Not locked: whoever shares it holds a lock around each call.

    As long as none is set and the place has told of none, it is not `is_watching`, and nobody need ask or tell it
    anything but what came of calls.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float], *, hosted: bool = False) -> None:
        self._clock = clock
        self._requests: list[Window] = []
        self._tokens: list[Window] = []
        _set_window(self._requests, "requests", limits.requests_per_minute, clock)
        _set_window(self._tokens, "tokens", limits.tokens_per_minute, clock)
        self._learns = limits.learn
        self._learned: dict[str, LearnedWindow] = {}
        self._in_flight = limits.in_flight
        self._adaptive = AdaptiveConcurrency(limits.in_flight) if limits.adaptive else None
        self._starting = hosted and limits.learn
        self._started_at: float | None = None
        self._is_set = bool(self._requests or self._tokens or limits.in_flight or limits.adaptive)
        self.is_watching = self._is_set or self._starting
        self._line = Line()
        self._sent: deque[Use] = deque()
        self._counted: deque[Use] = deque()  # of late
        self._out: dict[int, Use] = {}
        self._number = 0
        self._scale = 1.0  # tokens that were in prompts, for each that they were taken to have
        self._usual_answer = _USUAL_ANSWER

    # --- before a call ---

    def ready_in(self, call: object, demand: Demand) -> float:
        """Seconds until there is room for a call, about, those in line before it served; 0 is now."""
        ahead, tokens_ahead = self._line.ahead_of(call) if self._line else (0, 0.0)
        wait = self._slot_in(ahead)
        for window in self._requests:
            wait = max(wait, window.ready_in(1.0, float(ahead)))
        for window in self._tokens:
            wait = max(wait, window.ready_in(self._cost(demand), tokens_ahead))
        return wait

    def opens_in(self) -> float:
        """Seconds until there is room for anybody."""
        windows = [*self._requests, *self._tokens]
        return max((window.ready_in(1.0, 0.0) for window in windows), default=0.0)

    def wait(self, call: object, demand: Demand, seconds: float) -> float:
        """Get in line. Seconds after which to ask again: room may come sooner than `seconds`, or later."""
        self._line.join(call, self._cost(demand))
        place, _ = self._line.ahead_of(call)
        return min(seconds, 1.0 + place / 200) + (place + 1) * _APART

    def leave(self, call: object) -> None:
        """Get out of the line."""
        self._line.leave(call)

    def take(self, call: object, demand: Demand) -> Use:
        """A call is sent, and leaves the line."""
        self._line.leave(call)
        self._number += 1
        now = self._clock()
        use = Use(self._number, now, self._cost(demand), demand.prompt)
        if self._started_at is None:
            self._started_at = now
        for window in (*self._requests, *self._tokens):
            window.take(use)
        self._out[use.number] = use
        if self._learns:
            self._sent.append(use)
        return use

    def _cost(self, demand: Demand) -> float:
        return self._scale * demand.prompt + (self._usual_answer if demand.answer is None else demand.answer)

    def _slot_in(self, ahead: int) -> float:
        bound = self._bound
        if bound is None or len(self._out) + ahead < bound:
            return 0.0
        return min(_LONGEST_LOOK, _LOOK_AGAIN * (ahead + 1))

    @property
    def _bound(self) -> int | None:
        """How many calls may be in flight."""
        bounds = [] if self._in_flight is None else [self._in_flight]
        if self._adaptive is not None:
            bounds.append(self._adaptive.limit)
        if self._starting:
            passed = 0.0 if self._started_at is None else self._clock() - self._started_at
            bounds.append(_FIRST_CALLS + int(_FIRST_CALLS * passed))
        return min(bounds, default=None)

    # --- after it ---

    def began(self, use: Use) -> None:
        """The answer begins: the place knows of the call."""
        if math.isinf(use.counted_at):
            use.counted_at = self._clock()
            self._counted.append(use)

    def answered(self, use: Use, usage: Usage, told: RateLimits | None, seen_at: float) -> None:
        """The answer is whole. Its headers came at `seen_at`."""
        if usage.input is not None and usage.output is not None:
            self._change(use, use.requests, float(usage.input + usage.output))
        if usage.input and use.prompt:
            self._scale += (min(4.0, max(0.25, usage.input / use.prompt)) - self._scale) * _SMOOTHING
        if usage.output:
            self._usual_answer += (usage.output - self._usual_answer) * _SMOOTHING
        self._learn(use, told, seen_at)
        self._starting = False
        self.is_watching = self._is_set or bool(self._learned)

    def paced(self, of: str, seconds: float) -> None:
        """A call went well, in so many seconds `of` one kind: to the first token, or for each."""
        if self._adaptive is not None:
            self._adaptive.add(of, seconds, len(self._out))

    def failed(self, use: Use, error: BackendError) -> None:
        """The call failed. A refused one used no tokens."""
        if self._adaptive is not None and isinstance(error, BackendTimeoutError | RateLimitError | ServerError):
            self._adaptive.drop()
        if isinstance(error, RateLimitError):
            self._change(use, use.requests, 0.0)
            self._refused(error.retry_after)
        self._learn(use, error.rate_limits, self._clock())

    def give_back(self, use: Use) -> None:
        """The call was never sent."""
        self._change(use, 0.0, 0.0)

    def settle(self, use: Use) -> None:
        """The call is over."""
        use.settled = True
        self.began(use)
        while self._counted and self._counted[0].counted_at < self._clock() - _STALE:
            self._counted.popleft()
        del self._out[use.number]
        while self._sent and self._sent[0].settled:
            self._sent.popleft()

    def _refused(self, retry_after: float | None) -> None:
        if not self._learned and self._learns:
            self._starting, self._started_at, self.is_watching = True, self._clock(), True
        for window in self._learned.values() if retry_after is not None else ():
            window.shut(retry_after or 0.0)

    def _change(self, use: Use, requests: float, tokens: float) -> None:
        if not use.number:
            return  # of a call before limits were watched
        for window in self._requests:
            window.correct(use, requests - use.requests)
        for window in self._tokens:
            window.correct(use, tokens - use.tokens)
        use.requests, use.tokens = requests, tokens

    def _learn(self, use: Use, told: RateLimits | None, seen_at: float) -> None:
        if told is None or not self._learns:
            return
        unknown = self._unknown_to_the_place(use)
        sibling = None if told.requests is None else told.requests.reset_s
        for of, limit in (("requests", told.requests), ("tokens", told.tokens)):
            if limit is not None:
                known = limit if limit.reset_s is not None else RateLimit(limit.limit, limit.remaining, sibling)
                self._window(of).learn(use, known, seen_at, sum(getattr(one, of) for one in unknown))

    def _window(self, of: str) -> LearnedWindow:
        if of not in self._learned:
            self._learned[of] = LearnedWindow(attrgetter(of), self._clock)
            (self._requests if of == "requests" else self._tokens).append(self._learned[of])
            self.is_watching = True
        return self._learned[of]

    def _unknown_to_the_place(self, use: Use) -> list[Use]:
        """The calls of which it cannot, or may not, have known when it told of its limits with the answer to `use`."""
        unknown = list(takewhile(lambda one: one.number > use.number, reversed(self._sent)))
        before = takewhile(lambda one: one.number < use.number, self._out.values())
        unknown += [one for one in before if math.isinf(one.counted_at)]
        horizon = max(use.at, self._clock() - _STALE)
        lately = takewhile(lambda one: one.counted_at > horizon, reversed(self._counted))
        return unknown + [one for one in lately if one.number < use.number]

    def status(self) -> LimitStatus:
        """How much is left."""
        return LimitStatus(
            min((window.left for window in self._requests), default=None),
            min((window.left for window in self._tokens), default=None),
            self._bound,
            len(self._line),
        )


def _set_window(windows: list[Window], of: str, limit: float | None, clock: Callable[[], float]) -> None:
    if limit is not None:
        windows.append(SlidingWindow(attrgetter(of), clock, limit))
