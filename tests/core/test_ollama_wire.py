"""What comes back over Ollama's own API: whole, in lines, in pieces, and broken."""

from __future__ import annotations

import itertools
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_core import (
    BackendError,
    ContextLengthError,
    Finish,
    ListedModel,
    ModelNotFoundError,
    ProtocolError,
    RateLimit,
    ReasoningDelta,
    ServerError,
    StreamInterruptedError,
    TextDelta,
    Timings,
    TokenLogprob,
    Tool,
    TruncatedPromptWarning,
    UnsupportedError,
    Usage,
    fold,
)
from shared_core.wire.base import Reply
from shared_core.wire.framing import MAX_EVENT
from tests.core.ollama import DONE, WIRE, answer, call, events, reader_for, whole
from tests.core.speech import Json, line

TIMINGS = Timings(prompt=0.5, completion=1.5, total=5.0, load=3.0)
F = Tool(name="f", parameters={"type": "object", "properties": {"x": {"type": "integer"}}})

# --- answers -------------------------------------------------------------------------------------------------------


def test_a_whole_answer() -> None:
    response = whole(line(DONE, content="Grüße", thinking="hm"), headers={"x-request-id": "r"})
    assert (response.text, response.reasoning, response.tool_calls) == ("Grüße", "hm", [])
    assert response.finish == Finish("stop", Usage(26, 290), model="m", request_id="r", timings=TIMINGS)


def test_a_stream_is_the_same_answer() -> None:
    stream = answer({"thinking": "h"}, {"thinking": "m"}, {"content": "Grü"}, {"content": "ße"})
    assert fold(events(stream)) == whole(line(DONE, content="Grüße", thinking="hm"))


def test_what_is_not_said_is_unknown() -> None:
    """A prompt that was read from the cache is counted as 0, or not at all."""
    for told in ({}, {"prompt_eval_count": 0}):
        finish = whole({"message": {"content": "x"}, "done": True, **told}).finish
        assert finish == Finish("unknown", Usage())
    assert whole(line({"done": True, "eval_duration": 1_000_000_000})).finish.timings == Timings(completion=1.0)


@pytest.mark.parametrize(
    ("said", "reason", "metadata"),
    [
        ("stop", "stop", {}),
        ("length", "length", {}),
        ("load", "unknown", {"finish_reason": "load"}),
        (None, "unknown", {}),
    ],
)
def test_finish_reasons(said: str | None, reason: str, metadata: Json) -> None:
    finish = whole(line({"done": True, "done_reason": said}, content="x")).finish
    assert (finish.reason, finish.metadata) == (reason, metadata)


@pytest.mark.parametrize("reason", ["load", "unload"])
def test_a_model_that_was_only_moved_gave_no_answer(reason: str) -> None:
    """https://github.com/langchain-ai/langchain/issues/31482: an empty answer, taken for one."""
    with pytest.raises(ProtocolError, match=f"no answer, and says '{reason}'"):
        whole(line({"done": True, "done_reason": reason}))
    with pytest.raises(ProtocolError, match="no answer"):
        events(answer(done={"done_reason": reason}))


def test_reasoning_between_tags() -> None:
    found = events(answer({"content": "<thi"}, {"content": "nk>hm</think>\n\nYes"}))
    assert found[:2] == [ReasoningDelta("hm"), TextDelta("Yes")]


def test_a_tag_that_never_came() -> None:
    assert events(answer({"content": "<thi"}))[0] == TextDelta("<thi")


def test_logprobs() -> None:
    token = {"token": "Y", "logprob": -0.5, "bytes": [89], "top_logprobs": [{"token": "N", "logprob": -1.5}]}
    expected = [TokenLogprob("Y", -0.5, [89], [TokenLogprob("N", -1.5)])]
    chunks = [{**line(content=text), "logprobs": [token]} for text in ("Yes", "", "<th")]
    data = b"".join(json.dumps(chunk).encode() + b"\n" for chunk in [*chunks, line(DONE)])
    assert events(data)[:3] == [TextDelta("Yes", expected), TextDelta("", expected), TextDelta("<th", expected)]
    thought = {**line(DONE, content="<think>hm</think>Yes"), "logprobs": [token]}
    assert whole(thought).logprobs == expected
    assert (whole(thought).text, whole(thought).reasoning) == ("Yes", "hm")


def test_where_a_cloud_model_runs_is_told() -> None:
    said = {"remote_model": "gpt-oss:120b", "remote_host": "https://ollama.com:443"}
    assert whole({**line(DONE, content="x"), **said}).finish.metadata == said


# --- a prompt that was cut -----------------------------------------------------------------------------------------


def test_a_prompt_that_filled_the_window_was_cut() -> None:
    """Servers before October 2025 do not know `truncate`, and say nothing."""
    reader = reader_for("word " * 1_000, extra={"options": {"num_ctx": 2048}})
    for count, cut in ((2047, False), (2048, True), (4096, False)):  # a server may have more, and then cut nothing
        said = {"prompt_eval_count": count}
        if cut:
            with pytest.raises(ContextLengthError, match="was cut to num_ctx: the server read 2,048 tokens") as caught:
                whole(line({**DONE, **said}, content="x"), reader)
            assert caught.value.context_window == 2048
            with pytest.raises(ContextLengthError):
                events(answer({"content": "x"}, done=said), reader)
        else:
            assert whole(line({**DONE, **said}, content="x"), reader).usage.input == count


def test_fewer_tokens_than_words_are_warned_of() -> None:
    reader = reader_for("word " * 6_000)
    with pytest.warns(TruncatedPromptWarning, match="counted 4,000 tokens in a prompt of 6,000 words"):
        whole(line({**DONE, "prompt_eval_count": 4_000}, content="x"), reader)
    assert whole(line({**DONE, "prompt_eval_count": 6_010}, content="x"), reader).usage.input == 6_010
    assert whole(line({"done": True, "done_reason": "stop"}, content="x"), reader).usage.input is None


def test_who_lets_prompts_be_cut_is_not_told() -> None:
    reader = reader_for("word " * 6_000, extra={"truncate": True, "options": {"num_ctx": 2048}})
    assert whole(line({**DONE, "prompt_eval_count": 2048}, content="x"), reader).usage.input == 2048


# --- broken answers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"\n\n", json.dumps(line(content="Hel")).encode() + b"\n"])
def test_a_stream_that_just_ends_is_an_error(data: bytes) -> None:
    decoder = WIRE.decoder({}, "m")
    decoder.feed(data)
    with pytest.raises(StreamInterruptedError, match="ended before the answer did"):
        decoder.close()


def test_a_whole_answer_that_is_not_done_is_none() -> None:
    """What the server answers when it gave up on a model that repeats itself."""
    with pytest.raises(StreamInterruptedError):
        whole(line(content="Hel"))


def test_the_last_line_may_lack_its_end_and_what_follows_it_means_nothing() -> None:
    data = answer({"content": "x"})
    assert events(data.rstrip()) == events(b"\n" + data + b"{nonsense}\n") == events(data)


@pytest.mark.parametrize("data", [b"<html>", b'data: {"done": true}', b"[1]", b'{"message": 1}', b'{"message": {"thinking": 1}}',
                                  b'{"message": {"tool_calls": [{}]}}', b'{"done": true, "done_reason": {"a": 1}}'])  # fmt: skip
def test_a_stream_of_something_else(data: bytes) -> None:
    decoder = WIRE.decoder({}, "m")
    with pytest.raises(ProtocolError, match=r"expected a JSON object|a shape of its own"):
        decoder.feed(data + b"\n")
    with pytest.raises(ProtocolError):
        WIRE.decode_chat(Reply(200, {}, data), "m")


def test_an_endless_line() -> None:
    decoder = WIRE.decoder({}, "m")
    for _ in range(8):
        decoder.feed(b"x" * (MAX_EVENT // 8))
    with pytest.raises(ProtocolError, match="longer than"):
        decoder.feed(b"x")


def test_errors_inside_a_stream() -> None:
    decoder = WIRE.decoder({}, "m")
    decoder.feed(json.dumps(line(content="Hel")).encode() + b"\n")
    with pytest.raises(ServerError, match="encountered while running"):
        decoder.feed(b'{"error":"an error was encountered while running the model"}\n')
    with pytest.raises(ContextLengthError):
        whole({"error": "the prompt is longer than the context length currently available to the model"})


RECORDED = answer(
    {"thinking": "h\u2028m"}, {"content": "Gr\u00fc\u00dfe \U0001f600"}, {"tool_calls": [call("f", {"a": 1}, "c")]}
)


@given(st.lists(st.integers(0, 2_000)))
def test_any_chunking_of_a_stream_gives_the_same_answer(cuts: list[int]) -> None:
    edges = [0, *sorted(cut % (len(RECORDED) + 1) for cut in cuts), len(RECORDED)]
    decoder = WIRE.decoder({}, "asked")
    found = [event for a, b in itertools.pairwise(edges) for event in decoder.feed(RECORDED[a:b])] + decoder.close()
    assert found == events(RECORDED)
    assert fold(found).reasoning == "h\u2028m"


KEYS = st.sampled_from(
    ["message", "content", "thinking", "tool_calls", "function", "arguments", "name", "id", "done", "done_reason", "logprobs",
     "prompt_eval_count", "eval_duration", "remote_model", "model", "error", "token", "logprob"]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(KEYS, JSON, max_size=6), st.booleans())
def test_no_json_whatsoever_gives_anything_but_events_or_a_typed_error(body: Any, forced: bool) -> None:
    reader = reader_for(tools=(F,), tool_choice="required") if forced else WIRE
    with suppress(BackendError):
        decoder = reader.decoder({}, "m")
        fold(decoder.feed(json.dumps(body).encode()) + decoder.close())
    with suppress(BackendError):
        whole(body, reader)


@given(st.binary(max_size=300))
def test_no_bytes_whatsoever_give_anything_but_events_or_a_typed_error(data: bytes) -> None:
    for start in (b"", b"{", b'{"message":'):
        decoder = WIRE.decoder({}, "m")
        with suppress(BackendError):
            decoder.feed(start + data)
            decoder.close()
            pytest.fail("this was no answer")


@given(st.integers(0, len(RECORDED) - 2))
def test_no_truncated_stream_is_taken_for_an_answer(length: int) -> None:
    decoder = WIRE.decoder({}, "m")
    with pytest.raises(BackendError):  # noqa: PT012 - which of the two notices depends on the length
        decoder.feed(RECORDED[:length])
        decoder.close()


# --- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (400, '"gemma:2b" does not support tools', UnsupportedError),
        (400, '"llama3.1:8b" does not support thinking', UnsupportedError),
        (400, "the prompt is longer than the context length currently available to the model; shorten the prompt", ContextLengthError),
        (400, "the input length exceeds the context length", ContextLengthError),
        (404, "model 'x' not found", ModelNotFoundError),
        (500, "model requires more system memory (9.4 GiB) than is available (5.1 GiB)", ServerError),
        (503, "server busy, please try again.  maximum pending requests exceeded", ServerError),
    ],
)  # fmt: skip
def test_errors(status: int, text: str, kind: type[BackendError]) -> None:
    error = WIRE.error(Reply(status, {}, json.dumps({"error": text}).encode()), "m")
    assert (type(error), error.status) == (kind, status)
    assert text in str(error)


def test_the_error_of_the_engine_inside_the_servers() -> None:
    inner = {"error": {"code": 400, "message": "request (9000 tokens) exceeds the available context size (8192 tokens), try increasing it",
                       "type": "exceed_context_size_error", "n_prompt_tokens": 9000, "n_ctx": 8192}}  # fmt: skip
    error = WIRE.error(Reply(400, {}, json.dumps({"error": json.dumps(inner)}).encode()), "m")
    assert isinstance(error, ContextLengthError)
    assert (error.prompt_tokens, error.context_window) == (9000, 8192)


def test_rate_limits_of_the_cloud_are_kept() -> None:
    limits = {"x-ratelimit-limit-requests": "10", "x-ratelimit-remaining-requests": "9"}
    told = whole(line(DONE, content="x"), headers=limits).finish.rate_limits
    assert told is not None
    assert told.requests == RateLimit(10, 9)


# --- vectors and models --------------------------------------------------------------------------------------------


def embedded(body: Any) -> Any:
    return WIRE.decode_embed(Reply(200, {}, json.dumps(body).encode()), "asked")


def test_vectors() -> None:
    response = embedded({"model": "m", "embeddings": [[1, 0.5], [0, -0.5]], "prompt_eval_count": 9, "load_duration": 5})
    assert (response.vectors, response.usage, response.model) == ([[1, 0.5], [0, -0.5]], Usage(input=9), "m")
    assert (embedded({"embeddings": []}).model, embedded({"embeddings": []}).usage) == ("asked", Usage())


@pytest.mark.parametrize("body", [[1], {}, {"embeddings": 1}, {"embeddings": [1]}])
def test_no_vectors(body: Any) -> None:
    with pytest.raises(ProtocolError):
        embedded(body)


def test_an_embedding_error_with_status_200() -> None:
    with pytest.raises(ContextLengthError):
        embedded({"error": "the input length exceeds the context length"})


def test_models() -> None:
    assert (WIRE.encode_models().method, WIRE.encode_models().path) == ("GET", "/api/tags")
    details = {"format": "gguf", "family": "llama", "parameter_size": "8.0B", "context_length": 131072}
    tags = {"models": [{"name": "llama3.1:8b", "model": "llama3.1:8b", "size": 4920753328, "details": details}]}
    listed = WIRE.decode_models(Reply(200, {}, json.dumps(tags).encode()))
    assert [(model.id, model.context_window) for model in listed] == [("llama3.1:8b", 131072)]
    assert isinstance(listed[0], ListedModel)
