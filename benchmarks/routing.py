"""Measures what routing costs: a decision among ten targets, and the CPU time it adds to a call.

    python benchmarks/routing.py

A decision is everything between a request and the target that gets it. What routing adds to a call, the book-keeping
after the answer included, is measured over a backend that answers at once.
Times are CPU time of this process, median and minimum of many batches; the minimum is what the code costs, the median
what it costs on this machine at this moment.
"""

# ruff: noqa: D102, ARG002 - the methods of a protocol, which ignore what they are asked

from __future__ import annotations

import asyncio
import platform
import statistics
import sys
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from dataclasses import dataclass, field
from functools import partial
from typing import Self, TypeAlias

from shared_core import (
    Capabilities,
    ChatBackend,
    ChatRequest,
    ChatResponse,
    EmbedRequest,
    EmbedResponse,
    Event,
    Finish,
    Message,
    Policy,
    Router,
    TextDelta,
    Tool,
    cheapest,
    fastest,
    in_order,
    least_busy,
    round_robin,
    two_choices,
    weighted,
)
from shared_core.routing.attempts import attempts

TARGETS = 10
BATCHES, CALLS = 200, 50
DECISION_BOUND, CALL_BOUND = 20.0, 40.0
"""Microseconds."""
_Calls: TypeAlias = Callable[[ChatBackend], Coroutine[None, None, None]]
POLICIES: tuple[Policy, ...] = (in_order, round_robin, weighted, least_busy, fastest, two_choices, cheapest)

SHORT = ChatRequest(messages=(Message(role="user", parts="What is the capital of France?"),))
LONG = ChatRequest(
    messages=tuple(
        Message(role=role, parts="Some text of the usual length of a turn in a conversation. " * 8)
        for role in ("system", *("user", "assistant") * 10, "user")
    ),
    tools=tuple(Tool(name=f"tool_{at}", description="Looks something up, somewhere.") for at in range(5)),
    max_tokens=500,
)


CAN = Capabilities(tools=True, context_window=131_072)


@dataclass(frozen=True)
class Immediate:
    """A backend that answers at once."""

    model: str = "m"
    name: str = "immediate"
    capabilities: Capabilities = field(default_factory=lambda: CAN)

    def with_model(self, model: str) -> Self:
        return type(self)(model)

    def chat(self, request: ChatRequest) -> ChatResponse:
        return ChatResponse("Paris.", Finish("stop"))

    async def achat(self, request: ChatRequest) -> ChatResponse:
        return ChatResponse("Paris.", Finish("stop"))

    def stream(self, request: ChatRequest) -> Generator[Event, None, None]:
        yield TextDelta("Paris.")
        yield Finish("stop")

    async def astream(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        yield TextDelta("Paris.")
        yield Finish("stop")

    def embed(self, request: EmbedRequest) -> EmbedResponse:
        return EmbedResponse([[0.0]])

    async def aembed(self, request: EmbedRequest) -> EmbedResponse:
        return EmbedResponse([[0.0]])


def main() -> int:
    """Print the tables; 1 if a bound does not hold."""
    print(f"Python {platform.python_version()}, {TARGETS} targets; CPU time in microseconds")
    print("\n| a decision | median | minimum |\n|---|---:|---:|")
    worst = max(_decision(policy, request, name) for name, request in _requests() for policy in POLICIES)
    print("\n| a call, added by routing | median | minimum |\n|---|---:|---:|")
    added = max(_added(name, request) for name, request in _requests())
    print(f"\nworst minimum: decision {worst:.1f} of {DECISION_BOUND:.0f}, call {added:.1f} of {CALL_BOUND:.0f}")
    return int(worst > DECISION_BOUND or added > CALL_BOUND)


def _requests() -> tuple[tuple[str, ChatRequest], ...]:
    return ("one turn", SHORT), (f"{len(LONG.messages)} turns, {len(LONG.tools)} tools", LONG)


def _route(policy: Policy) -> Router:
    return Router([Immediate() for _ in range(TARGETS)], policy=policy)


def _decision(policy: Policy, request: ChatRequest, name: str) -> float:
    """With some calls under way, and each target known from calls before."""
    route = _route(policy)
    for _ in range(100):
        route.chat(request)
    took = []
    for _ in range(BATCHES):
        begin = time.process_time_ns()
        tries = [attempts(route._state, route._policy, route._rules, request) for _ in range(CALLS)]  # noqa: SLF001
        for one in tries:
            next(one)
        took.append((time.process_time_ns() - begin) / CALLS / 1000)
        del tries, one  # which ends the calls, untimed
    return _row(f"`{policy.__name__}`, {name}", took)


def _added(name: str, request: ChatRequest) -> float:
    route, bare = _route(two_choices), Immediate()

    async def achats(backend: ChatBackend) -> None:
        for _ in range(CALLS):
            await backend.achat(request)

    async def astreams(backend: ChatBackend) -> None:
        for _ in range(CALLS):
            async for _event in backend.astream(request):
                pass

    def streams(backend: ChatBackend) -> None:
        for _event in backend.stream(request):
            pass

    worst = _row(f"`chat`, {name}", _over(lambda one: _batches(lambda: one.chat(request)), route, bare))
    worst = max(worst, _row(f"`stream`, {name}", _over(lambda one: _batches(lambda: streams(one)), route, bare)))
    with asyncio.Runner() as runner:
        for kind, calls in (("achat", achats), ("astream", astreams)):
            timed = _over(partial(_awaited, runner, calls), route, bare)
            worst = max(worst, _row(f"`{kind}`, {name}", timed))
    return worst


def _awaited(runner: asyncio.Runner, calls: _Calls, backend: ChatBackend) -> list[float]:
    return _batches(lambda: runner.run(calls(backend)), 1)


def _over(measure: Callable[[ChatBackend], list[float]], route: Router, bare: Immediate) -> list[float]:
    """What the route costs beyond the backend that it calls."""
    least = min(measure(bare))
    return [seconds - least for seconds in measure(route)]


def _batches(call: Callable[[], object], calls: int = CALLS) -> list[float]:
    """Microseconds of one call, for each batch of them."""
    for _ in range(3 * calls):
        call()
    took = []
    for _ in range(BATCHES):
        begin = time.process_time_ns()
        for _ in range(calls):
            call()
        took.append((time.process_time_ns() - begin) / CALLS / 1000)
    return took


def _row(name: str, took: list[float]) -> float:
    least = min(took)
    print(f"| {name} | {statistics.median(took):.1f} | {least:.1f} |", flush=True)
    return least


if __name__ == "__main__":
    sys.exit(main())
