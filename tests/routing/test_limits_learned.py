"""Limits that places tell of, that nobody knows yet, or that are found out; and how limits are given."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from shared_core import (
    ConfigurationError,
    Limits,
    LimitStatus,
    RateLimit,
    RateLimitError,
    RateLimits,
    Router,
    ServerError,
    Usage,
    connect,
)
from tests.routing.asking import Asked, end, fail, route
from tests.routing.quotas import Clock, status

FULL = RateLimits(RateLimit(100, 0, 30.0))


@pytest.fixture
def clock() -> Iterator[Clock]:
    yield Clock()
    Asked.kept.clear()


class TestLearnedLimits:
    def test_what_a_place_tells_is_kept(self, clock: Clock) -> None:
        over = route(clock)
        end(Asked(over).sent(), limits=RateLimits(RateLimit(100, 1, 30.0), RateLimit(1000, 300, 20.0)))
        assert status(over) == LimitStatus(1, 300)
        Asked(over).sent()
        assert status(over) == LimitStatus(0, 200)
        waiting = Asked(over)
        assert waiting.next().target is None
        clock.now += 30
        assert waiting.sent().target is not None

    def test_calls_in_flight_are_deducted_from_it(self, clock: Clock) -> None:
        over = route(clock, None, "groq")
        early, told, late, over_already = (Asked(over).sent() for _ in range(4))
        end(over_already)
        end(told, limits=RateLimits(RateLimit(100, 50, 30.0)))
        assert status(over).requests_left == 47  # it may not have seen the other three
        early.first()
        end(Asked(over).sent(), limits=RateLimits(RateLimit(100, 46, 30.0)))
        assert status(over).requests_left == 45  # the late one; the early one has begun
        end(late, limits=RateLimits(RateLimit(100, 99, 60.0)))
        assert status(over).requests_left == 45  # older than what is known

    def test_a_window_begins_when_the_stream_did(self, clock: Clock) -> None:
        over = route(clock)
        attempt = Asked(over).sent()
        attempt.first()
        clock.now += 20
        end(attempt, limits=FULL)
        clock.now += 9
        assert Asked(over).next().target is None
        clock.now += 1
        assert Asked(over).sent().target is not None

    def test_a_refusal_shuts_what_is_known(self, clock: Clock) -> None:
        over = route(clock, retries=0)
        end(Asked(over).sent(), limits=RateLimits(RateLimit(100, 90, 30.0)))
        first, second = Asked(over).sent(), Asked(over).sent()
        fail(first, RateLimitError("no"))
        assert status(over).requests_left == 88  # for how long, it did not tell
        fail(second, RateLimitError("no", retry_after=7.0))
        assert status(over).requests_left == 0
        waiting = Asked(over)
        assert waiting.next().target is None
        clock.now += 7
        assert waiting.sent().target is not None

    def test_a_refusal_tells_too(self, clock: Clock) -> None:
        over = route(clock, None, "vllm", "ollama")
        fail(Asked(over).sent(), RateLimitError("no", rate_limits=FULL))
        assert [one.limits.requests_left for one in over.status()] == [0, None]

    def test_a_target_that_is_full_for_hours_is_not_waited_for(self, clock: Clock) -> None:
        over = route(clock)
        end(Asked(over).sent(), limits=RateLimits(RateLimit(100, 0, 7200.0)))
        with pytest.raises(RateLimitError, match="no room for another 7200 s"):
            Asked(over).next()
        patient = route(clock, longest_wait=7200.0)
        end(Asked(patient).sent(), limits=RateLimits(RateLimit(100, 0, 7200.0)))
        assert Asked(patient).next().target is None

    def test_the_reset_of_requests_is_that_of_tokens_where_they_have_none(self, clock: Clock) -> None:
        over = route(clock)
        end(Asked(over).sent(), limits=RateLimits(RateLimit(10, 9, 1.0), RateLimit(3000)))
        assert status(over) == LimitStatus(10, 3000)

    def test_tokens_alone(self, clock: Clock) -> None:
        over = route(clock)
        end(Asked(over).sent(), limits=RateLimits(None, RateLimit(3000, 500)))
        assert status(over) == LimitStatus(None, 500)

    def test_nothing_is_learned_where_that_is_not_wanted(self, clock: Clock) -> None:
        over = route(clock, Limits(in_flight=50, learn=False), "groq")
        fail(Asked(over).sent(), RateLimitError("no", retry_after=0.0))
        end(Asked(over).sent(), limits=FULL)
        assert (status(over), len([Asked(over).sent() for _ in range(50)])) == (LimitStatus(in_flight=50), 50)

    def test_a_server_that_begins_to_tell_is_watched_from_then_on(self, clock: Clock) -> None:
        over = route(clock)
        early = Asked(over).sent()
        end(Asked(over).sent())
        end(Asked(over).sent(), limits=RateLimits(RateLimit(100, 50, 30.0)))
        Asked(over).sent()
        end(early)
        assert status(over).requests_left == 49


class TestBeforeAPlaceHasTold:
    def test_ten_calls_and_ten_more_each_second(self, clock: Clock) -> None:
        over = route(clock, None, "groq")
        first = [Asked(over).sent() for _ in range(10)]
        waiting = Asked(over)
        assert waiting.next().target is None
        clock.now += 0.5
        assert len([call.sent() for call in (waiting, *(Asked(over) for _ in range(4)))]) == 5
        assert Asked(over).next().target is None
        end(first[0])
        assert len([Asked(over).sent() for _ in range(100)]) == 100

    def test_again_after_a_refusal_that_told_nothing(self, clock: Clock) -> None:
        over = route(clock, None, "groq")
        end(Asked(over).sent())
        fail(Asked(over).sent(), RateLimitError("no", retry_after=0.0))
        assert status(over).in_flight == 10

    def test_not_where_the_server_is_ones_own(self, clock: Clock) -> None:
        over = route(clock)
        assert len([Asked(over).sent() for _ in range(100)]) == 100


class TestAdaptive:
    def test_the_bound_follows_the_first_token(self, clock: Clock) -> None:
        over = route(clock, Limits(adaptive=True, in_flight=6))
        assert status(over).in_flight == 4
        for _ in range(20):
            calls = [Asked(over).sent() for _ in range(4)]
            clock.now += 0.1
            for attempt in calls:
                attempt.first()
            for attempt in calls:
                end(attempt)
        assert status(over).in_flight == 6

    def test_whole_answers_are_measured_by_the_token(self, clock: Clock) -> None:
        over = route(clock, Limits(adaptive=True))
        for seconds in (1.0, 5.0) * 10:
            calls = [Asked(over).sent() for _ in range(4)]
            clock.now += seconds
            for attempt in calls:
                end(attempt, Usage(5, int(seconds * 10)))
        before = status(over).in_flight
        assert before > 5
        end(Asked(over).sent(), Usage())
        assert status(over).in_flight == before

    def test_a_failure_shrinks_it(self, clock: Clock) -> None:
        over = route(clock, Limits(adaptive=True))
        fail(Asked(over).sent(), ServerError("overloaded"))
        assert status(over).in_flight == 3


class TestConfiguration:
    def test_by_name(self, clock: Clock) -> None:
        over = route(clock, {"ollama/m": Limits(in_flight=3)}, "vllm", "ollama")
        assert [one.limits.in_flight for one in over.status()] == [None, 3]

    def test_fallbacks_by_name(self, clock: Clock) -> None:
        fallback = connect("vllm/large")
        over = route(clock, [Limits(in_flight=2)], on_context_overflow=[fallback])
        assert [one.limits.in_flight for one in over.status()] == [2, None]
        over = route(clock, {"vllm/large": Limits(in_flight=2)}, on_context_overflow=[fallback])
        assert [one.limits.in_flight for one in over.status()] == [None, 2]

    def test_copies_keep_them_and_forget_what_was_learned(self, clock: Clock) -> None:
        over = Router([connect("vllm/m")], limits=Limits(in_flight=2))
        end(Asked(over).sent(), limits=FULL)
        assert status(over) == LimitStatus(0, None, 2)
        for other in (copy.deepcopy(over), pickle.loads(pickle.dumps(over)), over.with_model("n")):  # noqa: S301
            assert status(other) == LimitStatus(None, None, 2)

    @pytest.mark.parametrize(
        ("limits", "says"),
        [
            ({"groq/m": Limits()}, "limits for groq/m, but the targets are vllm/m"),
            ([None, None], "2 limits for 1 targets"),
        ],
    )
    def test_limits_of_nobody(self, clock: Clock, limits: Any, says: str) -> None:
        with pytest.raises(ConfigurationError, match=says):
            route(clock, limits)

    @pytest.mark.parametrize("name", ["requests_per_minute", "tokens_per_minute", "in_flight"])
    def test_limits_that_nothing_meets(self, name: str) -> None:
        with pytest.raises(ConfigurationError, match=f"{name} is 0: no call could ever be made"):
            Limits(**{name: 0})  # type: ignore[arg-type]
