"""The breaker of one target: when it opens, for how long, and whom it lets through."""

from __future__ import annotations

import pytest

from shared_core.routing.breaker import Breaker, BreakerRule
from tests.routing.scripted import FakeClock

OLD, NEW = "a call that began before", "a call"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def breaker(clock: FakeClock) -> Breaker:
    return Breaker(BreakerRule(), clock)


def opened(clock: FakeClock, rule: BreakerRule | None = None) -> Breaker:
    """Open, and its probe due."""
    breaker = Breaker(rule or BreakerRule(), clock)
    assert breaker.fail(OLD, at_once=True)
    clock.pass_(5.5)
    return breaker


def test_it_begins_closed(breaker: Breaker) -> None:
    assert (breaker.state, breaker.is_ready, breaker.is_trusted, breaker.ready_in()) == ("closed", True, True, 0.0)


def test_it_opens_at_once_for_a_dead_place(breaker: Breaker) -> None:
    assert breaker.fail(NEW, at_once=True)
    assert (breaker.state, breaker.is_ready, breaker.is_trusted) == ("open", False, False)
    assert 4.5 <= breaker.ready_in() <= 5.5


def test_it_opens_after_consecutive_failures(breaker: Breaker) -> None:
    assert [breaker.fail(NEW, at_once=False) for _ in range(3)] == [False, False, True]
    assert breaker.state == "open"


def test_a_success_starts_the_count_again(breaker: Breaker) -> None:
    for _ in range(5):
        assert not breaker.fail(NEW, at_once=False)
        assert not breaker.fail(NEW, at_once=False)
        assert not breaker.succeed(NEW)
    assert breaker.state == "closed"
    assert breaker.is_trusted


def test_it_opens_when_half_of_many_calls_failed(clock: FakeClock) -> None:
    breaker = Breaker(BreakerRule(consecutive=99, window=10), clock)
    for _ in range(4):
        assert not breaker.fail(NEW, at_once=False)
        breaker.succeed(NEW)
    assert not breaker.fail(NEW, at_once=False)  # five of nine: nine say little
    breaker.succeed(NEW)
    assert breaker.fail(NEW, at_once=False)
    assert breaker.state == "open"


def test_a_share_below_half_does_not_open_it(clock: FakeClock) -> None:
    breaker = Breaker(BreakerRule(consecutive=99, window=10), clock)
    for _ in range(40):
        for _ in range(3):
            breaker.succeed(NEW)
        assert not breaker.fail(NEW, at_once=False)


def test_one_failure_only_gives_it_a_rest(breaker: Breaker, clock: FakeClock) -> None:
    breaker.fail(NEW, at_once=False)
    assert (breaker.state, breaker.is_ready, breaker.is_trusted) == ("closed", False, False)
    assert breaker.ready_in() == pytest.approx(1.0)
    clock.pass_(1.0)
    assert breaker.is_ready
    for who in (OLD, NEW):  # it is not half-open: as many may come as like
        breaker.enter(who)
        assert breaker.is_ready


def test_a_success_ends_the_rest(breaker: Breaker) -> None:
    breaker.fail(NEW, at_once=False)
    breaker.succeed(OLD)
    assert breaker.is_ready


def test_half_open_it_lets_one_through(clock: FakeClock) -> None:
    breaker = opened(clock)
    assert (breaker.state, breaker.is_ready, breaker.is_probing) == ("half-open", True, False)
    breaker.enter(NEW)
    assert (breaker.state, breaker.is_ready, breaker.is_probing) == ("half-open", False, True)


def test_a_probe_that_succeeds_closes_it(clock: FakeClock) -> None:
    breaker = opened(clock)
    breaker.enter(NEW)
    assert breaker.succeed(NEW)
    assert (breaker.state, breaker.is_ready, breaker.is_trusted) == ("closed", True, True)


def test_a_probe_that_fails_doubles_the_time_up_to_a_bound(clock: FakeClock) -> None:
    breaker = Breaker(BreakerRule(shortest=5.0, longest=300.0), clock)
    waits = []
    for _ in range(8):
        clock.pass_(breaker.ready_in())
        breaker.enter(NEW)
        breaker.fail(NEW, at_once=True)
        waits.append(breaker.ready_in())
    for wait, expected in zip(waits, (5, 10, 20, 40, 80, 160, 300, 300), strict=True):
        assert 0.9 * expected <= wait <= 1.1 * expected


def test_the_times_of_many_processes_differ() -> None:
    clock, waits = FakeClock(), set()
    for _ in range(20):
        breaker = Breaker(BreakerRule(), clock)
        breaker.fail(NEW, at_once=True)
        waits.add(breaker.ready_in())
    assert len(waits) > 10


def test_a_failed_probe_does_not_count_as_opening(clock: FakeClock) -> None:
    breaker = opened(clock)
    breaker.enter(NEW)
    assert not breaker.fail(NEW, at_once=True)
    assert breaker.state == "open"


def test_after_it_closed_the_time_is_short_again(clock: FakeClock) -> None:
    breaker = opened(clock)
    breaker.enter(NEW)
    breaker.fail(NEW, at_once=True)
    clock.pass_(11.0)
    breaker.enter(NEW)
    breaker.succeed(NEW)
    breaker.fail(NEW, at_once=True)
    assert breaker.ready_in() <= 5.5


def test_what_failed_before_it_opened_is_not_held_against_it(clock: FakeClock) -> None:
    breaker = opened(clock, BreakerRule(consecutive=99, window=3))
    breaker.enter(NEW)
    breaker.succeed(NEW)
    assert not breaker.fail(NEW, at_once=False)


def test_a_probe_that_is_cancelled_makes_place_for_the_next(clock: FakeClock) -> None:
    breaker = opened(clock)
    breaker.enter(NEW)
    breaker.forget(NEW)
    assert breaker.is_ready


def test_calls_from_before_cannot_free_the_probe(clock: FakeClock) -> None:
    breaker = opened(clock)
    breaker.enter(NEW)
    breaker.forget(OLD)
    assert not breaker.is_ready


def test_calls_from_before_neither_close_it_nor_open_it_for_longer(clock: FakeClock) -> None:
    breaker = opened(clock)
    breaker.enter(NEW)
    assert not breaker.succeed(OLD)
    assert not breaker.fail(OLD, at_once=True)
    assert breaker.is_probing
    assert breaker.succeed(NEW)


def test_forced_while_open_a_call_is_the_probe(breaker: Breaker) -> None:
    breaker.fail(OLD, at_once=True)
    breaker.enter(NEW)
    assert breaker.is_probing
    assert breaker.state == "half-open"
    assert breaker.succeed(NEW)


def test_a_probe_that_begins_to_answer_lets_others_in(clock: FakeClock) -> None:
    breaker = opened(clock)
    breaker.enter(NEW)
    assert breaker.answer(NEW)
    assert (breaker.state, breaker.is_ready, breaker.is_trusted) == ("closed", True, False)


def test_a_probe_that_fails_after_its_first_token_opens_it_for_twice_as_long(clock: FakeClock) -> None:
    breaker = opened(clock)
    breaker.enter(NEW)
    breaker.answer(NEW)
    assert breaker.fail(NEW, at_once=False)
    assert breaker.ready_in() >= 9.0


def test_a_first_token_of_another_call_says_nothing(clock: FakeClock, breaker: Breaker) -> None:
    assert not breaker.answer(NEW)
    other = opened(clock)
    assert not other.answer(OLD)
    assert other.state == "half-open"


def test_opened_by_hand(breaker: Breaker) -> None:
    assert breaker.open(600.0)
    assert not breaker.open(600.0)
    assert 540.0 <= breaker.ready_in() <= 660.0
