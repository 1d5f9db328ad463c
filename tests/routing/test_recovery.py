"""Probes under many callers, and calls that go away, over real sockets."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shared_core import (
    EmbedRequest,
    Router,
    in_order,
)
from shared_core.routing.target import Target
from tests.halves import Half, half_named
from tests.raw_server import RawServer, Received, Script, Step, completion, serving, whole
from tests.routing.answering import HI, places, says, vllm
from tests.routing.scripted import Scripted


@pytest.fixture(params=["sync", "async"])
def half(request: pytest.FixtureRequest) -> Iterator[Half]:
    with half_named(request.param) as half:
        yield half


def targets(route: Router) -> list[Target]:
    return list(route._state.targets)


def scripted(*said: Any, **settings: Any) -> Any:
    return Scripted(*said, **settings)


# --- probes ----------------------------------------------------------------------------------------------------------


class Gate:
    """A place that holds its first request until all callers have begun, and counts those that came before that."""

    def __init__(self, callers: int) -> None:
        self._callers = callers
        self._begun = 0
        self._lock = threading.Lock()
        self._all_begun = threading.Event()
        self.before: int | None = None
        self.server: RawServer

    def policy(self, request: Any, over: Any) -> Any:
        with self._lock:
            self._begun += 1
            if self._begun == self._callers:
                self._all_begun.set()
        return over

    def answer(self, request: Received) -> Iterator[Step]:
        if self.before is None:
            self.before = 0
            yield self._all_begun
            self.before = len(self.server.received)
        yield whole(completion(content="well"))


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate(200)
    with serving(gate.answer) as gate.server:
        yield gate


def half_open(gate: Gate) -> Router:
    route = Router([vllm(gate.server)], policy=gate.policy)
    targets(route)[0].breaker.open(0.0)
    return route


def test_of_200_threads_one_probes_the_only_target_and_all_get_answers(gate: Gate) -> None:
    route = half_open(gate)
    with ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(lambda _: route.chat(HI).text, range(200)))
    assert (gate.before, set(answers)) == (1, {"well"})
    assert (route.status()[0].state, route.status()[0].in_flight) == ("closed", 0)


async def test_of_200_tasks_one_probes_the_only_target_and_all_get_answers(gate: Gate) -> None:
    route = half_open(gate)
    answers = await asyncio.gather(*(route.achat(HI) for _ in range(200)))
    assert (gate.before, {answer.text for answer in answers}) == (1, {"well"})
    assert (route.status()[0].state, route.status()[0].in_flight) == ("closed", 0)


def test_of_200_threads_one_probes_while_the_others_go_elsewhere(gate: Gate) -> None:
    with places(says("other")) as (other,):
        route = Router([vllm(gate.server), vllm(other)], policy=gate.policy)
        targets(route)[0].breaker.open(0.0)
        with ThreadPoolExecutor(200) as pool:
            answers = Counter(pool.map(lambda _: route.chat(HI).text, range(200)))
        assert gate.before == 1
        assert answers["other"] > 150


def test_who_waits_for_a_probe_goes_himself_in_the_end(half: Half) -> None:
    route = Router([scripted("four")], longest_wait=0.1)
    breaker = targets(route)[0].breaker
    for ask in (half.chat, half.events):
        breaker.open(0.0)
        breaker.enter("another call, which never ends")
        ask(route, HI)
    breaker.open(0.0)
    breaker.enter("another call, which never ends")
    assert half.embed(route, EmbedRequest(texts=("x",))).vectors == [[4.0]]
    assert (breaker.state, targets(route)[0].in_flight) == ("closed", 0)


# --- going away ------------------------------------------------------------------------------------------------------


def hold(release: threading.Event) -> Script:
    return lambda _: [release, whole(completion(content="late"))]


@pytest.mark.parametrize("call", ["achat", "astream"])
async def test_a_cancelled_call_hangs_up_and_frees_its_target(call: str) -> None:
    with serving(hold(threading.Event())) as server:
        route = Router([vllm(server)])
        targets(route)[0].breaker.open(0.0)

        async def ask() -> None:
            if call == "achat":
                await route.achat(HI)
            else:
                async for _ in route.astream(HI):
                    pass

        task = asyncio.ensure_future(ask())
        while not server.received:  # noqa: ASYNC110 - a thread receives it
            await asyncio.sleep(0.001)
        assert targets(route)[0].in_flight == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert server.hung_up.wait(10)
    assert targets(route)[0].in_flight == 0
    assert targets(route)[0].breaker.is_ready


async def test_a_call_that_is_cancelled_in_its_delay_frees_its_target() -> None:
    backend = scripted()
    route = Router([backend])
    target = targets(route)[0]
    target.paused_until = route._clock() + 5.0
    for call in (route.achat(HI), route.aembed(EmbedRequest(texts=("x",))), anext(route.astream(HI))):
        task = asyncio.ensure_future(call)
        while not target.in_flight:  # noqa: ASYNC110 - a few turns of the loop
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert target.in_flight == 0
    assert backend.asked == []


def test_a_stream_that_is_closed_frees_its_target(half: Half) -> None:
    with places(says("one", "two", "three")) as (server,):
        route = Router([vllm(server)])
        half.first_event(route, HI)
        assert targets(route)[0].in_flight == 0


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_what_is_no_backends_error_passes_and_frees_the_target(half: Half, error: type[BaseException]) -> None:
    for ask in (half.chat, half.events):
        other = scripted()
        route = Router([scripted(error()), other], policy=in_order)
        if isinstance(error(), KeyboardInterrupt) and type(half).__name__ == "AsyncHalf":
            continue  # asyncio raises it out of its loop, around the task
        with pytest.raises(error):
            ask(route, HI)
        assert (targets(route)[0].in_flight, other.asked) == (0, [])
