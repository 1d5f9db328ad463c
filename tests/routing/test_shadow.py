"""The shadow: it gets a copy, and whatever becomes of that, the real call knows nothing of it."""

from __future__ import annotations

import asyncio
import copy
import gc
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from shared_core import (
    Capabilities,
    ChatResponse,
    EmbedRequest,
    Hedged,
    Listeners,
    Router,
    ServerError,
    TargetStatus,
    Tool,
    in_order,
)
from tests.halves import Half, half_named
from tests.raw_server import RawServer, Received, Step, whole
from tests.routing.answering import HI, places, refuses, says, text, vllm

PATIENCE = 60.0
"""Seconds after which a test has failed."""

modes = pytest.mark.parametrize("mode", ["chat", "stream"])


@pytest.fixture(params=["sync", "async"])
def half(request: pytest.FixtureRequest) -> Iterator[Half]:
    with half_named(request.param) as one:
        yield one


def settle(half: Half) -> None:
    """Wait until the copies are through."""
    for thread in threading.enumerate():
        if thread.name == "shadow":
            thread.join(PATIENCE)
            assert not thread.is_alive()
    if hasattr(half, "_runner"):
        half._runner.run(_all_tasks())


async def _all_tasks() -> None:
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})


def shadowed(real: RawServer, shadow: Any, **settings: Any) -> Router:
    return Router([vllm(real)], shadow=shadow, **settings)


def of_shadow(route: Router) -> TargetStatus:
    return route.status()[-1]


@modes
def test_it_gets_what_the_route_gets(half: Half, mode: str) -> None:
    with places(says("real"), says("one ", "two")) as (real, other):
        route = shadowed(real, vllm(other, "tried"))
        assert text(half, route, HI, mode) == "real"
        settle(half)
        asked, copied = real.received[0].json, other.received[0].json
        assert {**asked, "model": "tried"} == copied
        status = of_shadow(route)
        assert status.name == "vllm/tried (shadow)"
        assert (status.calls, status.failures, status.in_flight, status.skipped) == (1, 0, 0, 0)
        assert status.first_token is not None


def test_a_task_that_is_on_its_way_is_referred_to() -> None:
    with places(says("real"), says("shadow")) as (real, other):
        route = shadowed(real, vllm(other))

        async def run() -> None:
            await route.achat(HI)
            gc.collect()  # what only the event loop's weak references hold would be gone
            await _all_tasks()

        asyncio.run(run())
        assert (of_shadow(route).calls, of_shadow(route).failures, of_shadow(route).in_flight) == (1, 0, 0)
        assert of_shadow(route).first_token is not None


@modes
def test_its_failure_is_told_and_counted(half: Half, mode: str) -> None:
    told: list[tuple[str, Exception]] = []
    listeners = Listeners(on_shadow_failure=lambda name, error: told.append((name, error)))
    with places(says("real"), refuses(500)) as (real, other):
        route = shadowed(real, vllm(other), listeners=listeners)
        assert text(half, route, HI, mode) == "real"
        settle(half)
        assert [(name, type(error)) for name, error in told] == [("vllm/m (shadow)", ServerError)]
        status = of_shadow(route)
        assert (status.failures, status.in_flight, status.state) == (1, 0, "closed")
        assert status.last_error is not None
        assert status.last_error.startswith("ServerError: ")


class Faulty:
    """A backend with a defect of its own."""

    name, model, capabilities = "faulty", "m", Capabilities()

    def chat(self, _: object) -> ChatResponse:
        raise ZeroDivisionError

    async def achat(self, _: object) -> ChatResponse:
        raise ZeroDivisionError


def test_nobody_need_listen_and_whatever_it_raises_stays_there(half: Half) -> None:
    with places(says("real")) as (real,):
        route = shadowed(real, Faulty())
        assert text(half, route, HI, "chat") == "real"
        settle(half)
        assert of_shadow(route).last_error == "ZeroDivisionError: "


@modes
def test_nothing_waits_for_it_and_only_four_are_on_their_way(half: Half, mode: str) -> None:
    released = threading.Event()

    def held(request: Received) -> Iterator[Step]:
        yield released
        yield from says("late")(request)

    with places(says("real"), held) as (real, other):
        route = shadowed(real, vllm(other))
        assert [text(half, route, HI, mode) for _ in range(7)] == ["real"] * 7
        status = of_shadow(route)
        assert (status.calls, status.in_flight, status.skipped) == (4, 4, 3)
        released.set()
        settle(half)
        assert len(other.received) == 4
        assert (of_shadow(route).in_flight, of_shadow(route).failures) == (0, 0)


def test_it_is_read_to_its_end_though_the_caller_leaves(half: Half) -> None:
    with places(says("one ", "two"), says("one ", "two")) as (real, other):
        route = shadowed(real, vllm(other))
        half.first_event(route, HI)
        settle(half)
        assert not other.hung_up.is_set()
        assert (of_shadow(route).failures, of_shadow(route).in_flight) == (0, 0)


def test_what_it_cannot_serve_it_does_not_get(half: Half) -> None:
    toolless: Any = Faulty()
    toolless.capabilities = Capabilities(tools=False)
    with places(says("real")) as (real,):
        route = shadowed(real, toolless)
        assert text(half, route, HI.model_copy(update={"tools": (Tool(name="t"),)}), "chat") == "real"
        settle(half)
        assert (of_shadow(route).calls, of_shadow(route).skipped) == (0, 1)


def test_a_copy_that_is_cut_off_with_its_event_loop_is_over() -> None:
    never = threading.Event()

    def held(_: Received) -> Iterator[Step]:
        yield never

    with places(says("real"), held) as (real, other):
        route = shadowed(real, vllm(other))
        with half_named("async") as half:
            assert text(half, route, HI, "chat") == "real"
        assert of_shadow(route).in_flight == 0
        never.set()


def test_embeddings_have_no_shadow(half: Half) -> None:
    reply = {"data": [{"index": 0, "embedding": [1.0]}], "model": "m"}
    with places(lambda _: [whole(reply)], lambda _: [whole(reply)]) as (real, other):
        half.embed(shadowed(real, vllm(other)), EmbedRequest(texts=("Hi",)))
        settle(half)
        assert other.received == []


def test_a_hedged_call_is_copied_once(half: Half) -> None:
    never = threading.Event()

    def held(_: Received) -> Iterator[Step]:
        yield never

    with places(held, says("second"), says("shadow")) as (first, second, other):
        route = Router([vllm(first), vllm(second)], policy=in_order, shadow=vllm(other))
        assert text(half, Hedged(route, after=0.0, budget=1.0), HI, "stream") == "second"
        never.set()
        settle(half)
        assert len(other.received) == 1


def test_copies_of_the_route_have_it_too() -> None:
    route = copy.deepcopy(Router(["vllm/m"], shadow="vllm/n"))
    assert [one.name for one in route.status()] == ["vllm/m", "vllm/n (shadow)"]
