"""Fallbacks for one kind of failure: they are asked for it, and for nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from shared_core import (
    BreakerRule,
    Capabilities,
    ChatRequest,
    ContentFilteredError,
    ContextLengthError,
    Message,
    Router,
    ServerError,
    Tool,
    UnsupportedError,
    connect,
    in_order,
)
from tests.halves import Half, half_named
from tests.raw_server import whole
from tests.routing.answering import HI, places, refuses, says, text, vllm

LONG = ChatRequest(messages=(Message(role="user", parts="word " * 40_000),))
TOO_LONG = refuses(400, "This model's maximum context length is 8 tokens. However, you requested 9 tokens.")
BROKEN = refuses(500, "the engine fell over")
FILTERED = says(finish="content_filter")


@pytest.fixture(params=["sync", "async"])
def half(request: pytest.FixtureRequest) -> Iterator[Half]:
    with half_named(request.param) as one:
        yield one


modes = pytest.mark.parametrize("mode", ["chat", "stream"])


@modes
def test_an_overflow_goes_to_its_fallback_at_once(half: Half, mode: str) -> None:
    with places(TOO_LONG, says("replica"), says("large")) as (small, replica, large):
        route = Router([vllm(small), vllm(replica)], policy=in_order, on_context_overflow=[vllm(large, "large")])
        assert text(half, route, HI, mode) == "large"
        assert [len(one.received) for one in (small, replica, large)] == [1, 0, 1]


@modes
def test_other_failures_do_not_go_there(half: Half, mode: str) -> None:
    with places(BROKEN, says("large"), says("unfiltered")) as (own, large, unfiltered):
        route = Router([vllm(own)], on_context_overflow=[vllm(large)], on_content_filter=[vllm(unfiltered)], retries=0)
        with pytest.raises(ServerError):
            text(half, route, HI, mode)
        assert (large.received, unfiltered.received) == ([], [])


def test_what_nobody_knows_to_be_larger_comes_last(half: Half) -> None:
    with places(TOO_LONG, TOO_LONG, TOO_LONG) as servers:
        own, replica, large = servers
        route = Router([vllm(own), vllm(replica)], policy=in_order, on_context_overflow=[vllm(large)])
        with pytest.raises(ContextLengthError):
            half.chat(route, HI)
        # The fallback is asked once, though it fails in the same way.
        assert [len(one.received) for one in servers] == [1, 1, 1]


def test_a_known_larger_window_of_the_route_comes_first(half: Half) -> None:
    said = {"message": {"role": "assistant", "content": "128k"}, "done": True, "done_reason": "stop"}
    with places(lambda _: [whole(said)], TOO_LONG, says("fallback")) as (larger, small, fallback):
        own = [connect("ollama/m", base_url=larger.url, num_ctx=131_072), vllm(small)]
        route = Router(own, policy=lambda _, targets: list(reversed(targets)), on_context_overflow=[vllm(fallback)])
        assert half.chat(route, HI).text == "128k"
        assert fallback.received == []


@modes
def test_an_estimate_above_every_window_goes_there_untried(half: Half, mode: str) -> None:
    with places(says("small"), says("large")) as (small, large):
        own = connect("ollama/m", base_url=small.url, num_ctx=2048)
        route = Router([own], on_context_overflow=[vllm(large)])
        assert text(half, route, LONG, mode) == "large"
        assert small.received == []


def test_an_estimate_that_is_also_too_long_there_says_why(half: Half) -> None:
    with places(says("small"), says("large")) as (small, large):
        own, other = (connect("ollama/m", base_url=one.url, num_ctx=2048) for one in (small, large))
        route = Router([own], on_context_overflow=[other])
        with pytest.raises(UnsupportedError, match=r"ollama/m@\S+: its window has 2,048.*ollama/m@\S+: its window has"):
            half.chat(route, LONG)


class Toolless:
    """A backend that knows of itself that it has no tools."""

    name, model, capabilities = "toolless", "m", Capabilities(tools=False)


TOOLLESS: Any = Toolless()


def test_what_is_unfit_for_another_reason_does_not_go_there(half: Half) -> None:
    with places(says("large")) as (large,):
        route = Router([TOOLLESS], on_context_overflow=[vllm(large)])
        with pytest.raises(UnsupportedError, match="it has no tools"):
            half.chat(route, HI.model_copy(update={"tools": (Tool(name="t"),)}))
        assert large.received == []


@modes
def test_a_filtered_answer_goes_to_its_fallback(half: Half, mode: str) -> None:
    with places(FILTERED, says("replica"), says("free")) as (own, replica, free):
        route = Router([vllm(own), vllm(replica)], policy=in_order, on_content_filter=[vllm(free)])
        assert text(half, route, HI, mode) == "free"
        assert replica.received == []
        # The filter says nothing of the target's health.
        assert [one.state for one in route.status()] == ["closed"] * 3
        assert [one.calls for one in route.status()] == [1, 0, 1]


def test_the_answer_tells_of_the_filtered_attempt(half: Half) -> None:
    with places(FILTERED, says("free")) as (own, free):
        route = Router([vllm(own)], on_content_filter=[vllm(free)])
        told = half.chat(route, HI).finish.metadata["attempts"]
        assert [one["target"] for one in told] == [f"vllm/m@127.0.0.1:{server.port}" for server in (own, free)]
        assert told[0]["error"].startswith("ContentFilteredError: ")
        assert told[1]["error"] is None


@modes
def test_without_a_fallback_it_passes_through(half: Half, mode: str) -> None:
    with places(FILTERED, FILTERED, FILTERED) as (own, first, second):
        alone = Router([vllm(own)], on_context_overflow=[vllm(first)])
        assert text(half, alone, HI, mode) == ""
        # So does that of the last fallback.
        route = Router([vllm(own)], on_content_filter=[vllm(first), vllm(second)])
        events = half.events(route, HI)
        assert [getattr(event, "reason", None) for event in events] == ["content_filter"]
        assert [len(one.received) for one in (own, first, second)] == [2, 1, 0]


@modes
def test_an_answer_that_was_cut_short_by_the_filter_is_one(half: Half, mode: str) -> None:
    with places(says("so far", finish="content_filter"), says("free")) as (own, free):
        route = Router([vllm(own)], on_content_filter=[vllm(free)])
        assert text(half, route, HI, mode) == "so far"
        assert free.received == []


def test_a_fallback_that_cannot_serve_the_request_is_none(half: Half) -> None:
    with places(FILTERED) as (own,):
        route = Router([vllm(own)], on_content_filter=[TOOLLESS])
        request = HI.model_copy(update={"tools": (Tool(name="t"),)})
        assert half.chat(route, request).finish.reason == "content_filter"


def test_when_no_more_attempts_are_allowed_the_filter_is_the_error(half: Half) -> None:
    with places(FILTERED, says("free")) as (own, free):
        route = Router([vllm(own)], on_content_filter=[vllm(free)], max_attempts=1)
        with pytest.raises(ContentFilteredError):
            half.chat(route, HI)


def test_copies_and_siblings_have_the_fallbacks_too() -> None:
    with places(TOO_LONG, says("large")) as (own, large):
        route = Router(
            [vllm(own)], on_context_overflow=[vllm(large, "large")], breaker=BreakerRule(consecutive=1), retries=0
        )
        for one in (route.__copy__(), route.with_model("other"), route.without_retries()):
            assert one.chat(HI).text == "large"
        # Another model for the route leaves its fallbacks theirs: they were chosen for their window.
        assert [request.json["model"] for request in large.received] == ["large"] * 3
        assert [request.json["model"] for request in own.received] == ["m", "other", "m"]
