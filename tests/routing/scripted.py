"""A clock that only a test moves, and backends that answer by script: for tests of what a route decides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, Self, cast

from shared_core import (
    AsyncStream,
    Backend,
    BackendError,
    Capabilities,
    ChatRequest,
    ChatResponse,
    EmbedRequest,
    EmbedResponse,
    Event,
    Finish,
    Message,
    Stream,
    TextDelta,
    fold,
)
from shared_core.routing.attempts import Attempt, attempts
from shared_core.routing.breaker import BreakerRule
from shared_core.routing.budget import RetryBudget
from shared_core.routing.policies import Policy, in_order
from shared_core.routing.state import Listeners, RouteState, Rules
from shared_core.routing.target import Target

HI = ChatRequest(messages=(Message(role="user", parts="Hi"),))


class FakeClock:
    """Seconds that pass when a test says so."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds


Said = str | BaseException | Callable[[], str]


class Scripted:
    """Says one after another what it was told to, and the last of it for ever; errors are raised."""

    def __init__(self, *said: Said, name: str = "scripted", model: str = "m", can: Capabilities | None = None) -> None:
        self.name = name
        self.model = model
        self.capabilities = can or Capabilities()
        self.asked: list[ChatRequest | EmbedRequest] = []
        self._said = list(said or ("hello",))

    def _next(self, request: ChatRequest | EmbedRequest) -> str:
        self.asked.append(request)
        said = self._said.pop(0) if len(self._said) > 1 else self._said[0]
        if isinstance(said, BaseException):
            raise said
        return said if isinstance(said, str) else said()

    def with_model(self, model: str) -> Self:
        return type(self)(*self._said, name=self.name, model=model, can=self.capabilities)

    def chat(self, request: ChatRequest) -> ChatResponse:
        return fold(_events(self._next(request)))

    async def achat(self, request: ChatRequest) -> ChatResponse:
        await asyncio.sleep(0)
        return fold(_events(self._next(request)))

    def stream(self, request: ChatRequest) -> Stream:
        yield from _events(self._next(request))

    async def astream(self, request: ChatRequest) -> AsyncStream:
        await asyncio.sleep(0)
        for event in _events(self._next(request)):
            yield event

    def embed(self, request: EmbedRequest) -> EmbedResponse:
        return EmbedResponse([[float(len(self._next(request)))]], backend=self.name)

    async def aembed(self, request: EmbedRequest) -> EmbedResponse:
        return self.embed(request)


def _events(text: str) -> list[Event]:
    return [TextDelta(text), Finish("stop")]


def told(backend: Scripted) -> Backend:
    """As the protocol that it implements; mypy sees the clash of a generator with an abstract one otherwise."""
    return backend


class Route:
    """What `attempts()` needs, under a clock of a test."""

    def __init__(
        self,
        *targets: str | Scripted,
        clock: FakeClock | None = None,
        policy: Policy = in_order,
        breaker: BreakerRule | None = None,
        listeners: Listeners | None = None,
        **rules: Any,
    ) -> None:
        self.clock = clock or FakeClock()
        backends = [Scripted(name=one, model="m") if isinstance(one, str) else one for one in targets]
        self.targets = [target(one, self.clock, breaker) for one in backends]
        self.state = RouteState(self.targets, RetryBudget(self.clock), self.clock, listeners or Listeners())
        self.policy = policy
        self.rules = Rules(**rules)

    def __getitem__(self, name: str) -> Target:
        return next(one for one in self.targets if one.name == name)

    def attempts(self, request: ChatRequest = HI) -> Generator[Attempt[ChatRequest], None, None]:
        return cast(
            "Generator[Attempt[ChatRequest], None, None]", attempts(self.state, self.policy, self.rules, request)
        )

    def call(
        self, outcomes: Mapping[str, BackendError | None], request: ChatRequest = HI, seconds: float = 0.0
    ) -> Tries:
        """Make a call; the target of that name ends so (`None`: it answers), each after so many seconds."""
        return self.play(outcomes.get, request, seconds)

    def play(
        self, outcome: Callable[[str], BackendError | None], request: ChatRequest = HI, seconds: float = 0.0
    ) -> Tries:
        tried = Tries()
        try:
            for attempt in self.attempts(request):
                with attempt:
                    self.clock.pass_(attempt.delay)
                    tried.waits.append(attempt.delay)
                    if attempt.target is not None:
                        tried.names.append(attempt.target.name)
                        self.clock.pass_(seconds)
                        if (error := outcome(attempt.target.name)) is not None:
                            raise error
                        attempt.done(tried.finish)
        except BackendError as error:
            tried.error = error
        return tried


class Tries:
    """What became of a call: whom it tried, after which waits, and how it ended."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.waits: list[float] = []
        self.error: BackendError | None = None
        self.finish = Finish("stop")


def target(backend: Scripted, clock: FakeClock, rule: BreakerRule | None = None, weight: float = 1.0) -> Target:
    return Target(told(backend), backend.name, weight=weight, rule=rule or BreakerRule(), clock=clock)


def names(targets: Sequence[Target]) -> list[str]:
    return [one.name for one in targets]
