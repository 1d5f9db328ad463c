"""What is seen of a route: status and listeners, also under many threads."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shared_core import (
    BackendConnectionError,
    BreakerRule,
    ChatBackend,
    ChatRequest,
    Listeners,
    Policy,
    Router,
    ServerError,
    cheapest,
    fastest,
    in_order,
    least_busy,
    round_robin,
    two_choices,
    weighted,
)
from shared_core.routing.target import Target
from tests.halves import Half, half_named
from tests.routing.answering import HI
from tests.routing.scripted import FakeClock, Scripted

policies = pytest.mark.parametrize(
    "policy",
    [in_order, round_robin, weighted, least_busy, fastest, two_choices, cheapest],
    ids=lambda one: one.__name__,
)


@pytest.fixture(params=["sync", "async"])
def half(request: pytest.FixtureRequest) -> Iterator[Half]:
    with half_named(request.param) as half:
        yield half


def targets(route: Router) -> list[Target]:
    return list(route._state.targets)


def scripted(*said: Any, **settings: Any) -> Any:
    return Scripted(*said, **settings)


# --- seeing it -------------------------------------------------------------------------------------------------------


def test_status_tells_how_each_target_is(half: Half) -> None:
    clock = FakeClock()
    route = Router(
        [scripted(BackendConnectionError("gone"), name="a"), scripted(name="b")], policy=in_order, clock=clock
    )
    half.chat(route, HI)
    a, b = route.status()
    assert (a.name, a.state, a.calls, a.failures, a.in_flight) == ("a/m", "open", 1, 1, 0)
    assert a.last_error == "BackendConnectionError: gone"
    assert 4.5 <= a.ready_in <= 5.5
    assert (b.state, b.calls, b.failures, b.ready_in, b.last_error) == ("closed", 1, 0, 0.0, None)
    assert repr(targets(route)[0]) == "<target a/m, open>"


def test_listeners_hear_what_happens(half: Half) -> None:
    heard: list[Any] = []
    listeners = Listeners(
        on_attempt=lambda name: heard.append(("attempt", name)),
        on_failure=lambda name, error: heard.append(("failure", name, str(error))),
        on_failover=lambda name, to: heard.append(("failover", name, to)),
        on_open=lambda name: heard.append(("open", name)),
        on_close=lambda name: heard.append(("close", name)),
    )
    clock = FakeClock()
    dying = scripted(BackendConnectionError("gone"), "back", name="a")
    route = Router([dying, scripted(name="b")], policy=in_order, listeners=listeners, clock=clock)
    half.chat(route, HI)
    clock.pass_(6.0)
    half.chat(route, HI)
    assert heard == [
        ("attempt", "a/m"),
        ("failure", "a/m", "gone"),
        ("open", "a/m"),
        ("failover", "a/m", "b/m"),
        ("attempt", "b/m"),
        ("attempt", "a/m"),
        ("close", "a/m"),
    ]


@pytest.mark.parametrize("event", ["on_attempt", "on_failure", "on_failover", "on_open", "on_close"])
def test_a_listener_that_raises_leaves_nothing_behind(half: Half, event: str) -> None:
    def raise_(*_: object) -> None:
        raise ZeroDivisionError

    clock = FakeClock()
    dying = scripted(BackendConnectionError("gone"), "back", name="a")
    route = Router([dying, scripted(name="b")], policy=in_order, listeners=Listeners(**{event: raise_}), clock=clock)
    raised = 0
    for _ in range(2):
        try:
            half.chat(route, HI)
        except ZeroDivisionError:
            raised += 1
        clock.pass_(6.0)
    assert raised >= 1
    assert [(one.in_flight, one.breaker.is_probing) for one in targets(route)] == [(0, False), (0, False)]


# --- many threads ----------------------------------------------------------------------------------------------------


@policies
def test_counts_add_up_under_many_threads(policy: Policy) -> None:
    lock, asked = threading.Lock(), Counter[str]()

    def answers(name: str) -> Callable[[], str]:
        def answer() -> str:
            with lock:
                asked[name] += 1
                if name == "c" and asked[name] % 3 == 0:
                    raise ServerError("every third")
            return "well"

        return answer

    route = Router(
        [scripted(answers(name), name=name) for name in "abc"],
        policy=policy,
        breaker=BreakerRule(rest=0.0, consecutive=9),
    )

    def ask(number: int) -> None:
        if number % 3 == 0:
            assert route.chat(HI).text == "well"
        elif number % 3 == 1:
            assert len(list(route.stream(HI))) == 2
        else:
            stream = route.stream(HI)
            next(stream)
            stream.close()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, range(900)))
    status = {one.name[0]: one for one in route.status()}
    assert {name: one.calls for name, one in status.items()} == {name: asked[name] for name in "abc"}
    assert status["c"].failures == asked["c"] // 3
    assert sum(asked.values()) == 900 + status["c"].failures
    assert [one.in_flight for one in status.values()] == [0, 0, 0]


def test_a_backend_of_ones_own_needs_no_base_class() -> None:
    backend: ChatBackend = scripted()
    request: ChatRequest = HI
    assert isinstance(Router([scripted()]), ChatBackend)
    assert backend.chat(request).text == "hello"
