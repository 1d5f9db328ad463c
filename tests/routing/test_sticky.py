"""Sticky routing: the same key has the same target, and few keys move when targets come and go."""

from __future__ import annotations

import pickle
from collections import Counter
from typing import Any

import pytest

from shared_core import (
    ChatRequest,
    EmbedRequest,
    Message,
    Policy,
    Router,
    Target,
    connect,
    in_order,
    sticky,
)
from shared_core.routing.breaker import BreakerRule
from shared_core.routing.naming import names_of
from tests.halves import half_named
from tests.routing.answering import HI, places, refuses, says, vllm

KEYS = [f"conversation {number}" for number in range(2_000)]


def for_key(key: str) -> ChatRequest:
    return ChatRequest(messages=(Message(role="user", parts="Hi"),), user=key)


def target_of(backend: Any, name: str, weight: float = 1.0) -> Target:
    return Target(backend, name, weight=weight, rule=BreakerRule(), clock=lambda: 0.0)


def targets(*names: str, weights: dict[str, float] | None = None) -> list[Target]:
    return [target_of(connect("groq/m", api_key="k"), name, (weights or {}).get(name, 1.0)) for name in names]


def homes(policy: Policy, among: list[Target]) -> dict[str, str]:
    """The first target of each key."""
    return {key: policy(for_key(key), among)[0].name for key in KEYS}


BY_USER = sticky("user")


def test_a_key_has_one_target_in_whatever_order_they_stand() -> None:
    among = targets("a", "b", "c")
    assert homes(BY_USER, among) == homes(BY_USER, among) == homes(BY_USER, among[::-1])


def test_keys_spread_evenly() -> None:
    counts = Counter(homes(BY_USER, targets("a", "b", "c", "d")).values())
    assert all(abs(count - 500) < 100 for count in counts.values())
    assert len(counts) == 4


def test_keys_spread_by_weight() -> None:
    counts = Counter(homes(BY_USER, targets("a", "b", weights={"a": 3.0})).values())
    assert abs(counts["a"] - 1_500) < 100


def test_a_target_that_joins_takes_its_share_and_moves_no_other_key() -> None:
    before, after = (homes(BY_USER, targets(*names)) for names in ("abc", "abcd"))
    moved = {after[key] for key in KEYS if before[key] != after[key]}
    assert moved == {"d"}
    assert sum(before[key] != after[key] for key in KEYS) < 600


def test_a_target_that_leaves_gives_up_its_own_keys_only() -> None:
    before, after = (homes(BY_USER, targets(*names)) for names in ("abcd", "abc"))
    assert {before[key] for key in KEYS if before[key] != after[key]} == {"d"}


def test_a_target_that_is_numbered_because_another_joins_keeps_its_keys() -> None:
    before = homes(BY_USER, targets("a", "b"))
    after = homes(BY_USER, targets("a#1", "b", "a#2"))
    assert {after[key] for key in KEYS if after[key].removesuffix("#1") != before[key]} == {"a#2"}


def test_a_target_that_is_named_by_its_host_because_another_joins_keeps_its_keys() -> None:
    def named(*hosts: str) -> list[Target]:
        every = [connect("vllm", model="m", base_url=f"http://{host}/v1") for host in hosts]
        return [target_of(one, name) for one, name in zip(every, names_of(every), strict=True)]

    before, after = (
        homes(BY_USER, [*named("one:1"), *targets("b")]),
        homes(BY_USER, [*named("one:1", "two:2"), *targets("b")]),
    )
    assert set(before.values()) == {"vllm/m", "b"}
    assert {after[key] for key in KEYS if before[key] == "vllm/m"} == {"vllm/m@one:1", "vllm/m@two:2"}
    assert {after[key] for key in KEYS if before[key] == "b"} == {"b", "vllm/m@two:2"}


def test_keys_and_names_do_not_run_into_each_other() -> None:
    # "1" at "1a" and "11" at "a" would draw alike.
    homes = {BY_USER(for_key(key), targets("1a", "a"))[0].name for key in ("1", "11", "2", "3", "4")}
    assert homes == {"1a", "a"}


def of_greeting(request: ChatRequest | EmbedRequest) -> str | None:
    return request.messages[0].text if isinstance(request, ChatRequest) else None


def test_the_key_may_be_found_by_a_function() -> None:
    among = targets("a", "b", "c")
    assert sticky(of_greeting)(HI, among) == sticky(lambda _: "Hi")(for_key("someone"), among)


def test_the_key_may_be_an_entry_of_extra() -> None:
    among = targets("a", "b", "c")
    request = HI.model_copy(update={"extra": {"session": 7}})
    assert sticky("session")(request, among) == BY_USER(for_key("7"), among)


@pytest.mark.parametrize("key", ["user", "session", lambda _: None])
def test_without_a_key_another_policy_orders(key: Any) -> None:
    among = targets("c", "a", "b")
    assert list(sticky(key, then=in_order)(HI, among)) == among
    assert list(sticky(key, then=in_order)(EmbedRequest(texts=("Hi",)), among)) == among
    assert sorted(target.name for target in sticky(key)(HI, among)) == ["a", "b", "c"]


@pytest.mark.parametrize("half_name", ["sync", "async"])
def test_a_key_goes_to_its_next_target_while_its_own_is_ill_and_comes_back(half_name: str) -> None:
    clock = [0.0]
    mood = {"ill": True}
    with places(says("one"), says("two"), says("three")) as servers, half_named(half_name) as half:
        route = Router([vllm(one) for one in servers], policy=BY_USER, clock=lambda: clock[0], retries=0)
        request = for_key("me")
        home = half.chat(route, request).text
        server = servers[["one", "two", "three"].index(home)]
        well = server.script
        server.script = lambda received: refuses(401)(received) if mood["ill"] else well(received)
        elsewhere = [half.chat(route, request).text for _ in range(5)]
        assert set(elsewhere) == {elsewhere[0]} != {home}
        asked = len(server.received)
        mood["ill"] = False
        clock[0] += 1_000.0
        assert [half.chat(route, request).text for _ in range(3)] == [home] * 3
        # While it was ill it was asked once, and not for every call.
        assert asked == 2


def test_a_sticky_route_pickles() -> None:
    route = pickle.loads(pickle.dumps(Router(["vllm/m", "vllm/n"], policy=BY_USER)))  # noqa: S301 - our own bytes
    assert [one.name for one in route.status()] == ["vllm/m", "vllm/n"]
