"""Calls over a route whose steps a test takes one by one, under a clock of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from shared_core import ChatRequest, Finish, Message, RateLimits, Router, Usage, connect, in_order
from shared_core.routing.attempts import Attempt, attempts
from tests.routing.quotas import Clock

HI = ChatRequest(messages=(Message(role="user", parts="word"),), max_tokens=95)  # 100 tokens, about


class Asked:
    """One call on its way over a route."""

    kept: ClassVar[list[Asked]] = []  # a call that is let go of is over

    def __init__(self, route: Router, request: Any = HI) -> None:
        self.kept.append(self)
        self.tries: Iterator[Attempt[Any]] = attempts(route._state, route._policy, route._rules, request)

    def next(self) -> Attempt[Any]:
        return next(self.tries)

    def sent(self) -> Attempt[Any]:
        attempt = self.next()
        assert attempt.target is not None
        attempt.__enter__()
        return attempt


def end(attempt: Attempt[Any], used: Usage | None = None, limits: RateLimits | None = None) -> None:
    attempt.done(Finish("stop", used or Usage(5, 95), rate_limits=limits))
    attempt.__exit__(None, None, None)


def fail(attempt: Attempt[Any], error: Exception) -> None:
    attempt.__exit__(type(error), error, None)


def route(clock: Clock, limits: Any = None, *places: str, **settings: Any) -> Router:
    backends = [connect(f"{place}/m", api_key="k") for place in places or ("vllm",)]
    return Router(backends, limits=limits, clock=clock, policy=in_order, **settings)
