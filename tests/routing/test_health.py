"""How failures close targets to calls, and how calls find them again; under a clock of the test."""

from __future__ import annotations

import pytest

from shared_core import (
    AuthenticationError,
    BackendConnectionError,
    BackendError,
    BackendTimeoutError,
    BillingError,
    Finish,
    ModelNotFoundError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitError,
    ServerError,
    ToolCallRefusedError,
    UnsupportedError,
)
from tests.routing.scripted import Route

ELSEWHERE = [AuthenticationError, PermissionDeniedError, BillingError, ModelNotFoundError]
UNLIKE = [UnsupportedError, ToolCallRefusedError]


# --- breakers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [BackendConnectionError, BackendTimeoutError])
def test_a_dead_target_is_avoided_after_one_failure(kind: type[BackendError]) -> None:
    route = Route("a", "b")
    assert route.call({"a": kind("x")}).names == ["a", "b"]
    assert route["a"].breaker.state == "open"
    for _ in range(50):
        assert route.call({}).names == ["b"]


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_a_target_whose_key_or_model_is_refused_is_closed_for_long(kind: type[BackendError]) -> None:
    route = Route("a", "b")
    route.call({"a": kind("x")})
    assert 540 <= route["a"].breaker.ready_in() <= 660


@pytest.mark.parametrize("kind", UNLIKE)
def test_what_a_target_cannot_do_is_not_held_against_it(kind: type[BackendError]) -> None:
    route = Route("a", "b")
    route.call({"a": kind("x")})
    assert route["a"].breaker.is_trusted


def test_a_target_that_failed_once_rests_and_is_then_asked_again() -> None:
    route = Route("a", "b")
    route.call({"a": ServerError("x")})
    assert route.call({}).names == ["b"]
    route.clock.pass_(1.0)
    assert route.call({}).names == ["a"]


def test_all_open_the_one_whose_turn_is_nearest_is_tried() -> None:
    route = Route("a", "b", retries=0)
    route.call({"a": BackendConnectionError("x"), "b": BackendConnectionError("x")})
    route.clock.pass_(1.0)
    route["b"].breaker.open(1.0)
    assert route.call({}).names == ["b"]
    assert route["b"].breaker.state == "closed"


def test_the_recovering_target_is_tried_by_one_call_while_others_go_elsewhere() -> None:
    route = Route("a", "b")
    route.call({"a": BackendConnectionError("x")})
    route.clock.pass_(5.5)
    probe = next(probing := route.attempts())
    assert probe.target is route["a"]
    for _ in range(200):
        assert route.call({}).names == ["b"]
    with probe:
        probe.done(Finish("stop"))
    probing.close()
    assert route.call({}).names == ["a"]


def test_where_all_are_being_probed_calls_wait_and_follow_the_probe() -> None:
    route = Route("a")
    route.call({"a": BackendConnectionError("x")})
    route.clock.pass_(5.5)
    probe = next(probing := route.attempts())
    calls = [route.attempts() for _ in range(200)]
    waits = [next(call) for call in calls]
    assert {wait.target for wait in waits} == {None}
    assert all(0.0 < wait.delay <= 0.1 for wait in waits)
    with probe:
        probe.first()
    assert all(next(call).target is route["a"] for call in calls)
    assert route["a"].in_flight == 200
    del probing, calls
    assert route["a"].in_flight == 0


def test_who_has_waited_long_enough_for_a_probe_goes_himself() -> None:
    route = Route("a", longest_wait=1.0)
    route.call({"a": BackendConnectionError("x")})
    route.clock.pass_(5.5)
    next(probing := route.attempts())
    tried = route.call({})
    assert (tried.names, tried.error) == (["a"], None)
    assert 1.0 <= sum(tried.waits) <= 1.2
    probing.close()


def test_while_a_probe_is_under_way_the_other_open_target_is_tried() -> None:
    route = Route("a", "b", retries=0)
    route.call({"a": BackendConnectionError("x"), "b": BackendConnectionError("x")})
    route.clock.pass_(2.0)
    first, second = next(one := route.attempts()), next(two := route.attempts())
    assert {first.target, second.target} == set(route.targets)
    del one, two


@pytest.mark.parametrize("kind", [BackendConnectionError, BackendTimeoutError, ServerError, ProtocolError, RateLimitError,
                                  AuthenticationError])  # fmt: skip
@pytest.mark.parametrize("every", [0.0, 0.5, 3.0])
def test_without_retries_a_dead_target_costs_one_visible_failure(kind: type[BackendError], every: float) -> None:
    route = Route("a", "b", max_attempts=1, retries=0)
    failed = 0
    for _ in range(60):
        failed += route.call({"a": kind("x")}).error is not None
        route.clock.pass_(every)
    assert failed == 1


def test_without_retries_a_target_that_dies_costs_one_visible_failure() -> None:
    route = Route("a", "b", max_attempts=1, retries=0)
    for _ in range(30):
        assert route.call({}).names == ["a"]
    assert [route.call({"a": ServerError("x")}).error is None for _ in range(30)].count(False) == 1


def test_max_attempts_bounds_a_call_in_an_outage() -> None:
    route = Route("a", "b", "c", max_attempts=2, retries=5)
    dead = dict.fromkeys("abc", ServerError("x"))
    for _ in range(20):
        assert len(route.call(dead).names) == 2


# --- the budget ------------------------------------------------------------------------------------------------------


def test_an_outage_is_not_multiplied() -> None:
    route = Route("a", "b", "c", retries=3)
    dead = dict.fromkeys("abc", ServerError("x"))
    attempts = [len(call_at_once(route, dead)) for _ in range(2000)]
    # A first try each, a fifth, the floor, and a handful before the breakers opened.
    assert sum(attempts) <= 2000 * 1.2 + 100 + 10
    assert min(attempts) == 1


def call_at_once(route: Route, outcomes: dict[str, ServerError]) -> list[str]:
    """Make a call in no time."""
    now = route.clock.now
    tried = route.call(dict(outcomes))
    route.clock.now = now
    return tried.names


def test_a_used_up_budget_is_told() -> None:
    route = Route("a", retries=1000)
    while not str((tried := route.call({"a": ServerError("x")})).error).startswith("all 1 attempts"):
        route.clock.now = 1000.0
    assert "and the budget for further attempts is used up" in str(tried.error)


def test_a_healthy_target_is_reached_without_budget() -> None:
    route = Route("a", "b")
    while route.state.budget.spend():
        pass
    assert route.call({"a": BackendConnectionError("x")}).error is None
