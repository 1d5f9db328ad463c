"""A route over real sockets and scripted backends: failover, probes under load, cancelling, nesting, copies."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shared_core import (
    AllBackendsFailedError,
    BackendConnectionError,
    BackendError,
    BreakerRule,
    ChatBackend,
    ChatRequest,
    ConfigurationError,
    EmbedRequest,
    InvalidRequestError,
    Listeners,
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
from tests.raw_server import RawServer, Received, Script, Step, completion, serving, whole
from tests.routing.answering import HI, places, refuses, says, text, vllm
from tests.routing.scripted import FakeClock, Scripted

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


# --- probes ----------------------------------------------------------------------------------------------------------


class Gate:
    """A place that holds its first request until all callers have begun, and counts those that came before that."""

    def __init__(self, callers: int) -> None:
        self._callers = callers
        self._begun = 0
        self._lock = threading.Lock()
        self._all_begun = threading.Event()
        self.before: int | None = None
        self.server: RawServer

    def policy(self, request: Any, over: Any) -> Any:
        with self._lock:
            self._begun += 1
            if self._begun == self._callers:
                self._all_begun.set()
        return over

    def answer(self, request: Received) -> Iterator[Step]:
        if self.before is None:
            self.before = 0
            yield self._all_begun
            self.before = len(self.server.received)
        yield whole(completion(content="well"))


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate(200)
    with serving(gate.answer) as gate.server:
        yield gate


def half_open(gate: Gate) -> Router:
    route = Router([vllm(gate.server)], policy=gate.policy)
    targets(route)[0].breaker.open(0.0)
    return route


def test_of_200_threads_one_probes_the_only_target_and_all_get_answers(gate: Gate) -> None:
    route = half_open(gate)
    with ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(lambda _: route.chat(HI).text, range(200)))
    assert (gate.before, set(answers)) == (1, {"well"})
    assert (route.status()[0].state, route.status()[0].in_flight) == ("closed", 0)


async def test_of_200_tasks_one_probes_the_only_target_and_all_get_answers(gate: Gate) -> None:
    route = half_open(gate)
    answers = await asyncio.gather(*(route.achat(HI) for _ in range(200)))
    assert (gate.before, {answer.text for answer in answers}) == (1, {"well"})
    assert (route.status()[0].state, route.status()[0].in_flight) == ("closed", 0)


def test_of_200_threads_one_probes_while_the_others_go_elsewhere(gate: Gate) -> None:
    with places(says("other")) as (other,):
        route = Router([vllm(gate.server), vllm(other)], policy=gate.policy)
        targets(route)[0].breaker.open(0.0)
        with ThreadPoolExecutor(200) as pool:
            answers = Counter(pool.map(lambda _: route.chat(HI).text, range(200)))
        assert gate.before == 1
        assert answers["other"] > 150


def test_who_waits_for_a_probe_goes_himself_in_the_end(half: Half) -> None:
    route = Router([scripted("four")], longest_wait=0.1)
    breaker = targets(route)[0].breaker
    for ask in (half.chat, half.events):
        breaker.open(0.0)
        breaker.enter("another call, which never ends")
        ask(route, HI)
    breaker.open(0.0)
    breaker.enter("another call, which never ends")
    assert half.embed(route, EmbedRequest(texts=("x",))).vectors == [[4.0]]
    assert (breaker.state, targets(route)[0].in_flight) == ("closed", 0)


# --- going away ------------------------------------------------------------------------------------------------------


def hold(release: threading.Event) -> Script:
    return lambda _: [release, whole(completion(content="late"))]


@pytest.mark.parametrize("call", ["achat", "astream"])
async def test_a_cancelled_call_hangs_up_and_frees_its_target(call: str) -> None:
    with serving(hold(threading.Event())) as server:
        route = Router([vllm(server)])
        targets(route)[0].breaker.open(0.0)

        async def ask() -> None:
            if call == "achat":
                await route.achat(HI)
            else:
                async for _ in route.astream(HI):
                    pass

        task = asyncio.ensure_future(ask())
        while not server.received:  # noqa: ASYNC110 - a thread receives it
            await asyncio.sleep(0.001)
        assert targets(route)[0].in_flight == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert server.hung_up.wait(10)
    assert targets(route)[0].in_flight == 0
    assert targets(route)[0].breaker.is_ready


async def test_a_call_that_is_cancelled_in_its_delay_frees_its_target() -> None:
    backend = scripted()
    route = Router([backend])
    target = targets(route)[0]
    target.paused_until = route._clock() + 5.0
    for call in (route.achat(HI), route.aembed(EmbedRequest(texts=("x",))), anext(route.astream(HI))):
        task = asyncio.ensure_future(call)
        while not target.in_flight:  # noqa: ASYNC110 - a few turns of the loop
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert target.in_flight == 0
    assert backend.asked == []


def test_a_stream_that_is_closed_frees_its_target(half: Half) -> None:
    with places(says("one", "two", "three")) as (server,):
        route = Router([vllm(server)])
        half.first_event(route, HI)
        assert targets(route)[0].in_flight == 0


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_what_is_no_backends_error_passes_and_frees_the_target(half: Half, error: type[BaseException]) -> None:
    for ask in (half.chat, half.events):
        other = scripted()
        route = Router([scripted(error()), other], policy=in_order)
        if isinstance(error(), KeyboardInterrupt) and type(half).__name__ == "AsyncHalf":
            continue  # asyncio raises it out of its loop, around the task
        with pytest.raises(error):
            ask(route, HI)
        assert (targets(route)[0].in_flight, other.asked) == (0, [])


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


# --- seeing it -------------------------------------------------------------------------------------------------------


def test_status_tells_how_each_target_is(half: Half) -> None:
    clock = FakeClock()
    route = Router(
        [scripted(BackendConnectionError("gone"), name="a"), scripted(name="b")], policy=in_order, clock=clock
    )
    half.chat(route, HI)
    a, b = route.status()
    assert (a.name, a.state, a.calls, a.failures, a.in_flight) == ("a/m", "open", 1, 1, 0)
    assert a.last_error == "BackendConnectionError: gone"
    assert 4.5 <= a.ready_in <= 5.5
    assert (b.state, b.calls, b.failures, b.ready_in, b.last_error) == ("closed", 1, 0, 0.0, None)
    assert repr(targets(route)[0]) == "<target a/m, open>"


def test_listeners_hear_what_happens(half: Half) -> None:
    heard: list[Any] = []
    listeners = Listeners(
        on_attempt=lambda name: heard.append(("attempt", name)),
        on_failure=lambda name, error: heard.append(("failure", name, str(error))),
        on_failover=lambda name, to: heard.append(("failover", name, to)),
        on_open=lambda name: heard.append(("open", name)),
        on_close=lambda name: heard.append(("close", name)),
    )
    clock = FakeClock()
    dying = scripted(BackendConnectionError("gone"), "back", name="a")
    route = Router([dying, scripted(name="b")], policy=in_order, listeners=listeners, clock=clock)
    half.chat(route, HI)
    clock.pass_(6.0)
    half.chat(route, HI)
    assert heard == [
        ("attempt", "a/m"),
        ("failure", "a/m", "gone"),
        ("open", "a/m"),
        ("failover", "a/m", "b/m"),
        ("attempt", "b/m"),
        ("attempt", "a/m"),
        ("close", "a/m"),
    ]


@pytest.mark.parametrize("event", ["on_attempt", "on_failure", "on_failover", "on_open", "on_close"])
def test_a_listener_that_raises_leaves_nothing_behind(half: Half, event: str) -> None:
    def raise_(*_: object) -> None:
        raise ZeroDivisionError

    clock = FakeClock()
    dying = scripted(BackendConnectionError("gone"), "back", name="a")
    route = Router([dying, scripted(name="b")], policy=in_order, listeners=Listeners(**{event: raise_}), clock=clock)
    raised = 0
    for _ in range(2):
        try:
            half.chat(route, HI)
        except ZeroDivisionError:
            raised += 1
        clock.pass_(6.0)
    assert raised >= 1
    assert [(one.in_flight, one.breaker.is_probing) for one in targets(route)] == [(0, False), (0, False)]


# --- many threads ----------------------------------------------------------------------------------------------------


@policies
def test_counts_add_up_under_many_threads(policy: Policy) -> None:
    lock, asked = threading.Lock(), Counter[str]()

    def answers(name: str) -> Callable[[], str]:
        def answer() -> str:
            with lock:
                asked[name] += 1
                if name == "c" and asked[name] % 3 == 0:
                    raise ServerError("every third")
            return "well"

        return answer

    route = Router(
        [scripted(answers(name), name=name) for name in "abc"],
        policy=policy,
        breaker=BreakerRule(rest=0.0, consecutive=9),
    )

    def ask(number: int) -> None:
        if number % 3 == 0:
            assert route.chat(HI).text == "well"
        elif number % 3 == 1:
            assert len(list(route.stream(HI))) == 2
        else:
            stream = route.stream(HI)
            next(stream)
            stream.close()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, range(900)))
    status = {one.name[0]: one for one in route.status()}
    assert {name: one.calls for name, one in status.items()} == {name: asked[name] for name in "abc"}
    assert status["c"].failures == asked["c"] // 3
    assert sum(asked.values()) == 900 + status["c"].failures
    assert [one.in_flight for one in status.values()] == [0, 0, 0]


def test_a_backend_of_ones_own_needs_no_base_class() -> None:
    backend: ChatBackend = scripted()
    request: ChatRequest = HI
    assert isinstance(Router([scripted()]), ChatBackend)
    assert backend.chat(request).text == "hello"
