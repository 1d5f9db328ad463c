"""Whom a call tries, in which order, after which wait, and what it ends with; under a clock of the test."""

from __future__ import annotations

import pytest

from shared_core import (
    AllBackendsFailedError,
    AuthenticationError,
    BackendConnectionError,
    BackendError,
    BackendTimeoutError,
    BillingError,
    Capabilities,
    ChatRequest,
    ContextLengthError,
    Finish,
    InvalidRequestError,
    Message,
    ModelNotFoundError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitError,
    ServerError,
    StreamInterruptedError,
    Tool,
    ToolCallRefusedError,
    UnsupportedError,
)
from shared_core.routing.breaker import BreakerRule
from shared_core.routing.policies import where
from tests.routing.scripted import HI, Route, Scripted

MENDABLE = [ServerError, BackendConnectionError, BackendTimeoutError, ProtocolError, StreamInterruptedError]
ELSEWHERE = [AuthenticationError, PermissionDeniedError, BillingError, ModelNotFoundError]
UNLIKE = [UnsupportedError, ToolCallRefusedError]


def windowed(name: str, window: int | None) -> Scripted:
    return Scripted(name=name, can=Capabilities(context_window=window))


# --- every class of error: again here, on to the next, or stop -------------------------------------------------------


@pytest.mark.parametrize("kind", [*MENDABLE, *ELSEWHERE, *UNLIKE, RateLimitError])
def test_another_target_is_tried(kind: type[BackendError]) -> None:
    tried = Route("a", "b").call({"a": kind("x")})
    assert (tried.names, tried.error) == (["a", "b"], None)


def test_what_is_wrong_anywhere_stops() -> None:
    error = InvalidRequestError("bad temperature")
    route = Route("a", "b")
    tried = route.call({"a": error})
    assert tried.names == ["a"]
    assert tried.error is error
    assert route["a"].breaker.is_trusted  # it was not the target's fault


@pytest.mark.parametrize("kind", [*MENDABLE, RateLimitError])
def test_the_only_target_is_tried_once_more(kind: type[BackendError]) -> None:
    errors: list[BackendError | None] = [kind("x"), None]
    tried = Route("a").play(lambda _: errors.pop(0))
    assert (tried.names, tried.error) == (["a", "a"], None)


@pytest.mark.parametrize("kind", [*ELSEWHERE, *UNLIKE, ContextLengthError])
def test_what_does_not_pass_is_not_tried_again(kind: type[BackendError]) -> None:
    error = kind("x")
    tried = Route("a").call({"a": error})
    assert (tried.names, tried.error) == (["a"], error)


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_the_others_come_before_the_same_again(retries: int) -> None:
    route = Route("a", "b", retries=retries)
    tried = route.call({"a": ServerError("x"), "b": ServerError("y")})
    rounds = [tried.names[at : at + 2] for at in range(0, len(tried.names), 2)]
    assert [sorted(one) for one in rounds] == [["a", "b"]] * (retries + 1)


def test_an_error_of_a_route_says_why_for_each_attempt() -> None:
    tried = Route("a", "b", retries=0).call({"a": ServerError("on fire"), "b": BillingError("no money")})
    assert isinstance(tried.error, AllBackendsFailedError)
    assert str(tried.error) == (
        "all 2 attempts of the route failed: a: ServerError: on fire; b: BillingError: no money"
    )
    assert [type(error) for error in tried.error.errors] == [ServerError, BillingError]


def test_the_answer_says_what_went_before() -> None:
    tried = Route("a", "b").call({"a": ServerError("on fire")}, seconds=2.0)
    assert tried.finish.metadata["attempts"] == [
        {"target": "a", "seconds": 2.0, "error": "ServerError: on fire"},
        {"target": "b", "seconds": 2.0, "error": None},
    ]


def test_an_error_that_is_not_of_a_backend_says_nothing_and_passes() -> None:
    route = Route("a", "b")

    def raise_(name: str) -> BackendError | None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        route.play(raise_)
    assert (route["a"].in_flight, route["a"].failures, route["a"].breaker.is_trusted) == (0, 0, True)


# --- waits -----------------------------------------------------------------------------------------------------------


def test_the_next_target_is_tried_at_once() -> None:
    tried = Route("a", "b", "c").call({"a": ServerError("x"), "b": RateLimitError("y", retry_after=3.0)})
    assert tried.waits == [0.0, 0.0, 0.0]


def test_backoff_has_full_jitter_and_grows() -> None:
    longest = [0.0] * 6
    for _ in range(200):
        tried = Route("a", retries=6).call({"a": ServerError("x")})
        longest = [max(pair) for pair in zip(longest, tried.waits[1:], strict=True)]
    for wait, bound in zip(longest, (0.5, 1.0, 2.0, 4.0, 8.0, 8.0), strict=True):
        assert 0.8 * bound <= wait <= bound


def test_a_place_that_asks_for_a_wait_gets_it() -> None:
    errors: list[BackendError | None] = [RateLimitError("x", retry_after=7.0), None]
    tried = Route("a").play(lambda _: errors.pop(0))
    assert (tried.waits, tried.error) == ([0.0, pytest.approx(7.0)], None)


def test_a_429_without_a_time_waits_a_usual_one() -> None:
    errors: list[BackendError | None] = [RateLimitError("x"), None]
    tried = Route("a").play(lambda _: errors.pop(0))
    assert tried.waits == [0.0, pytest.approx(5.0)]


def test_a_wait_that_is_too_long_is_not_begun() -> None:
    error = RateLimitError("x", retry_after=61.0)
    tried = Route("a", longest_wait=60.0).call({"a": error})
    assert (tried.names, tried.error) == (["a"], error)


def test_of_two_that_ask_for_a_wait_the_shorter_is_waited_for() -> None:
    errors: dict[str, list[BackendError | None]] = {
        "a": [RateLimitError("x", retry_after=8.0)],
        "b": [RateLimitError("x", retry_after=3.0), None],
    }
    tried = Route("a", "b").play(lambda name: errors[name].pop(0))
    assert tried.names == ["a", "b", "b"]
    assert tried.waits == [0.0, 0.0, pytest.approx(3.0)]


def test_who_asked_for_a_wait_is_left_alone_by_other_calls_too() -> None:
    route = Route("a", "b")
    route.call({"a": RateLimitError("x", retry_after=30.0)})
    route.clock.pass_(29.0)
    assert route.call({}).names == ["b"]
    route.clock.pass_(1.5)
    assert route.call({}).names == ["a"]


def test_a_shorter_wait_does_not_take_back_a_longer_one() -> None:
    route = Route("a", longest_wait=0.0)
    route.call({"a": RateLimitError("x", retry_after=30.0)})
    route.call({"a": RateLimitError("x", retry_after=1.0)})
    assert route["a"].paused_until == route.clock() + 30.0


# --- context windows -------------------------------------------------------------------------------------------------


def test_a_prompt_that_is_too_long_goes_to_larger_windows_only() -> None:
    route = Route(windowed("8k", 8000), windowed("4k", 4000), windowed("8k too", 8000), windowed("32k", 32_000))
    tried = route.call({"8k": ContextLengthError("x")})
    assert (tried.names, tried.error) == (["8k", "32k"], None)
    assert route["8k"].breaker.is_trusted


def test_a_window_that_nobody_knows_may_be_larger() -> None:
    route = Route(windowed("8k", 8000), windowed("unknown", None))
    assert route.call({"8k": ContextLengthError("x")}).names == ["8k", "unknown"]


def test_what_the_place_says_of_its_window_goes_before_what_is_known() -> None:
    route = Route(windowed("small after all", 128_000), windowed("32k", 32_000))
    assert route.call({"small after all": ContextLengthError("x", context_window=8192)}).error is None


def test_what_the_place_counted_rules_windows_out() -> None:
    route = Route(windowed("8k", 8000), windowed("16k", 16_000), windowed("32k", 32_000))
    tried = route.call({"8k": ContextLengthError("x", context_window=8000, prompt_tokens=20_000)})
    assert tried.names == ["8k", "32k"]


def test_who_failed_before_is_tried_again_only_if_its_window_is_larger() -> None:
    small, large = windowed("small", 4000), windowed("large", 64_000)
    for first, again in ((small, ["small", "8k"]), (large, ["large", "8k", "large"])):
        route = Route(first, windowed("8k", 8000))
        errors: list[BackendError | None] = [ServerError("x"), ContextLengthError("x"), None]
        assert route.play(lambda _: errors.pop(0)).names == again  # noqa: B023 - called in the loop's turn


def test_too_long_everywhere_is_a_context_error() -> None:
    errors = {"8k": ContextLengthError("of 8k"), "32k": ContextLengthError("of 32k")}
    tried = Route(windowed("8k", 8000), windowed("32k", 32_000)).call(dict(errors))
    assert tried.error is errors["32k"]


# --- what cannot serve -----------------------------------------------------------------------------------------------


def long(characters: int) -> ChatRequest:
    return ChatRequest(messages=(Message(role="user", parts="x" * characters),))


def test_a_target_that_cannot_serve_is_not_asked() -> None:
    route = Route(Scripted(name="a", can=Capabilities(tools=False)), "b")
    assert route.call({}, HI.model_copy(update={"tools": (Tool(name="f"),)})).names == ["b"]
    assert route.call({}).names == ["a"]


def test_all_skipped_says_why_for_each() -> None:
    route = Route(Scripted(name="a", can=Capabilities(tools=False)), windowed("b", 1000))
    request = long(400_000).model_copy(update={"tools": (Tool(name="f"),)})
    with pytest.raises(UnsupportedError) as caught:
        next(route.attempts(request))
    assert str(caught.value).startswith(
        "no target of the route can serve this request: a: it has no tools; b: its window"
    )


def test_a_prompt_that_may_just_fit_is_tried_where_no_window_is_larger() -> None:
    route = Route(windowed("a", 1000), Scripted(name="b", can=Capabilities(context_window=500)))
    assert route.call({}, long(4800)).names == ["a"]


def test_a_policy_that_leaves_nobody_is_told() -> None:
    route = Route("a", "b", policy=where(lambda *_: False))
    with pytest.raises(UnsupportedError, match="the route's policy leaves no target for this request, of a, b"):
        next(route.attempts())


# --- what others see -------------------------------------------------------------------------------------------------


def test_a_call_that_goes_away_leaves_nothing_behind() -> None:
    for leaving in (KeyboardInterrupt, GeneratorExit):
        route = Route("a", retries=0)
        route.call({"a": BackendConnectionError("x")})
        route.clock.pass_(5.5)
        attempts = route.attempts()
        with pytest.raises(leaving), next(attempts):
            raise leaving
        assert (route["a"].in_flight, route["a"].breaker.is_ready) == (0, True)


def test_a_call_that_is_dropped_before_its_attempt_began_leaves_nothing_behind() -> None:
    route = Route("a")
    route["a"].breaker.open(0.0)
    next(attempts := route.attempts())
    assert (route["a"].in_flight, route["a"].breaker.is_probing) == (1, True)
    attempts.close()
    assert (route["a"].in_flight, route["a"].breaker.is_probing) == (0, False)


def test_what_is_given_back_is_given_back_once() -> None:
    route = Route("a")
    attempt = next(attempts := route.attempts())
    attempt.__enter__()
    attempts.close()
    attempt.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert route["a"].in_flight == 0


def test_a_wait_has_no_answer() -> None:
    route = Route("a")
    route["a"].breaker.open(0.0)
    route["a"].breaker.enter("another call")
    wait = next(attempts := route.attempts())
    wait.first()
    wait.done(finish := Finish("stop"))
    assert (wait.target, finish.metadata) == (None, {})
    attempts.close()


def test_a_first_token_counts_not_the_whole_answer() -> None:
    route = Route("a")
    attempt = next(attempts := route.attempts())
    with attempt:
        route.clock.pass_(0.25)
        attempt.first()
        attempt.first()
        route.clock.pass_(10.0)
        attempt.done(Finish("stop"))
    del attempts
    assert route["a"].latency.seconds == pytest.approx(0.25, rel=0.2)
    assert attempt.seconds == pytest.approx(10.25)


def test_a_wait_of_one_call_is_part_of_no_targets_time() -> None:
    errors: list[BackendError | None] = [RateLimitError("x", retry_after=7.0), None]
    route = Route("a")
    tried = route.play(lambda _: errors.pop(0), seconds=1.0)
    assert [one["seconds"] for one in tried.finish.metadata["attempts"]] == [1.0, 1.0]


def test_a_rule_of_ones_own() -> None:
    route = Route("a", breaker=BreakerRule(consecutive=1, shortest=60.0), retries=0)
    route.call({"a": ServerError("x")})
    assert route["a"].breaker.ready_in() >= 54.0


def test_the_garbage_collector_may_end_a_call_under_the_lock() -> None:
    route = Route("a")
    next(attempts := route.attempts())
    with route.state.lock:
        attempts.close()
    assert route["a"].in_flight == 0
