"""The deadline of a call over all its attempts; under a clock of the test."""

from __future__ import annotations

import pytest

from shared_core import (
    AllBackendsFailedError,
    BackendError,
    BackendTimeoutError,
    RateLimitError,
    ServerError,
)
from tests.routing.scripted import Route

# --- the deadline ----------------------------------------------------------------------------------------------------


def test_the_deadline_is_over_all_attempts() -> None:
    tried = Route("a", "b", "c", deadline=5.0).call(dict.fromkeys("abc", ServerError("x")), seconds=3.0)
    assert tried.names == ["a", "b"]
    assert isinstance(tried.error, AllBackendsFailedError)
    assert "the deadline of 5 s for the whole call is over: a: ServerError: x; b: " in str(tried.error)


def test_each_attempt_is_told_how_long_is_left() -> None:
    route = Route("a", "b", deadline=5.0, first_token_timeout=4.0, chunk_timeout=1.0)
    left = []
    for attempt in route.attempts():
        with attempt:
            left.append((attempt.time_for_answer(), attempt.patience()))
            route.clock.pass_(3.0)
            if len(left) == 1:
                raise ServerError("x")
            left.append((attempt.time_for_answer(), attempt.patience()))
            attempt.first()
            left.append((attempt.time_for_answer(), attempt.patience()))
    assert left == [(5.0, 4.0), (2.0, 2.0), (0.0, 0.0), (0.0, 0.0)]


@pytest.mark.parametrize(("deadline", "bound"), [(None, 1.0), (9.0, 1.0), (0.5, 0.5)])
def test_the_next_piece_is_bounded_by_what_is_shorter(deadline: float | None, bound: float) -> None:
    attempt = next(Route("a", deadline=deadline, first_token_timeout=1.0).attempts())
    assert attempt.patience() == pytest.approx(bound)
    assert attempt.is_bounded


def test_without_bounds_nothing_is_bounded() -> None:
    attempt = next(Route("a").attempts())
    assert (attempt.is_bounded, attempt.patience(), attempt.time_for_answer()) == (False, None, None)
    attempt.check_deadline()
    assert next(Route("a", deadline=9.0).attempts()).patience() == pytest.approx(9.0)


def test_no_wait_is_begun_that_ends_after_the_deadline() -> None:
    route = Route("a", deadline=5.0)
    tried = route.call({"a": RateLimitError("x", retry_after=4.9)}, seconds=0.2)
    assert (tried.names, tried.waits) == (["a"], [0.0])
    assert "and a asked for a wait of 5 s: a: RateLimitError: x" in str(tried.error)


def test_who_asked_others_for_a_long_wait_is_tried_at_once_where_nobody_else_is_left() -> None:
    route = Route("a")
    route["a"].paused_until = route.clock() + 60.0
    assert route.call({}).waits == [0.0]


def test_no_backoff_is_begun_that_ends_after_the_deadline() -> None:
    for _ in range(200):
        route = Route("a", deadline=1.0, retries=3)
        tried = route.call({"a": ServerError("x")}, seconds=0.2)
        assert route.clock() <= 1001.2
        assert tried.error is not None


def test_a_deadline_that_is_over_before_anything_began() -> None:
    route = Route("a", deadline=5.0)
    attempts = route.attempts()
    route["a"].breaker.open(60.0)
    route["a"].breaker.enter("another call")
    assert next(attempts).target is None
    route.clock.pass_(6.0)
    with pytest.raises(BackendTimeoutError, match="the deadline of 5 s for the whole call is over"):
        next(attempts)


def test_a_deadline_that_cuts_an_answer_is_not_held_against_the_target() -> None:
    route = Route("a", deadline=5.0)
    attempt = next(attempts := route.attempts())
    attempt.__enter__()
    attempt.first()
    route.clock.pass_(6.0)
    with pytest.raises(BackendTimeoutError) as caught:
        attempt.check_deadline()
    assert not attempt.__exit__(None, caught.value, None)
    attempts.close()
    assert route["a"].breaker.is_trusted
    assert route["a"].in_flight == 0


def test_who_got_little_of_the_time_is_not_blamed_for_the_deadline() -> None:
    route, seconds = Route("a", "b", deadline=5.0), {"a": 4.0, "b": 1.0}

    def late(name: str) -> BackendError:
        route.clock.pass_(seconds[name])
        return ServerError("x") if name == "a" else BackendTimeoutError("late")

    route.play(late)
    assert route["b"].breaker.is_trusted


def test_who_had_the_time_is_blamed_for_the_deadline() -> None:
    route = Route("a", "b", deadline=5.0)
    route.call({"a": BackendTimeoutError("late")}, seconds=5.0)
    assert route["a"].breaker.state == "open"
