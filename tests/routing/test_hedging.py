"""Hedging: the answer that begins first is taken, the other call ends, and there are not many of them."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from shared_core import (
    AllBackendsFailedError,
    BackendError,
    ConfigurationError,
    EmbedRequest,
    Finish,
    Hedged,
    InvalidRequestError,
    Listeners,
    Router,
    ServerError,
    StreamInterruptedError,
    TextDelta,
    in_order,
)
from shared_core.routing.lanes import Lane
from shared_core.routing.lateness import Lateness
from tests.halves import Half, half_named
from tests.raw_server import Received, Script, Step, chunk, whole
from tests.routing.answering import HI, breaks_off, places, refuses, says, text, text_of, vllm

AT_ONCE: dict[str, Any] = {"after": 0.0, "budget": 1.0}
NEVER: dict[str, Any] = {"after": 3_600.0, "budget": 1.0}
PATIENCE = 60.0
"""Seconds after which a test has failed."""

modes = pytest.mark.parametrize("mode", ["chat", "stream"])


@pytest.fixture(params=["sync", "async"])
def half(request: pytest.FixtureRequest) -> Iterator[Half]:
    with half_named(request.param) as one:
        yield one


def held(event: threading.Event, then: Script) -> Script:
    """Says nothing before the event, not even a status."""

    def script(request: Received) -> Iterator[Step]:
        yield event
        yield from then(request)

    return script


def hedged(servers: list[Any], **settings: Any) -> Hedged:
    return Hedged(Router([vllm(one) for one in servers], policy=in_order, retries=0), **settings)


def marked(half: Half, route: Hedged, mode: str) -> Any:
    finish = half.chat(route, HI).finish if mode == "chat" else half.events(route, HI)[-1]
    assert isinstance(finish, Finish)
    return finish.metadata.get("hedged")


@modes
def test_a_first_token_in_time_is_not_hedged(half: Half, mode: str) -> None:
    with places(says("first"), says("second")) as servers:
        route = hedged(servers, **NEVER)
        assert text(half, route, HI, mode) == "first"
        assert marked(half, route, mode) is None
        assert servers[1].received == []


@modes
def test_a_late_one_is_taken_from_the_second_target(half: Half, mode: str) -> None:
    never = threading.Event()
    with places(held(never, says("first")), says("sec", "ond")) as (slow, quick):
        route = hedged([slow, quick], **AT_ONCE)
        assert text(half, route, HI, mode) == "second"
        if half_is_async(half):
            # The loser was cancelled: its connection is closed before it has said anything.
            assert slow.hung_up.wait(PATIENCE)
        assert marked(half, route, mode) == {"after": 0.0, "won": "second"}
        never.set()


def half_is_async(half: Half) -> bool:
    return type(half).__name__ == "AsyncHalf"


@modes
def test_the_first_may_still_win(half: Half, mode: str) -> None:
    asked, never = threading.Event(), threading.Event()

    def noticed(_: Received) -> Iterator[Step]:
        asked.set()
        yield never

    with places(held(asked, says("first")), noticed) as (first, second):
        route = hedged([first, second], **AT_ONCE)
        assert text(half, route, HI, mode) == "first"
        assert marked(half, route, mode) == {"after": 0.0, "won": "first"}
        never.set()


def test_a_sync_loser_is_closed_at_its_next_piece() -> None:
    go_on = threading.Event()

    def endless(_: Received) -> Iterator[Step]:
        yield go_on
        yield from says("first")(_)[:2]
        while True:
            yield chunk(b'data: {"choices":[{"index":0,"delta":{"content":"more"}}]}\n\n')

    with places(endless, says("second")) as (slow, quick), half_named("sync") as half:
        assert text(half, hedged([slow, quick], **AT_ONCE), HI, "stream") == "second"
        go_on.set()
        assert slow.hung_up.wait(PATIENCE)


def test_a_loser_that_fails_asks_nobody_else() -> None:
    fail = threading.Event()
    failed = threading.Event()

    def failing(request: Received) -> Iterator[Step]:
        yield fail
        yield from refuses(500)(request)

    with places(failing, says("second"), says("third")) as servers, half_named("sync") as half:
        route = Router(
            [vllm(one) for one in servers],
            policy=in_order,
            listeners=listening(failed),
        )
        assert text(half, Hedged(route, **AT_ONCE), HI, "stream") == "second"
        fail.set()
        assert failed.wait(PATIENCE)
        join_hedged(0, 1)
        assert [len(one.received) for one in servers] == [1, 1, 0]


def test_what_comes_of_the_loser_later_is_not_seen() -> None:
    fail, go_on = threading.Event(), threading.Event()

    def in_two(request: Received) -> Iterator[Step]:
        steps = says("sec", "ond")(request)
        yield from steps[:3]
        yield go_on
        yield from steps[3:]

    with places(held(fail, refuses(500)), in_two) as servers:
        stream = hedged(servers, **AT_ONCE).stream(HI)
        came = [next(stream)]
        fail.set()
        join_hedged(0)
        go_on.set()
        assert text_of([*came, *stream]) == "second"


def listening(failed: threading.Event) -> Listeners:
    return Listeners(on_failure=lambda *_: failed.set())


def join_hedged(*numbers: int) -> None:
    """Wait until these halves of sync calls run no more."""
    for thread in threading.enumerate():
        if thread.name in {f"hedged-{number}" for number in numbers}:
            thread.join(PATIENCE)
            assert not thread.is_alive()


@modes
def test_a_half_that_fails_leaves_the_call_to_the_other(half: Half, mode: str) -> None:
    asked = threading.Event()

    def noticed(request: Received) -> list[Step]:
        asked.set()
        return refuses(500)(request)

    with places(held(asked, says("first")), noticed) as servers:
        route = hedged(servers, **AT_ONCE)
        assert text(half, route, HI, mode) == "first"
        assert [len(one.received) for one in servers] == [1, 1]


def test_a_target_that_is_left_alone_is_no_second_one(half: Half) -> None:
    with places(refuses(401), says("first")) as (dead, slow):
        route = Router([vllm(dead), vllm(slow)], policy=in_order)
        assert text(half, route, HI, "chat") == "first"
        assert [one.state for one in route.status()] == ["open", "closed"]
        assert text(half, Hedged(route, **AT_ONCE), HI, "stream") == "first"
        assert (len(dead.received), len(slow.received)) == (1, 2)


def test_a_hedge_takes_ready_targets_that_the_first_half_has_not() -> None:
    first = Lane()
    hedge = Lane(beside=first, is_hedge=True)
    every: list[Any] = [SimpleNamespace(name=name) for name in "abc"]
    assert first.admit(every, lambda _: False) == every
    first.taken.add("a")
    assert hedge.admit(every, lambda target: target.name != "b") == every[2:]
    # Where the first half fails, it may try out what the hedge left.
    hedge.taken.add("c")
    first.beside = hedge
    assert first.admit(every, lambda _: False) == every[:2]
    hedge.is_off = True
    with pytest.raises(BackendError):
        hedge.admit(every, lambda _: True)


@modes
def test_where_both_fail_the_first_halfs_error_is_raised(half: Half, mode: str) -> None:
    asked = threading.Event()

    def noticed(request: Received) -> list[Step]:
        asked.set()
        return refuses(404)(request)

    with places(held(asked, refuses(500)), noticed) as servers:
        with pytest.raises(ServerError):
            text(half, hedged(servers, **AT_ONCE), HI, mode)
        assert [len(one.received) for one in servers] == [1, 1]


@modes
def test_a_failure_in_time_fails_over_within_the_route(half: Half, mode: str) -> None:
    with places(refuses(500), says("second")) as servers:
        route = hedged(servers, **NEVER)
        assert text(half, route, HI, mode) == "second"
        assert marked(half, route, mode) is None
    with places(refuses(500), refuses(500)) as servers, pytest.raises(AllBackendsFailedError):
        text(half, hedged(servers, **NEVER), HI, mode)


def test_after_the_first_token_a_stream_passes_its_error_through(half: Half) -> None:
    came: list[Any] = []
    with places(breaks_off("so ", "far"), says("second")) as servers:
        with pytest.raises(StreamInterruptedError):
            half.events(hedged(servers, **NEVER), HI, came)
        assert servers[1].received == []
    assert text_of(came) == "so far"


def test_after_the_first_token_a_whole_answer_goes_to_another_target(half: Half) -> None:
    with places(breaks_off("so ", "far"), says("second")) as servers:
        assert half.chat(hedged(servers, **NEVER), HI).text == "second"


def test_a_whole_answer_whose_error_would_be_the_same_anywhere_is_not_asked_for_again(half: Half) -> None:
    bad = {"error": {"message": "bad", "code": 400, "type": "invalid_request_error"}}

    def breaks(request: Received) -> list[Step]:
        return [*says("so ", "far")(request)[:3], chunk(b"data: " + json.dumps(bad).encode() + b"\n\n")]

    with places(breaks, says("second")) as servers:
        with pytest.raises(InvalidRequestError):
            half.chat(hedged(servers, **NEVER), HI)
        assert servers[1].received == []


def test_closing_a_hedged_stream_ends_both_calls() -> None:
    never, go_on = threading.Event(), threading.Event()

    async def run(route: Hedged) -> None:
        stream = route.astream(HI)
        assert await anext(stream) == TextDelta("second")
        await stream.aclose()

    def held_after_a_piece(request: Received) -> Iterator[Step]:
        yield from says("second")(request)[:3]
        yield go_on

    with places(held(never, says("first")), held_after_a_piece) as servers:
        asyncio.run(run(hedged(servers, **AT_ONCE)))
        assert all(one.hung_up.wait(PATIENCE) for one in servers)


def test_cancelling_a_hedged_call_ends_both_calls() -> None:
    never, both = threading.Event(), threading.Event()

    def noticed(_: Received) -> Iterator[Step]:
        both.set()
        yield never

    async def run(route: Hedged) -> None:
        task = asyncio.create_task(route.achat(HI))
        await asyncio.to_thread(both.wait, PATIENCE)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # No task is left behind.
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with places(held(never, says("first")), noticed) as servers:
        route = hedged(servers, **AT_ONCE)
        asyncio.run(run(route))
        assert all(one.hung_up.wait(PATIENCE) for one in servers)
        assert [one.in_flight for one in route.status()] == [0, 0]


def test_the_budget_bounds_the_hedges(half: Half) -> None:
    never = threading.Event()
    with places(held(never, says("first")), says("second")) as (slow, quick):
        route = hedged([slow, quick], after=0.0, budget=0.5)
        # The first call has not earned a hedge yet, so it waits.
        never.set()
        assert text(half, route, HI, "stream") == "first"
        assert quick.received == []
        never.clear()
        assert text(half, route, HI, "stream") == "second"
        never.set()


def test_one_target_alone_has_nothing_to_hedge_with(half: Half) -> None:
    with places(says("alone")) as servers:
        route = hedged(servers, **AT_ONCE)
        assert text(half, route, HI, "stream") == "alone"
        assert len(servers[0].received) == 1


# --- when it is late -----------------------------------------------------------------------------------------------


def test_nothing_is_late_before_there_are_samples() -> None:
    late = Lateness("p95", 0.1)
    for _ in range(19):
        assert late.begin() is None
        late.add(1.0)
    late.add(1.0)
    assert late.begin() == 1.0


def test_a_percentile_is_that_of_the_recent_waits() -> None:
    late = Lateness("p95", 0.1)
    for tenths in range(1, 101):
        late.add(tenths / 10)
    assert late.begin() == 9.5
    for _ in range(200):
        late.add(0.5)
    assert late.begin() == 0.5
    median = Lateness("p50", 0.1)
    for second in (1, 2, 3, 4) * 5:
        median.add(second)
    assert median.begin() == 2


def test_the_budget_is_a_share_of_the_calls() -> None:
    late = Lateness(1.0, 0.1)
    spent = 0
    for calls in range(1, 1_001):
        late.begin()
        spent += late.spend()
        assert spent <= 0.1 * calls + 1e-6
    assert spent == 100


def test_only_so_much_of_it_is_saved() -> None:
    late = Lateness(1.0, 0.1)
    for _ in range(1_000):
        late.begin()
    assert sum(late.spend() for _ in range(100)) == 10


@pytest.mark.parametrize("after", ["95", "p0", "p100", "p", "fast", -1.0, float("inf"), float("nan")])
def test_what_is_no_time_is_refused(after: Any) -> None:
    with pytest.raises(ConfigurationError, match="hedging starts after"):
        Hedged(["vllm/m", "vllm/n"], after=after)


@pytest.mark.parametrize("budget", [-0.1, 1.1, float("nan")])
def test_what_is_no_share_is_refused(budget: float) -> None:
    with pytest.raises(ConfigurationError, match="share of the calls"):
        Hedged(["vllm/m", "vllm/n"], budget=budget)


# --- a backend like others -----------------------------------------------------------------------------------------


def test_it_is_a_backend() -> None:
    route = Hedged(["vllm/m", "ollama/n"])
    assert (route.name, route.model) == ("hedged", "m, n")
    assert [one.name for one in route.backends] == ["vllm", "ollama"]
    assert route.capabilities == Router(["vllm/m", "ollama/n"]).capabilities
    assert route.with_model("o").model == "o"
    assert [one.name for one in route.status()] == ["vllm/m", "ollama/n"]
    assert repr(route) == "<hedged <router over vllm/m, ollama/n>>"
    assert "ollama/n" in route._repr_html_()


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))],  # noqa: S301 - our own bytes
)
def test_copies_keep_the_settings_and_drop_what_was_learned(copied: Any) -> None:
    with places(says("one"), says("two")) as servers, half_named("sync") as half:
        route = hedged(servers, **NEVER)
        text(half, route, HI, "chat")
        other = copied(route)
        assert sum(one.calls for one in route.status()) == 1
        assert sum(one.calls for one in other.status()) == 0
        assert text(half, other, HI, "chat") == "one"


def test_it_nests(half: Half) -> None:
    never = threading.Event()
    with places(held(never, says("first")), says("second"), says("third")) as servers:
        inner = hedged(servers[:2], **AT_ONCE)
        route = Router([inner, vllm(servers[2])], policy=in_order)
        assert text(half, route, HI, "stream") == "second"
        never.set()


def test_embeddings_are_handed_on(half: Half) -> None:
    reply = {"data": [{"index": 0, "embedding": [1.0, 2.0]}], "model": "m"}
    with places(lambda _: [whole(reply)], lambda _: [whole(reply)]) as servers:
        assert half.embed(hedged(servers, **AT_ONCE), EmbedRequest(texts=("Hi",))).vectors == [[1.0, 2.0]]


def test_the_deadline_bounds_both_halves_together(half: Half) -> None:
    never = threading.Event()
    with places(held(never, says("first")), held(never, says("second"))) as servers:
        route = Hedged(Router([vllm(one) for one in servers], deadline=0.2, retries=0), **AT_ONCE)
        with pytest.raises(BackendError):
            text(half, route, HI, "stream")
        never.set()
