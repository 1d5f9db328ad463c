"""A target that is dead is left alone, asked once whether it is back, and never holds up the calls of others."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from shared_core import (
    BackendConnectionError,
    Capabilities,
    ChatRequest,
    ChatResponse,
    Finish,
    Router,
    TextDelta,
    fold,
)
from shared_core.routing import BreakerRule, Policy, in_order, round_robin
from tests.halves import Half, half_named
from tests.raw_server import Step
from tests.routing.fault_calls import HI, LONG, Came, Clock, ask, playing, target, targets, text_of
from tests.routing.fault_server import FAULTS, HEALTHY, REFUSED, Fault, FaultServer, Mode
from tests.routing.fault_speech import PIECES, TEXT, Speech

# --- a dead target is avoided --------------------------------------------------------------------------------------


class Custom:
    """A backend that nobody registered: it answers, or is dead."""

    name, model, capabilities = "custom", "m", Capabilities()

    def __init__(self, server: FaultServer) -> None:
        self.dead = server.fault is REFUSED

    def with_model(self, model: str) -> Custom:
        return self

    def chat(self, request: ChatRequest) -> ChatResponse:
        return fold(self.stream(request))

    def stream(self, request: ChatRequest) -> Any:
        if self.dead:
            raise BackendConnectionError("nobody is there", backend="custom")
        yield TextDelta(TEXT)
        yield Finish("stop")

    async def achat(self, request: ChatRequest) -> ChatResponse:
        return self.chat(request)

    async def astream(self, request: ChatRequest) -> Any:
        for event in self.stream(request):
            yield event


CALLS = 60
PLACES = ("groq", "ollama", "vllm", "openai_compatible", "llama_server", "custom")


@pytest.mark.parametrize("mode", ["chat", "stream"])
@pytest.mark.parametrize("policy", [None, in_order, round_robin], ids=lambda one: one and one.__name__)
@pytest.mark.parametrize("place", PLACES)
def test_a_dead_target_fails_one_call_of_sixty(half: Half, place: str, policy: Policy | None, mode: Mode) -> None:
    with playing(REFUSED, HEALTHY) as servers:
        both: list[Any] = [Custom(one) if place == "custom" else target(one, mode, place) for one in servers]
        # Nobody asks again whether it is back, however slow the machine.
        route = Router(both, policy=policy, max_attempts=1, breaker=BreakerRule(shortest=LONG))
        came = [ask(half, route, mode) for _ in range(CALLS)]
    failed = [one for one in came if one.error is not None]
    assert all(one == Came(TEXT) for one in came if one not in failed)
    assert len(failed) <= 1


# --- one probe -----------------------------------------------------------------------------------------------------

CALLERS = 200


@dataclass
class Recovering:
    """A target that fails until it `recovers`; then it holds its first answer back until it is `released`."""

    released: threading.Event = field(default_factory=threading.Event)

    def _late(self, answer: Iterable[Step]) -> Iterator[Step]:
        yield self.released
        yield from answer

    def healthy(self) -> Fault:
        def chat(speech: Speech) -> Iterable[Step]:
            return self._late(HEALTHY.chat(speech) if HEALTHY.chat else [])

        def stream(speech: Speech) -> Iterable[Step]:
            return self._late(HEALTHY.stream(speech) if HEALTHY.stream else [])

        return Fault("recovering", chat, stream)


@contextmanager
def half_open() -> Iterator[tuple[Router, FaultServer, Recovering]]:
    """A route whose first target has failed long enough ago to be asked again, and is back; the second is healthy."""
    clock, recovering = Clock(), Recovering()
    with playing(FAULTS["503"], HEALTHY) as (first, second):
        route = Router(targets([first, second], "chat"), policy=in_order, retries=0, clock=clock)
        for _ in range(BreakerRule().consecutive):
            assert route.chat(HI).text == TEXT
            clock.now += 2.0  # after which it may be called again, if it is not given up
        assert route.status()[0].state == "open"
        first.fault = recovering.healthy()
        clock.now += 1_000.0
        try:
            yield route, first, recovering
        finally:
            recovering.released.set()
        # It is back, and takes calls again.
        assert route.status()[0].state == "closed"
        asked = first.requests
        assert route.chat(HI).text == TEXT
        assert first.requests == asked + 1


@pytest.mark.parametrize("mode", ["chat", "stream"])
def test_one_probe_of_two_hundred_threads(mode: Mode) -> None:
    with half_open() as (route, first, recovering), half_named("sync") as half, ThreadPoolExecutor(CALLERS) as pool:
        before, barrier = first.requests, threading.Barrier(CALLERS)

        def call() -> Came:
            barrier.wait()
            return ask(half, route, mode)

        pending = {pool.submit(call) for _ in range(CALLERS)}
        done = set()
        while len(pending) > 1:  # all but the probe, which is held
            finished, pending = wait(pending, return_when=FIRST_COMPLETED)
            done |= finished
        recovering.released.set()
        assert [one.result() for one in done | pending] == [Came(TEXT)] * CALLERS
        assert first.requests == before + 1


async def ask_async(route: Router, mode: Mode) -> str:
    if mode == "chat":
        return (await route.achat(HI)).text
    return text_of([event async for event in route.astream(HI)])


@pytest.mark.parametrize("mode", ["chat", "stream"])
def test_one_probe_of_two_hundred_tasks(mode: Mode) -> None:
    with half_open() as (route, first, recovering):
        before = first.requests

        async def call_all() -> list[str]:
            pending = {asyncio.create_task(ask_async(route, mode)) for _ in range(CALLERS)}
            done: set[asyncio.Task[str]] = set()
            while len(pending) > 1:
                finished, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                done |= finished
            recovering.released.set()
            return [await one for one in done | pending]

        assert asyncio.run(call_all()) == [TEXT] * CALLERS
        assert first.requests == before + 1


# --- a stream that nobody closes -----------------------------------------------------------------------------------


class Collecting(Clock):
    """Lets the garbage collector run wherever the route asks for the time, as it may anywhere."""

    def __call__(self) -> float:
        gc.collect()
        return super().__call__()


def call_beside_dropped_streams(route: Router, done: threading.Event) -> None:
    for _ in range(3):
        left: list[Any] = [route.stream(HI)]
        assert next(left[0]) == TextDelta(PIECES[0])
        left.append(left)  # a cycle: only the collector finds it
        del left
        assert route.chat(HI).text == TEXT
    gc.collect()
    assert [one.in_flight for one in route.status()] == [0]
    done.set()


@pytest.fixture
def little_to_collect() -> Iterator[None]:
    """Whatever other tests have left is looked through no more: many collections then take no time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("little_to_collect")
def test_a_stream_may_be_collected_in_the_middle_of_any_call() -> None:
    with playing(HEALTHY) as servers:
        route, done = Router(targets(servers, "stream"), clock=Collecting()), threading.Event()
        # In a thread of its own, because one that waits for a lock which it holds itself never ends.
        thread = threading.Thread(target=call_beside_dropped_streams, args=(route, done), daemon=True)
        thread.start()
        thread.join(60)
        assert done.is_set()
