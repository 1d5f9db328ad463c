"""Bounds on waits, over real sockets: the deadline of a call, a first token that is late, a stream that stalls."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import pytest

from shared_core import (
    AllBackendsFailedError,
    BackendTimeoutError,
    EmbedRequest,
    Event,
    RateLimitError,
    Router,
    ServerError,
    TextDelta,
    in_order,
)
from tests.halves import Half, half_named
from tests.raw_server import STREAM_HEAD, Received, Script, Step, delta, serving, sse
from tests.routing.answering import HI, places, refuses, says, text, text_of, vllm
from tests.routing.scripted import Scripted

LATE = 0.15
"""Seconds that are too long for a test's route, and yet short."""
TEXTS = EmbedRequest(texts=("x",))
modes = pytest.mark.parametrize("mode", ["chat", "stream"])


@pytest.fixture(params=["sync", "async"])
def half(request: pytest.FixtureRequest) -> Iterator[Half]:
    with half_named(request.param) as half:
        yield half


@pytest.fixture
def over() -> Iterator[threading.Event]:
    """Set when the test is over: no server goes on after it."""
    event = threading.Event()
    yield event
    event.set()


def trickles(over: threading.Event) -> Script:
    """Sends a byte at a time, and never an end: each wait is short, and there is always another."""

    def script(request: Received) -> Iterator[Step]:
        yield b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n"
        while not over.wait(0.01):
            yield b" "

    return script


def silent(over: threading.Event) -> Script:
    return lambda _: [over]


def stalls(over: threading.Event, *pieces: str) -> Script:
    """A stream that stops without an end."""
    return lambda _: [*sse(*(delta(content=piece) for piece in pieces), done=False)[:-1], over]


def talks(over: threading.Event) -> Script:
    """A stream that never ends."""

    def script(request: Received) -> Iterator[Step]:
        yield STREAM_HEAD
        while not over.wait(0.01):
            yield from sse(delta(content="on and on "), done=False)[1:-1]

    return script


def closed_after(route: Router) -> list[str]:
    return [one.state for one in route.status()]


# --- the deadline ----------------------------------------------------------------------------------------------------


@modes
@pytest.mark.parametrize("script", [trickles, silent])
def test_the_deadline_ends_an_answer_that_does_not_come(
    half: Half, mode: str, script: Any, over: threading.Event
) -> None:
    with serving(script(over)) as server:
        route = Router([vllm(server)], deadline=LATE)
        with pytest.raises(BackendTimeoutError, match=r"the deadline of 0\.15 s for the whole call is over"):
            text(half, route, HI, mode)
        assert len(server.received) == 1
        assert closed_after(route) == ["open"]


@pytest.mark.parametrize("script", [trickles, silent])
@pytest.mark.parametrize("deadline", [None, 60.0])
def test_an_answer_that_takes_too_long_is_asked_for_elsewhere(
    half: Half, script: Any, deadline: float | None, over: threading.Event
) -> None:
    with serving(script(over)) as slow, places(says("here")) as (good,):
        route = Router([vllm(slow), vllm(good)], policy=in_order, answer_timeout=LATE, deadline=deadline)
        response = half.chat(route, HI)
    assert response.text == "here"
    assert "the answer was not whole after 0.15 s" in response.finish.metadata["attempts"][0]["error"]


def test_the_deadline_ends_vectors_that_do_not_come(half: Half, over: threading.Event) -> None:
    with serving(trickles(over)) as server, pytest.raises(BackendTimeoutError, match=r"the deadline of 0\.15 s"):
        half.embed(Router([vllm(server)], deadline=LATE), TEXTS)


@modes
def test_the_deadline_is_over_all_attempts(half: Half, mode: str, over: threading.Event) -> None:
    with places(refuses(500), silent(over), says("too late")) as (bad, dead, good):
        route = Router([vllm(bad), vllm(dead), vllm(good)], policy=in_order, deadline=LATE)
        with pytest.raises(AllBackendsFailedError, match=r"the deadline of 0\.15 s for the whole call is over"):
            text(half, route, HI, mode)
        assert [len(server.received) for server in (bad, dead, good)] == [1, 1, 0]


def test_the_deadline_ends_a_stream_that_goes_on_and_on(half: Half, over: threading.Event) -> None:
    events: list[Event] = []
    with serving(talks(over)) as server:
        route = Router([vllm(server)], deadline=LATE)
        with pytest.raises(BackendTimeoutError, match=r"the deadline of 0\.15 s for the whole call is over"):
            half.events(route, HI, into=events)
        assert server.hung_up.wait(10)
    assert text_of(events).startswith("on and on ")
    assert closed_after(route) == ["closed"]


@modes
def test_what_is_in_time_is_answered(half: Half, mode: str) -> None:
    with places(refuses(500), says("in ", "time")) as (bad, good):
        route = Router([vllm(bad), vllm(good)], policy=in_order, deadline=60.0, first_token_timeout=50.0)
        assert text(half, route, HI, mode) == "in time"


def test_vectors_that_are_in_time(half: Half) -> None:
    assert half.embed(Router([scripted("four")], deadline=60.0), TEXTS).vectors == [[4.0]]


def scripted(*said: Any) -> Any:
    return Scripted(*said)


# --- waits within a stream -------------------------------------------------------------------------------------------


def test_a_first_token_that_is_late_comes_from_elsewhere(half: Half, over: threading.Event) -> None:
    with places(silent(over), says("here")) as (slow, good):
        route = Router([vllm(slow), vllm(good)], policy=in_order, first_token_timeout=LATE)
        assert text(half, route, HI, "stream") == "here"
        assert closed_after(route) == ["open", "closed"]
        assert route.status()[0].last_error == "BackendTimeoutError: no piece of the answer came for 0.15 s"


def test_a_first_token_that_trickles_is_late_too(half: Half, over: threading.Event) -> None:
    with places(trickles(over), says("here")) as (slow, good):
        route = Router([vllm(slow), vllm(good)], policy=in_order, first_token_timeout=LATE)
        assert text(half, route, HI, "stream") == "here"


def test_a_stream_that_stalls_ends_with_an_error_and_no_text_twice(half: Half, over: threading.Event) -> None:
    events: list[Event] = []
    with places(stalls(over, "one ", "two "), says("other")) as (server, other):
        route = Router([vllm(server), vllm(other)], policy=in_order, chunk_timeout=LATE)
        with pytest.raises(BackendTimeoutError, match=r"no piece of the answer came for 0\.15 s"):
            half.events(route, HI, into=events)
        assert other.received == []
    assert text_of(events) == "one two "
    assert closed_after(route) == ["open", "closed"]


def test_the_first_token_may_take_longer_than_the_others(half: Half) -> None:
    with places(says("one ", "two")) as (server,):
        assert text(half, Router([vllm(server)], first_token_timeout=60.0), HI, "stream") == "one two"
        assert text(half, Router([vllm(server)], chunk_timeout=60.0), HI, "stream") == "one two"


def test_an_error_within_bounds_is_the_places_own(half: Half) -> None:
    route = Router([scripted(ServerError("on fire"))], retries=0, chunk_timeout=60.0, deadline=60.0)
    for ask in (half.chat, half.events):
        with pytest.raises(ServerError, match="on fire"):
            ask(route, HI)


def test_a_time_out_of_the_callers_own_code_is_not_taken_for_ours(half: Half) -> None:
    route = Router([scripted(TimeoutError("its own"))], deadline=60.0)
    for ask in (half.chat, half.events):
        with pytest.raises(TimeoutError, match="its own"):
            ask(route, HI)
    with pytest.raises(TimeoutError, match="its own"):
        half.embed(route, TEXTS)


def test_a_stream_that_is_closed_is_read_no_further(half: Half, over: threading.Event) -> None:
    with serving(talks(over)) as server:
        route = Router([vllm(server)], chunk_timeout=60.0)
        assert isinstance(half.first_event(route, HI), TextDelta)
        assert server.hung_up.wait(10)
    assert route.status()[0].in_flight == 0


async def test_a_stream_that_is_cancelled_within_bounds_hangs_up(over: threading.Event) -> None:
    with serving(stalls(over, "one ")) as server:
        stream = Router([vllm(server)], chunk_timeout=60.0, deadline=60.0).astream(HI)
        await anext(stream)
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert server.hung_up.wait(10)


VARIABLE: ContextVar[str] = ContextVar("variable")


def test_what_waits_in_a_thread_sees_the_callers_context() -> None:
    VARIABLE.set("the caller's")
    for route in (
        Router([scripted(VARIABLE.get)], deadline=60.0),
        Router([scripted(VARIABLE.get)], chunk_timeout=60.0),
    ):
        assert text(half_sync(), route, HI, "chat") == text(half_sync(), route, HI, "stream") == "the caller's"


def half_sync() -> Half:
    with half_named("sync") as half:
        return half


def test_a_wait_that_a_place_asks_for_ends_before_the_deadline(half: Half) -> None:
    route = Router([scripted(RateLimitError("slow down", retry_after=5.0))], deadline=2.0)
    with pytest.raises(AllBackendsFailedError, match="asked for a wait of 5 s"):
        half.chat(route, HI)
