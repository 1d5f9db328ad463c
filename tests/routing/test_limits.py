"""Limits that were set: a call without room goes to the next target, or waits in line, or fails before it is made."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress

import pytest

from shared_core import AllBackendsFailedError, EmbedRequest, Limits, RateLimitError, Router, ServerError, Usage
from tests.routing.answering import places, says, vllm
from tests.routing.asking import HI, Asked, end, fail, route
from tests.routing.quotas import Clock, status


@pytest.fixture
def clock() -> Iterator[Clock]:
    yield Clock()
    Asked.kept.clear()


class TestSetLimits:
    def test_a_call_without_room_goes_to_the_next_target(self, clock: Clock) -> None:
        over = route(clock, [Limits(requests_per_minute=1), None], "vllm", "ollama")
        names = [attempt.target.name for attempt in (Asked(over).sent() for _ in range(3)) if attempt.target]
        assert names == ["vllm/m", "ollama/m", "ollama/m"]

    def test_it_waits_for_the_one_that_has_room_first(self, clock: Clock) -> None:
        over = route(clock, Limits(requests_per_minute=1), "vllm", "ollama")
        Asked(over).sent()
        clock.now += 20
        Asked(over).sent()
        waiting = Asked(over)
        assert waiting.next().target is None
        assert [one.limits.waiting for one in over.status()] == [1, 0]
        clock.now += 40
        attempt = waiting.sent()
        assert attempt.target is not None
        assert (attempt.target.name, attempt.delay) == ("vllm/m", 0.0)

    def test_whoever_waits_for_one_may_go_to_another(self, clock: Clock) -> None:
        over = route(clock, [Limits(requests_per_minute=1), Limits(in_flight=1)], "vllm", "ollama")
        Asked(over).sent()
        busy = Asked(over).sent()
        clock.now += 59.999
        waiting = Asked(over)
        assert waiting.next().target is None
        assert [one.limits.waiting for one in over.status()] == [1, 0]
        end(busy)
        attempt = waiting.sent()
        assert attempt.target is not None
        assert attempt.target.name == "ollama/m"
        assert [one.limits.waiting for one in over.status()] == [0, 0]

    def test_it_moves_to_the_line_that_has_become_shorter(self, clock: Clock) -> None:
        over = route(clock, [Limits(requests_per_minute=1), Limits(in_flight=1)], "vllm", "ollama")
        Asked(over).sent()
        Asked(over).sent()
        waiting = Asked(over)
        clock.now += 50
        waiting.next()
        assert [one.limits.waiting for one in over.status()] == [0, 1]  # whose call in flight may end at any time
        clock.now += 9.999
        waiting.next()
        assert [one.limits.waiting for one in over.status()] == [1, 0]

    def test_the_tokens_of_prompt_and_answer_count(self, clock: Clock) -> None:
        over = route(clock, Limits(tokens_per_minute=250))
        first, _ = Asked(over).sent(), Asked(over).sent()
        assert status(over).tokens_left == 50
        waiting = Asked(over)
        assert waiting.next().target is None
        end(first, Usage(5, 10))  # less than it might have been
        assert status(over).tokens_left == 135
        assert waiting.sent().target is not None

    def test_answers_without_a_bound_are_taken_to_be_as_long_as_they_are(self, clock: Clock) -> None:
        over = route(clock, Limits(tokens_per_minute=10_000))
        unbound = HI.model_copy(update={"max_tokens": None})
        for _ in range(30):
            end(Asked(over, unbound).sent(), Usage(10, 20))
        clock.now += 60
        Asked(over, unbound).sent()
        # 5 tokens, about, turned out to be 10; and answers had 20.
        assert status(over).tokens_left == pytest.approx(10_000 - 30, abs=2)

    def test_unknown_usage_corrects_nothing(self, clock: Clock) -> None:
        over = route(clock, Limits(tokens_per_minute=1000))
        end(Asked(over).sent(), Usage())
        assert status(over).tokens_left == 900

    def test_vectors_have_no_answer(self, clock: Clock) -> None:
        over = route(clock, Limits(tokens_per_minute=100))
        Asked(over, EmbedRequest(texts=("word" * 30,))).sent()
        assert status(over).tokens_left == 70

    def test_a_refused_call_used_no_tokens(self, clock: Clock) -> None:
        over = route(clock, Limits(requests_per_minute=10, tokens_per_minute=1000))
        fail(Asked(over).sent(), RateLimitError("no", retry_after=1.0))
        assert (status(over).requests_left, status(over).tokens_left) == (9, 1000)

    def test_a_failed_call_counts(self, clock: Clock) -> None:
        over = route(clock, Limits(requests_per_minute=10, tokens_per_minute=1000))
        fail(Asked(over).sent(), ServerError("broken"))
        assert (status(over).requests_left, status(over).tokens_left) == (9, 900)

    def test_what_was_never_sent_is_given_back(self, clock: Clock) -> None:
        over = route(clock, Limits(requests_per_minute=10), retries=1)
        call = Asked(over)
        fail(call.sent(), RateLimitError("no", retry_after=5.0))
        again = call.sent()
        assert (again.delay >= 5.0, status(over).requests_left) == (True, 8)
        fail(again, KeyboardInterrupt())  # type: ignore[arg-type]
        assert status(over).requests_left == 9

    def test_a_call_that_was_left_in_the_middle_counts(self, clock: Clock) -> None:
        over = route(clock, Limits(requests_per_minute=10))
        attempt = Asked(over).sent()
        clock.now += 1
        fail(attempt, GeneratorExit())  # type: ignore[arg-type]
        assert status(over).requests_left == 9


class TestLines:
    def test_first_come_first_served(self, clock: Clock) -> None:
        over = route(clock, Limits(requests_per_minute=2))
        for _ in range(2):
            Asked(over).sent()
        calls = [Asked(over) for _ in range(4)]
        delays = [call.next().delay for call in calls]
        assert delays == sorted(set(delays))  # no two wake at the same moment
        clock.now += 60
        assert calls[2].next().target is None
        assert calls[1].sent().target is not None
        assert calls[0].sent().target is not None
        assert calls[2].next().target is None
        assert status(over).waiting == 2

    @pytest.mark.parametrize("how", ["error", "close"])
    def test_who_goes_away_gives_up_the_place(self, clock: Clock, how: str) -> None:
        over = route(clock, Limits(requests_per_minute=1))
        Asked(over).sent()
        first, second = Asked(over), Asked(over)
        with suppress(KeyboardInterrupt), first.next():
            if how == "error":
                raise KeyboardInterrupt
        second.next()
        if how == "close":
            first.tries.close()  # type: ignore[attr-defined]
        clock.now += 60
        assert (status(over).waiting, second.sent().target is not None) == (1, True)

    async def test_a_task_that_waits_can_be_cancelled(self) -> None:
        with places(says("hello")) as (server,):
            over = Router([vllm(server)], limits=Limits(requests_per_minute=1))
            await over.achat(HI)
            waiting = asyncio.create_task(over.achat(HI))
            await asyncio.sleep(0)  # it runs until it sleeps
            assert status(over).waiting == 1
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert (status(over).waiting, len(server.received)) == (0, 1)

    def test_calls_in_flight_are_bounded(self, clock: Clock) -> None:
        over = route(clock, Limits(in_flight=2))
        first, _ = Asked(over).sent(), Asked(over).sent()
        waiting = [Asked(over) for _ in range(30)]
        delays = [call.next().delay for call in waiting]
        assert delays[0] < 0.03
        assert max(delays) < 0.3
        end(first)
        assert waiting[1].next().target is None
        assert waiting[0].sent().target is not None
        assert status(over).in_flight == 2

    def test_waiting_takes_as_long_as_it_takes(self, clock: Clock) -> None:
        over = route(clock, Limits(in_flight=1))
        busy, waiting = Asked(over).sent(), Asked(over)
        for _ in range(1000):
            clock.now += waiting.next().delay
        end(busy)
        assert waiting.sent().target is not None

    def test_but_no_longer_than_the_deadline(self, clock: Clock) -> None:
        over = route(clock, Limits(requests_per_minute=1), deadline=50.0)
        Asked(over).sent()
        with pytest.raises(RateLimitError, match="vllm/m has no room for another 60 s") as caught:
            Asked(over).next()
        assert (caught.value.retry_after, caught.value.backend, caught.value.model) == (60.0, "vllm", "m")
        clock.now += 10.1
        assert Asked(over).next().target is None

    def test_the_error_tells_of_the_attempts_before(self, clock: Clock) -> None:
        over = route(clock, [None, Limits(requests_per_minute=1)], "vllm", "ollama", deadline=50.0)
        call = Asked(over)
        fail(call.sent(), ServerError("broken"))
        end(call.sent())
        late = Asked(over)
        fail(late.sent(), ServerError("broken"))
        with pytest.raises(AllBackendsFailedError, match="vllm/m: ServerError: broken; ollama/m: RateLimitError"):
            late.next()
