"""A route over real sockets and scripted backends: failover, probes under load, cancelling, nesting, copies."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shared_core import (
    AllBackendsFailedError,
    BackendConnectionError,
    BackendError,
    BreakerRule,
    ConfigurationError,
    EmbedRequest,
    InvalidRequestError,
    Policy,
    RateLimitError,
    Router,
    ServerError,
    cheapest,
    connect,
    fastest,
    in_order,
    least_busy,
    round_robin,
    two_choices,
    weighted,
)
from shared_core.routing.target import Target
from tests.halves import Half, half_named
from tests.raw_server import RawServer, serving
from tests.routing.answering import HI, places, refuses, says, text, vllm
from tests.routing.scripted import Scripted

modes = pytest.mark.parametrize("mode", ["chat", "stream"])
policies = pytest.mark.parametrize(
    "policy",
    [in_order, round_robin, weighted, least_busy, fastest, two_choices, cheapest],
    ids=lambda one: one.__name__,
)


@pytest.fixture(params=["sync", "async"])
def half(request: pytest.FixtureRequest) -> Iterator[Half]:
    with half_named(request.param) as half:
        yield half


def dead() -> RawServer:
    """Nobody listens there any more."""
    with serving(lambda _: []) as server:
        return server


def targets(route: Router) -> list[Target]:
    return list(route._state.targets)


def scripted(*said: Any, **settings: Any) -> Any:
    return Scripted(*said, **settings)


# --- failover --------------------------------------------------------------------------------------------------------


@modes
@pytest.mark.parametrize("status", [401, 402, 404, 408, 429, 500, 503])
def test_another_target_answers(half: Half, mode: str, status: int) -> None:
    with places(refuses(status), says("well")) as (bad, good):
        route = Router([vllm(bad), vllm(good)], policy=in_order)
        assert text(half, route, HI, mode) == "well"
        assert (len(bad.received), len(good.received)) == (1, 1)


@modes
def test_what_is_wrong_stops(half: Half, mode: str) -> None:
    with places(refuses(400), says("well")) as (strict, other):
        with pytest.raises(InvalidRequestError):
            text(half, Router([vllm(strict), vllm(other)], policy=in_order), HI, mode)
        assert other.received == []


@modes
@policies
def test_without_retries_a_dead_host_is_seen_once(half: Half, mode: str, policy: Policy) -> None:
    failures = 0
    with places(says("well")) as (good,):
        route = Router([vllm(dead()), vllm(good)], policy=policy, max_attempts=1, retries=0)
        for _ in range(60):
            try:
                assert text(half, route, HI, mode) == "well"
            except BackendConnectionError:
                failures += 1
    assert failures <= 1


@modes
@policies
def test_without_retries_a_broken_host_is_seen_once(half: Half, mode: str, policy: Policy) -> None:
    failures = 0
    with places(refuses(500), says("well")) as (bad, good):
        route = Router([vllm(bad), vllm(good)], policy=policy, max_attempts=1, retries=0)
        for _ in range(60):
            try:
                assert text(half, route, HI, mode) == "well"
            except ServerError:
                failures += 1
    assert failures <= 1


def test_a_delay_is_slept(half: Half) -> None:
    route = Router([scripted(RateLimitError("x", retry_after=0.01), "well")])
    assert half.chat(route, HI).text == "well"
    route = Router([scripted(RateLimitError("x", retry_after=0.01), "well")])
    assert len(half.events(route, HI)) == 2
    route = Router([scripted(RateLimitError("x", retry_after=0.01), "well")])
    assert half.embed(route, EmbedRequest(texts=("x",))).vectors == [[4.0]]


# --- nesting ---------------------------------------------------------------------------------------------------------


@modes
def test_attempts_do_not_multiply(half: Half, mode: str) -> None:
    with places(refuses(500), refuses(500)) as servers:
        first, second = (vllm(server, max_retries=5) for server in servers)
        inner = Router([Router([first], retries=9), second], retries=9, policy=in_order)
        outer = Router([inner, inner], retries=0, policy=in_order)
        with pytest.raises(AllBackendsFailedError):
            text(half, Router([outer], retries=0), HI, mode)
        assert [len(server.received) for server in servers] == [2, 2]  # once for each of the two inner routes


@pytest.mark.parametrize("retries", [0, 1])
def test_the_outermost_route_says_how_often_a_target_is_tried_again(half: Half, retries: int) -> None:
    with places(refuses(500), refuses(500)) as servers:
        inner = Router([vllm(server) for server in servers], retries=9, policy=in_order)
        with pytest.raises(AllBackendsFailedError):
            half.chat(Router([inner], retries=retries), HI)
        assert [len(server.received) for server in servers] == [1 + retries] * 2


@modes
def test_a_route_in_a_route_answers(half: Half, mode: str) -> None:
    with places(refuses(500), says("well")) as (bad, good):
        route = Router([Router([vllm(bad)]), Router([vllm(bad), vllm(good)], policy=in_order)], policy=in_order)
        assert text(half, route, HI, mode) == "well"


def test_what_an_inner_route_learns_is_kept(half: Half) -> None:
    with places(says("well")) as (good,):
        inner = Router([vllm(dead()), vllm(good)], policy=in_order)
        outer = Router([inner])
        for _ in range(5):
            half.chat(outer, HI)
        assert [one.calls for one in inner.status()] == [1, 5]


@pytest.mark.parametrize(
    ("errors", "state", "waits"),
    [
        ([RateLimitError("x", retry_after=60.0)] * 2, "closed", True),
        ([BackendConnectionError("x")] * 2, "open", False),
        ([ServerError("x"), BackendConnectionError("x")], "closed", False),
    ],
)
def test_a_route_is_judged_by_what_all_its_targets_say(
    half: Half, errors: list[BackendError], state: str, waits: bool
) -> None:
    inner = Router([scripted(error) for error in errors], policy=in_order)
    outer = Router([inner, scripted("well")], policy=in_order, breaker=BreakerRule(rest=0.0))
    assert half.chat(outer, HI).text == "well"
    assert outer.status()[0].state == state
    assert (targets(outer)[0].paused_until > 0) is waits


# --- embeddings ------------------------------------------------------------------------------------------------------


def test_embeddings_fail_over(half: Half) -> None:
    route = Router([scripted(ServerError("x")), scripted("four")], policy=in_order)
    assert half.embed(route, EmbedRequest(texts=("x",))).vectors == [[4.0]]


def test_vectors_of_different_models_are_not_mixed(half: Half) -> None:
    route = Router([scripted(model="bge-m3"), scripted(model="minilm")])
    for one in (route, Router([route, scripted(model="bge-m3")]), Router([route])):
        with pytest.raises(ConfigurationError, match="vectors of different models cannot be compared"):
            half.embed(one, EmbedRequest(texts=("x",)))


def test_one_model_may_have_several_names(half: Half) -> None:
    ids = [
        ("together", "intfloat/multilingual-e5-large-instruct"),
        ("deepinfra", "intfloat/multilingual-e5-large-instruct"),
    ]
    route = Router([scripted(name=place, model=model) for place, model in ids])
    for one in (route, Router([route, route])):
        assert half.embed(one, EmbedRequest(texts=("x",))).vectors == [[5.0]]


# --- what it is made of ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"targets": []}, "needs a list of targets"),
        ({"targets": "groq"}, "needs a list of targets"),
        ({"weights": [1.0]}, "as many weights, all above 0"),
        ({"weights": [1.0, 0.0]}, "as many weights, all above 0"),
        ({"retries": -1}, "retries must be at least 0, not -1"),
        ({"max_attempts": 0}, "max_attempts must be at least 1, not 0"),
        ({"longest_wait": -0.5}, "longest_wait must be at least 0"),
        ({"deadline": 0}, "deadline must be a number of seconds above 0"),
        ({"first_token_timeout": -1.0}, "first_token_timeout must be"),
        ({"chunk_timeout": float("nan")}, "chunk_timeout must be"),
    ],
)
def test_what_makes_no_route_is_told(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Router(**({"targets": [scripted(), scripted()]} | settings))


def test_targets_by_name() -> None:
    route = Router(["ollama/llama3.1:8b", connect("vllm", model="m")])
    assert [one.name for one in route.status()] == ["ollama/llama3.1:8b", "vllm/m"]
    assert repr(route) == "<router over ollama/llama3.1:8b, vllm/m>"
    assert route.name == "router"


def test_replicas_are_told_apart_by_host() -> None:
    replicas = [
        connect("vllm", model="m", base_url=f"http://{host}/v1") for host in ("one:8000", "two:8000", "two:8000")
    ]
    route = Router([*replicas, connect("groq", model="m", api_key="k"), connect("groq", model="m", api_key="other")])
    assert [one.name for one in route.status()] == [
        "vllm/m@one:8000",
        "vllm/m@two:8000#1",
        "vllm/m@two:8000#2",
        "groq/m#1",
        "groq/m#2",
    ]


def test_replicas_of_one_model_are_chosen_by_two_choices_and_others_in_order() -> None:
    same, other = scripted(), scripted(model="n")
    assert Router([same, same])._policy is two_choices
    assert Router([same, other])._policy is in_order
    assert (Router([same, same]).model, Router([same, other]).model) == ("m", "m, n")


def test_another_model_everywhere(half: Half) -> None:
    route = Router([scripted(), scripted()])
    other = route.with_model("n")
    assert (other.model, route.model) == ("n", "m")
    half.chat(other, HI)
    assert sum(one.calls for one in route.with_model("n").status()) == 1
    assert [one.calls for one in route.status()] == [0, 0]


def copied(route: Router) -> Router:
    return pickle.loads(pickle.dumps(route))  # type: ignore[no-any-return] # noqa: S301 - our own


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy, copied])
def test_copies_keep_what_was_set_and_drop_what_was_learned(make: Callable[[Router], Router], half: Half) -> None:
    with places(refuses(500), says("well")) as (bad, good):
        route = Router([vllm(bad), vllm(good)], policy=in_order, retries=0, weights=[1.0, 2.0], deadline=60.0)
        half.chat(route, HI)
        other = make(route)
        assert [(one.calls, one.failures) for one in route.status()] == [(1, 1), (1, 0)]
        assert [(one.calls, one.failures) for one in other.status()] == [(0, 0), (0, 0)]
        assert [one.weight for one in targets(other)] == [1.0, 2.0]
        assert (other._policy, other._rules) == (in_order, route._rules)
        assert half.chat(other, HI).text == "well"
        assert [one.calls for one in route.status()] == [1, 1]
