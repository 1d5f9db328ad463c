"""In which order targets are tried, and how well each order spreads a load."""

from __future__ import annotations

import heapq
import pickle
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from shared_core import ChatRequest, EmbedRequest, Finish, Message, connect
from shared_core.models import Price
from shared_core.routing.policies import (
    Policy,
    Request,
    cheapest,
    fastest,
    in_order,
    least_busy,
    round_robin,
    two_choices,
    weighted,
    where,
)
from shared_core.routing.target import Target
from tests.routing.scripted import HI, FakeClock, Route, Scripted, names, target

ALL = [in_order, round_robin, weighted, least_busy, fastest, two_choices, cheapest]


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    """Policies draw from the process's own generator: what is drawn here must be the same every time."""
    state = random.getstate()
    random.seed(20260)
    yield
    random.setstate(state)


def targets(*called: str, weights: tuple[float, ...] = ()) -> list[Target]:
    clock = FakeClock()
    return [
        target(Scripted(name=name), clock, weight=weight)
        for name, weight in zip(called, weights or [1.0] * 9, strict=False)
    ]


def firsts(policy: Policy, over: list[Target], calls: int = 1000) -> Counter[str]:
    return Counter(policy(HI, over)[0].name for _ in range(calls))


@pytest.mark.parametrize("policy", ALL)
@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_every_policy_gives_each_target_once(policy: Policy, count: int) -> None:
    over = targets(*"abcde"[:count])
    for request in (HI, EmbedRequest(texts=("x",))):
        assert sorted(names(policy(request, over))) == list("abcde"[:count])
    assert names(over) == list("abcde"[:count])  # what it was given is left as it was


def test_in_order_is_the_order_given() -> None:
    assert names(in_order(HI, targets("c", "a", "b"))) == ["c", "a", "b"]


def test_round_robin_takes_turns() -> None:
    route = Route("a", "b", "c", policy=round_robin)
    assert [route.call({}).names for _ in range(6)] == [["a"], ["b"], ["c"], ["a"], ["b"], ["c"]]


def test_weights_are_shares() -> None:
    counts = firsts(weighted, targets("a", "b", "c", weights=(1.0, 3.0, 6.0)), 10_000)
    for name, share in (("a", 0.1), ("b", 0.3), ("c", 0.6)):
        assert counts[name] == pytest.approx(10_000 * share, rel=0.1)


def test_least_busy_counts_calls_for_a_weight() -> None:
    busy = targets("a", "b", "c", weights=(1.0, 4.0, 1.0))
    for one, calls in zip(busy, (1, 3, 2), strict=True):
        one.in_flight = calls
    assert names(least_busy(HI, busy)) == ["b", "a", "c"]


def test_least_busy_draws_among_equals() -> None:
    counts = firsts(least_busy, targets("a", "b"))
    assert min(counts["a"], counts["b"]) > 400


def test_fastest_is_by_first_tokens() -> None:
    timed = targets("slow", "fast", "medium")
    for one, seconds in zip(timed, (3.0, 0.1, 1.0), strict=True):
        one.latency.add(seconds)
    assert names(fastest(HI, timed)) == ["fast", "medium", "slow"]


def test_fastest_tries_whom_nobody_knows() -> None:
    timed = targets("known", "unknown")
    timed[0].latency.add(0.001)
    assert names(fastest(HI, timed)) == ["unknown", "known"]


def test_fastest_starves_nobody() -> None:
    route = Route("was slow", "steady", policy=fastest)
    seconds = {"was slow": 20.0, "steady": 1.0}

    def answer() -> str:
        tried = route.attempts()
        with next(tried) as attempt:
            assert attempt.target is not None
            name = attempt.target.name
            route.clock.pass_(seconds[name])
            attempt.first()
        tried.close()
        return name

    assert [answer() for _ in range(3)] == ["was slow", "steady", "steady"]
    seconds["was slow"] = 0.5  # its model is loaded by now
    calls = [answer() for _ in range(1000)]
    assert "was slow" in calls
    assert calls[-50:].count("was slow") > 40


def test_two_choices_takes_the_better_of_two() -> None:
    timed = targets("slower", "fast", "medium")
    for one, seconds in zip(timed, (0.19, 0.1, 0.15), strict=True):
        one.pace.add(seconds)
    counts = firsts(two_choices, timed, 3000)
    assert counts["slower"] == 0  # it wins against nobody
    assert counts["fast"] == pytest.approx(2000, rel=0.1)
    assert counts["medium"] == pytest.approx(1000, rel=0.1)


def test_two_choices_does_not_draw_who_is_far_from_the_best() -> None:
    timed = targets("slow", "fast", "too slow")
    for one, seconds in zip(timed, (0.3, 0.1, 0.5), strict=True):
        one.pace.add(seconds)
    assert all(names(two_choices(HI, timed)) == ["fast", "slow", "too slow"] for _ in range(100))


def test_two_choices_weighs_the_calls_on_their_way() -> None:
    timed = targets("fast and busy", "slow and idle")
    for one, seconds, calls in zip(timed, (1.0, 3.0), (9, 0), strict=True):
        one.pace.add(seconds)
        one.in_flight = calls
    assert names(two_choices(HI, timed)) == ["slow and idle", "fast and busy"]


def test_one_call_finds_out_about_a_new_target_and_the_others_wait_for_what_it_finds() -> None:
    timed = targets("known", "new")
    timed[0].pace.add(1.0)
    assert names(two_choices(HI, timed)) == ["new", "known"]
    timed[1].in_flight = 1
    assert names(two_choices(HI, timed)) == ["known", "new"]


def test_two_choices_spreads_a_burst_over_targets_that_are_all_new() -> None:
    route = Route("a", "b", "c", "d", policy=two_choices)
    calls = [route.attempts() for _ in range(200)]
    for call in calls:
        next(call)
    assert all(40 <= one.in_flight <= 60 for one in route.targets)
    for call in calls:
        call.close()


# --- prices ----------------------------------------------------------------------------------------------------------


class Priced(Scripted):
    def __init__(self, name: str, price: Price | None) -> None:
        super().__init__(name=name)
        self.price = price


def priced(**prices: Price | None) -> list[Target]:
    return [target(Priced(name, price), FakeClock()) for name, price in prices.items()]


def ask(characters: int, max_tokens: int | None) -> ChatRequest:
    return ChatRequest(messages=(Message(role="user", parts="x" * characters),), max_tokens=max_tokens)


def test_cheapest_depends_on_prompt_and_answer() -> None:
    over = priced(reads=Price(0.1, 3.0), writes=Price(1.0, 0.5), free=Price(0.0, 0.0))
    assert names(cheapest(ask(400_000, 10), over)) == ["free", "reads", "writes"]
    assert names(cheapest(ask(40, 4000), over)) == ["free", "writes", "reads"]
    assert names(cheapest(ask(40, None), over)) == ["free", "writes", "reads"]


def test_unknown_prices_come_last() -> None:
    over = priced(unknown=None, dear=Price(99.0, 99.0), half=Price(1.0, None))
    for request in (HI, EmbedRequest(texts=("x" * 400,)), EmbedRequest(texts=("",))):
        assert names(cheapest(request, over))[-1] == "unknown"
    assert names(cheapest(HI, over)) == ["half", "dear", "unknown"]


def test_prices_of_real_places() -> None:
    clock = FakeClock()
    dear, cheap = (connect("groq", model=model, api_key="k") for model in ("gpt-oss-120b", "gpt-oss-20b"))
    own = connect("ollama", model="no-list-has-this")
    unknown = connect("groq", model="no-list-has-this", api_key="k")
    over = [target(as_scripted(one), clock) for one in (unknown, dear, cheap, own)]
    assert [one.backend for one in cheapest(HI, over)] == [own, cheap, dear, unknown]


@pytest.mark.parametrize(
    ("backend", "is_free"),
    [
        (connect("vllm", model="m", base_url="https://gpu.example:8000/v1"), True),
        (connect("ollama", model="llama3.1:8b"), True),
        (connect("ollama", model="gpt-oss:120b-cloud"), False),
        (connect("ollama", model="no-list-has-this", base_url="https://ollama.com"), False),
        (connect("litellm", model="no-list-has-this"), False),
        (connect("openai_compatible", model="no-list-has-this", base_url="http://localhost:1/v1"), False),
    ],
)
def test_only_servers_that_do_not_bill_are_free(backend: Any, is_free: bool) -> None:
    assert (backend.price == Price(0.0, 0.0)) is is_free


def as_scripted(backend: Any) -> Scripted:
    """Any backend is a target."""
    return backend  # type: ignore[no-any-return]


def test_a_list_price_is_looked_up_for_a_backend_that_tells_none() -> None:
    other = target(Scripted(name="groq", model="gpt-oss-20b"), FakeClock())
    assert other.price is not None
    assert other.price.input > 0


# --- where -----------------------------------------------------------------------------------------------------------


def is_b_or_c(request: Request, one: Target) -> bool:
    return one.name in "bc"


def test_where_narrows_another_policy() -> None:
    assert names(where(is_b_or_c)(HI, targets("a", "b", "c"))) == ["b", "c"]
    route = Route("a", "b", "c", policy=where(is_b_or_c, then=round_robin))
    assert [route.call({}).names for _ in range(3)] == [["b"], ["c"], ["b"]]


def test_where_sees_the_request_and_can_be_pickled() -> None:
    policy = pickle.loads(pickle.dumps(where(is_b_or_c, then=least_busy)))  # noqa: S301 - our own
    assert sorted(names(policy(HI, targets("a", "b", "c")))) == ["b", "c"]


def by_length(request: Request, over: Any) -> Any:
    """A policy of one's own is a function."""
    short = isinstance(request, ChatRequest) and len(request.messages[0].text) < 100
    return [one for one in over if (one.name == "small") == short]


def test_any_function_is_a_policy() -> None:
    route = Route("small", "large", policy=by_length)
    assert route.call({}, ask(10, None)).names == ["small"]
    assert route.call({}, ask(1000, None)).names == ["large"]


# --- a load, simulated -----------------------------------------------------------------------------------------------


class Simulation:
    """Replicas under a load at random moments; each serves `slots` calls at once, and the others in order.

    A call takes a tenth of a second, give or take a fifth of that, times its replica's factor.
    """

    def __init__(self, policy: Policy, factors: tuple[float, ...], slots: int) -> None:
        random.seed(42)
        self.route = Route(*(str(at) for at in range(len(factors))), policy=policy)
        self._factors = factors
        self._free_at = {str(at): [0.0] * slots for at in range(len(factors))}
        self._running: list[tuple[float, int, Any, Any]] = []
        self.took: list[float] = []

    def run(self, requests: int, per_second: float) -> list[float]:
        """Seconds that each request took, shortest first."""
        moment = self.route.clock.now
        for _ in range(requests):
            moment += random.expovariate(per_second)
            self._end_all_until(moment)
            self.route.clock.now = moment
            self._begin()
        self._end_all_until(float("inf"))
        assert {one.in_flight for one in self.route.targets} == {0}
        return sorted(self.took)

    def _begin(self) -> None:
        attempt = next(attempts := self.route.attempts())
        attempt.__enter__()
        assert attempt.target is not None
        slots, now = self._free_at[attempt.target.name], self.route.clock.now
        seconds = 0.1 * random.uniform(0.8, 1.2) * self._factors[int(attempt.target.name)]
        ends = max(now, heapq.heappop(slots)) + seconds
        heapq.heappush(slots, ends)
        heapq.heappush(self._running, (ends, len(self.took), attempts, attempt))
        self.took.append(ends - now)

    def _end_all_until(self, moment: float) -> None:
        while self._running and self._running[0][0] <= moment:
            self.route.clock.now, _, attempts, attempt = heapq.heappop(self._running)
            attempt.done(Finish("stop"))
            attempt.__exit__(None, None, None)
            attempts.close()


def p99(policy: Policy, *factors: float, slots: int, per_second: float) -> float:
    return Simulation(policy, factors, slots).run(10_000, per_second)[9_900]


@pytest.mark.parametrize(
    ("slots", "per_second"),
    [(1, 5.0), (1, 20.0), (64, 20.0), (8, 150.0)],
    ids=["one at a time", "one at a time, two thirds of what they can", "few calls", "many calls"],
)
def test_one_slow_replica_of_four_hardly_shows(slots: int, per_second: float) -> None:
    without = p99(two_choices, 1, 1, 1, slots=slots, per_second=per_second)
    with_slow = p99(two_choices, 1, 1, 1, 10, slots=slots, per_second=per_second)
    in_turn = p99(round_robin, 1, 1, 1, 10, slots=slots, per_second=per_second)
    figures = (
        f"99 of 100 within {without:.3f} s without the slow replica, {with_slow:.3f} s with it; in turn {in_turn:.3f} s"
    )
    assert with_slow <= 1.3 * without, figures
    assert in_turn > 3 * without, figures


def test_the_slow_replica_is_not_forgotten() -> None:
    simulation = Simulation(two_choices, (1, 1, 1, 10), 64)
    simulation.run(10_000, 20.0)
    assert simulation.route["3"].calls > 1


def test_a_simulation_is_the_same_every_time() -> None:
    runs = [Simulation(two_choices, (1, 1, 1, 10), 8).run(500, 50.0) for _ in range(2)]
    assert runs[0] == runs[1]
