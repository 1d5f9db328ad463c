"""Tokens, seconds and log-probabilities, wherever and in whatever form an answer has them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared_core import Finish, StreamInterruptedError, Timings, TokenLogprob, Usage, fold
from shared_core.types import ChatResponse, Event
from shared_core.wire import Reply
from shared_core.wire.openai import OpenAIWire
from tests.raw_server import completion, delta

WIRE = OpenAIWire()


def answer(**more: Any) -> ChatResponse:
    return WIRE.decode_chat(Reply(200, {}, json.dumps({**completion(content="x"), **more}).encode()), "m")


def streamed(*bodies: Any, done: bool = True) -> list[Event]:
    decoder = WIRE.decoder({}, "m")
    data = b"".join(b"data: " + json.dumps(body).encode() + b"\n\n" for body in bodies) + (b"data: [DONE]\n\n" * done)
    return [*decoder.feed(data), *decoder.close()]


def test_cached_and_reasoning_tokens_in_both_their_places() -> None:
    nested = {"prompt_tokens_details": {"cached_tokens": 2}, "completion_tokens_details": {"reasoning_tokens": 3}}
    beside = {"cached_tokens": 2, "reasoning_tokens": 3}
    for details in (nested, beside):
        assert answer(usage={"prompt_tokens": 5, "completion_tokens": 7, **details}).usage == Usage(5, 7, 2, 3)
    assert answer(usage={"prompt_tokens": 5, "prompt_tokens_details": None}).usage == Usage(5)


def test_a_count_below_zero_is_unknown() -> None:
    assert answer(usage={"prompt_tokens": -1, "completion_tokens": 0}).usage == Usage(None, 0)


def test_cost_by_both_its_names() -> None:
    assert answer(usage={"cost": 0.5}).finish.cost == 0.5
    assert answer(usage={"estimated_cost": 0.25}).finish.cost == 0.25


def test_llama_servers_timings() -> None:
    timings = {"cache_n": 8, "prompt_n": 4, "prompt_ms": 250.0, "predicted_ms": 500.0, "predicted_n": 2}
    response = answer(timings=timings, usage={"prompt_tokens": 12, "completion_tokens": 2})
    assert response.finish.timings == Timings(prompt=0.25, completion=0.5)
    assert response.usage == Usage(12, 2, 8)
    known = {"prompt_tokens": 12, "prompt_tokens_details": {"cached_tokens": 3}}
    assert answer(timings=timings, usage=known).usage.cached == 3
    assert answer(timings={"cache_n": 1}).finish.timings is None


def test_sambanovas_seconds() -> None:
    usage = {"prompt_tokens": 1, "time_to_first_token": 0.5, "total_latency": 2.0}
    assert answer(usage=usage).finish.timings == Timings(first_token=0.5, total=2.0)


def test_what_groq_says_beside() -> None:
    events = streamed(delta(content="x"), {"x_groq": {"id": "req_1", "error": "over capacity"}}, delta("stop"))
    finish = events[-1]
    assert isinstance(finish, Finish)
    assert (finish.request_id, finish.metadata["error"]) == ("req_1", "over capacity")


def test_a_stream_that_ends_early_says_why_if_the_place_did() -> None:
    with pytest.raises(StreamInterruptedError, match="before the answer did: over capacity"):
        streamed(delta(content="x"), {"x_groq": {"error": "over capacity"}}, done=False)


def test_performance_that_was_asked_for() -> None:
    assert answer(perf_metrics={"prompt-tokens": "5"}).finish.metadata == {"perf_metrics": {"prompt-tokens": "5"}}


def test_logprobs_as_parallel_lists() -> None:
    lists = {"tokens": ["A", "B"], "token_logprobs": [None, -0.5], "top_logprobs": [None, {"B": -0.5, "C": -2.0}]}
    body = completion(content="AB")
    body["choices"][0]["logprobs"] = lists
    top = [TokenLogprob("B", -0.5), TokenLogprob("C", -2.0)]
    assert answer(**body).logprobs == [TokenLogprob("B", -0.5, top=top)]
    body["choices"][0]["logprobs"] = {"tokens": ["A"], "token_logprobs": [-1.0]}
    assert answer(**body).logprobs == [TokenLogprob("A", -1.0)]


@pytest.mark.parametrize("said", [None, {}, {"content": None}, {"tokens": []}, {"tokens": ["A"]}, -0.5])
def test_no_logprobs(said: object) -> None:
    body = completion(content="AB")
    body["choices"][0]["logprobs"] = said
    assert answer(**body).logprobs is None


def test_a_call_whose_function_is_its_name_alone() -> None:
    events = streamed(delta(tool_calls=[{"index": 0, "id": "a", "function": "f"}]), delta("tool_calls"))
    assert [(call.name, call.arguments) for call in fold(events).tool_calls] == [("f", "{}")]
