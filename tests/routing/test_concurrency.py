"""The bound on calls in flight that follows how fast answers begin."""

from __future__ import annotations

from shared_core.routing.concurrency import AdaptiveConcurrency


def settle(bound: AdaptiveConcurrency, slots: int, calls: int = 400) -> int:
    """A server with so many slots: with more in flight, each call waits longer for its first token."""
    for _ in range(calls):
        in_flight = bound.limit
        bound.add("first token", 0.1 * max(1.0, in_flight / slots), in_flight)
    return bound.limit


def test_it_grows_while_answers_begin_as_fast_as_usual() -> None:
    bound = AdaptiveConcurrency()
    assert bound.limit == 4
    assert settle(bound, slots=1000) == 256


def test_it_stays_near_what_the_server_serves_at_once() -> None:
    assert 8 <= settle(AdaptiveConcurrency(), slots=8) <= 32
    assert 32 <= settle(AdaptiveConcurrency(), slots=32) <= 96


def test_it_shrinks_when_the_server_gets_slower() -> None:
    bound = AdaptiveConcurrency()
    before = settle(bound, slots=64)
    assert settle(bound, slots=4, calls=60) < before / 2


def test_what_is_not_used_does_not_grow() -> None:
    bound = AdaptiveConcurrency()
    for _ in range(100):
        bound.add("first token", 0.1, 1)
    assert bound.limit == 4


def test_a_pace_that_cannot_be_measured_says_nothing() -> None:
    bound = AdaptiveConcurrency()
    bound.add("token", 0.0, 4)
    assert bound.limit == 4


def test_first_tokens_and_whole_answers_are_not_compared() -> None:
    bound = AdaptiveConcurrency()
    for _ in range(50):
        bound.add("first token", 0.2, bound.limit)
    limit = bound.limit
    for _ in range(50):
        bound.add("token", 0.01, bound.limit)
        bound.add("first token", 0.2, bound.limit)
    assert bound.limit > limit


def test_a_slow_past_is_forgotten() -> None:
    bound = AdaptiveConcurrency()
    for _ in range(50):
        bound.add("first token", 10.0, 1)
    for _ in range(200):
        bound.add("first token", 0.1, 1)
    usual = bound._usual["first token"].value
    assert usual < 0.5


def test_refusals_shrink_it_down_to_one() -> None:
    bound = AdaptiveConcurrency(most=2)
    assert bound.limit == 2
    for _ in range(50):
        bound.drop()
    assert bound.limit == 1
    for _ in range(50):
        bound.add("first token", 0.1, 2)
    assert bound.limit == 2
