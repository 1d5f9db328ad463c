"""Places that count requests and tokens as the real ones do, and calls to them in simulated time."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

from shared_core import BackendError, ChatRequest, Finish, Message, RateLimitError, Router, Usage
from shared_core.routing.attempts import attempts
from shared_core.wire.rate_limits import read_rate_limits

Headers = dict[str, str]


class Clock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Quota(Protocol):
    """One limit of a place."""

    limit: float

    def left(self, now: float) -> float: ...

    def reset(self, now: float) -> float: ...

    def use(self, now: float, cost: float) -> None: ...


class Bucket:
    """Fills bit by bit (Groq, OpenAI): the reset is when it is full again."""

    def __init__(self, limit: float, span: float) -> None:
        self.limit, self._rate = limit, limit / span
        self._level, self._at = limit, 0.0

    def left(self, now: float) -> float:
        return min(self.limit, self._level + (now - self._at) * self._rate)

    def reset(self, now: float) -> float:
        return (self.limit - self.left(now)) / self._rate

    def use(self, now: float, cost: float) -> None:
        self._level, self._at = self.left(now) - cost, now


class Fixed:
    """Begins anew by the clock (Cerebras, OpenRouter): the reset is the end of the window."""

    def __init__(self, limit: float, span: float) -> None:
        self.limit, self._span = limit, span
        self._window, self._used = -1, 0.0

    def _turn(self, now: float) -> None:
        if int(now / self._span) != self._window:
            self._window, self._used = int(now / self._span), 0.0

    def left(self, now: float) -> float:
        self._turn(now)
        return self.limit - self._used

    def reset(self, now: float) -> float:
        return (int(now / self._span) + 1) * self._span - now

    def use(self, now: float, cost: float) -> None:
        self._turn(now)
        self._used += cost


@dataclass
class Limited:
    """A place with limits; it tells of them with `tell`, and refuses what goes beyond them."""

    requests: Quota
    tokens: Quota
    tell: Callable[[Limited, float], Headers]
    answered: int = 0
    refused: int = 0

    def receive(self, now: float, tokens: float) -> tuple[bool, Headers, float]:
        """Whether it takes a call, the headers, and after how many seconds to come back if not."""
        fits = self.requests.left(now) >= 1 and self.tokens.left(now) >= tokens
        if fits:
            self.requests.use(now, 1)
            self.tokens.use(now, tokens)
        self.answered += fits
        self.refused += not fits
        return fits, self.tell(self, now), max(self._wait(self.requests, now, 1), self._wait(self.tokens, now, tokens))

    @staticmethod
    def _wait(quota: Quota, now: float, cost: float) -> float:
        missing = cost - quota.left(now)
        return 0.0 if missing <= 0 else quota.reset(now) * (missing / quota.limit if isinstance(quota, Bucket) else 1)


def _fields(kind: str, quota: Quota, now: float, write: Callable[[float], str], window: str = "") -> Headers:
    return {
        f"x-ratelimit-limit-{kind}{window}": str(int(quota.limit)),
        f"x-ratelimit-remaining-{kind}{window}": str(int(max(0.0, quota.left(now)))),
        f"x-ratelimit-reset-{kind}{window}": write(quota.reset(now)),
    }


def _go_duration(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}m{rest:.2f}s" if minutes else f"{rest:.6g}s" if rest >= 1 else f"{rest * 1000:.3f}ms"


def like_groq(place: Limited, now: float) -> Headers:
    write = _go_duration
    return {**_fields("requests", place.requests, now, write), **_fields("tokens", place.tokens, now, write)}


def like_cerebras(place: Limited, now: float) -> Headers:
    requests = _fields("requests", place.requests, now, str, "-minute")
    return {**requests, **_fields("tokens", place.tokens, now, str, "-minute")}


def like_openrouter(place: Limited, now: float) -> Headers:
    """Only requests; `now` has to be the time of day, because the reset is a moment."""
    return {
        "x-ratelimit-limit": str(int(place.requests.limit)),
        "x-ratelimit-remaining": str(int(place.requests.left(now))),
        "x-ratelimit-reset": str(int((now + place.requests.reset(now)) * 1000)),
    }


def like_together(place: Limited, now: float) -> Headers:
    """By the second; of tokens only the limit."""
    return {
        "x-ratelimit-limit": str(int(place.requests.limit)),
        "x-ratelimit-remaining": str(place.requests.left(now)),
        "x-ratelimit-reset": "1",
        "x-tokenlimit-limit": str(int(place.tokens.limit)),
    }


def silent(place: Limited, now: float) -> Headers:
    return {}


@dataclass
class Simulation:
    """Calls over a route in simulated time: they are sent, counted where they arrive, and answered later."""

    route: Router
    place: Limited
    clock: Clock
    seconds: tuple[float, float] = (0.5, 2.0)
    late_headers: bool = False  # whether the place tells what is left when the answer ends, not when the call comes
    errors: list[Exception] = field(default_factory=list)
    order: list[int] = field(default_factory=list)
    random: random.Random = field(default_factory=lambda: random.Random(1))

    def run(self, calls: int, *, every: float = 0.0, answer: int = 50, bound: int | None = 50) -> None:
        """Start a call `every` so many seconds, and go on until all are over."""
        numbers = count()
        events = [(self.clock.now + one * every, next(numbers), self._call(one, answer, bound)) for one in range(calls)]
        while events:
            self.clock.now, _, process = heapq.heappop(events)
            delay = next(process, None)
            if delay is not None:
                heapq.heappush(events, (self.clock.now + delay, next(numbers), process))

    def _call(self, number: int, answer: int, bound: int | None) -> Iterator[float]:
        try:
            yield from self._tries(number, answer, bound)
        except BackendError as error:
            self.errors.append(error)

    def _tries(self, number: int, answer: int, bound: int | None) -> Iterator[float]:
        prompt = self.random.randint(10, 100)
        request = ChatRequest(messages=(Message(role="user", parts="word" * prompt),), max_tokens=bound)
        route = self.route
        tries = attempts(route._state, route._policy, route._rules, request)
        while True:
            with (attempt := next(tries)):
                yield attempt.delay
                if attempt.target is not None:
                    self.order.append(number)
                    yield self.random.uniform(0.01, 0.05)
                    fits, headers, wait = self.place.receive(self.clock.now, prompt + answer)
                    yield self.random.uniform(*self.seconds) if fits else 0.01
                    if self.late_headers and fits:
                        headers = self.place.tell(self.place, self.clock.now)
                    if not fits:
                        raise refusal(headers, wait)
                    usage = Usage(prompt, answer)
                    attempt.done(Finish("stop", usage, rate_limits=read_rate_limits(headers)))
                    return


def refusal(headers: Headers, wait: float) -> RateLimitError:
    return RateLimitError("too many", retry_after=wait, rate_limits=read_rate_limits(headers))


def status(route: Router) -> Any:
    return route.status()[0].limits
