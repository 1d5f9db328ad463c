"""What goes out over the OpenAI API, and what comes back."""

from __future__ import annotations

import itertools
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_core import (
    AudioPart,
    BackendError,
    ChatRequest,
    EmbedRequest,
    Event,
    FilePart,
    Finish,
    Grammar,
    ImagePart,
    JsonObject,
    JsonSchema,
    Message,
    NamedTool,
    Part,
    ProtocolError,
    RateLimitError,
    ReasoningDelta,
    ReasoningPart,
    ServerError,
    StreamInterruptedError,
    TextDelta,
    TextPart,
    Timings,
    TokenLogprob,
    Tool,
    ToolCallDelta,
    ToolCallPart,
    ToolResultPart,
    UnsupportedError,
    Usage,
    fold,
)
from shared_core.wire.base import Reply
from shared_core.wire.openai import OpenAIWire
from tests.raw_server import completion, delta

WIRE = OpenAIWire()


def request(*messages: Message, **options: Any) -> ChatRequest:
    return ChatRequest(messages=messages or (user("Hi"),), **options)


def user(*parts: Part | str) -> Message:
    return Message(role="user", parts=parts)


def encoded(wire: OpenAIWire = WIRE, *messages: Message, stream: bool = False, **options: Any) -> Any:
    return json.loads(wire.encode_chat(request(*messages, **options), "m", stream=stream).body)


def encoded_messages(*messages: Message) -> Any:
    return encoded(WIRE, *messages)["messages"]


# --- requests ------------------------------------------------------------------------------------------------------


def test_nothing_is_sent_that_was_not_asked_for() -> None:
    assert encoded() == {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


def test_every_option_goes_out() -> None:
    body = encoded(
        temperature=0.0, top_p=0.5, top_k=3, min_p=0.1, max_tokens=7, stop="X", seed=1, frequency_penalty=0.1,
        presence_penalty=0.2, repetition_penalty=1.1, top_logprobs=2, reasoning_effort="low", user="u",
        response_format=JsonObject(), extra={"safety": True},
    )  # fmt: skip
    assert {k: v for k, v in body.items() if k not in ("model", "messages")} == {
        "temperature": 0.0, "top_p": 0.5, "top_k": 3, "min_p": 0.1, "max_tokens": 7, "stop": ["X"], "seed": 1,
        "frequency_penalty": 0.1, "presence_penalty": 0.2, "repetition_penalty": 1.1, "logprobs": True,
        "top_logprobs": 2, "reasoning_effort": "low", "user": "u", "response_format": {"type": "json_object"},
        "safety": True,
    }  # fmt: skip


def test_extra_goes_before_everything() -> None:
    assert encoded(temperature=0.1, extra={"temperature": 0.9})["temperature"] == 0.9


def test_names_that_places_give_to_fields() -> None:
    wire = OpenAIWire(names=(("max_tokens", "max_completion_tokens"), ("repetition_penalty", "repeat_penalty")))
    body = encoded(wire, max_tokens=5, repetition_penalty=1.2)
    assert (body["max_completion_tokens"], body["repeat_penalty"]) == (5, 1.2)
    assert not {"max_tokens", "repetition_penalty"} & body.keys()


def test_streams_ask_for_usage_only_where_it_must_be_asked_for() -> None:
    assert encoded(stream=True)["stream_options"] == {"include_usage": True}
    assert "stream_options" not in encoded(OpenAIWire(stream_usage=False), stream=True)
    assert encoded(logprobs=True)["logprobs"] is True


def test_tools() -> None:
    tool = Tool(name="f", description="does f", parameters={"type": "object"}, strict=True)
    body = encoded(tools=(tool, Tool(name="g")), tool_choice="required", parallel_tool_calls=False)
    assert body["tools"][0] == {
        "type": "function",
        "function": {"name": "f", "description": "does f", "parameters": {"type": "object"}, "strict": True},
    }
    assert "strict" not in body["tools"][1]["function"]
    assert (body["tool_choice"], body["parallel_tool_calls"]) == ("required", False)
    named = encoded(tools=(tool,), tool_choice=NamedTool(name="f"))
    assert named["tool_choice"] == {"type": "function", "function": {"name": "f"}}


def test_no_tools_means_no_tool_options() -> None:
    assert (
        not {"tools", "tool_choice", "parallel_tool_calls"}
        & encoded(tool_choice="auto", parallel_tool_calls=True).keys()
    )


def test_response_formats() -> None:
    body = encoded(response_format=JsonSchema({"type": "object"}, "n", strict=True))
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True},
    }
    assert "strict" not in encoded(response_format=JsonSchema({}))["response_format"]["json_schema"]
    assert encoded(OpenAIWire(grammar="body"), response_format=Grammar("root ::= x"))["grammar"] == "root ::= x"
    in_format = encoded(OpenAIWire(grammar="response_format"), response_format=Grammar("g"))["response_format"]
    assert in_format == {"type": "grammar", "grammar": "g"}
    with pytest.raises(UnsupportedError, match="no GBNF grammar"):
        encoded(response_format=Grammar("g"))


def test_turns() -> None:
    assert encoded_messages(
        Message(role="system", parts=(TextPart(text="a"), TextPart(text="b"))),
        Message(role="user", name="Ann", parts=(TextPart(text="Hi"),)),
        Message(role="assistant", parts=(ReasoningPart(text="hm"), ToolCallPart(id="1", name="f", arguments=""))),
        Message(role="tool", parts=(ToolResultPart(call_id="1", content="72F"), ToolResultPart(call_id="2", content="x"))),
        Message(role="assistant"),
    ) == [
        {"role": "system", "content": "a\nb"},
        {"role": "user", "content": "Hi", "name": "Ann"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "1", "content": "72F"},
        {"role": "tool", "tool_call_id": "2", "content": "x"},
        {"role": "assistant", "content": ""},
    ]  # fmt: skip


def test_a_result_and_a_question_in_one_turn_are_both_sent() -> None:
    both = user(ToolResultPart(call_id="1", content="r"), "and now?")
    assert encoded_messages(both) == [
        {"role": "tool", "tool_call_id": "1", "content": "r"},
        {"role": "user", "content": "and now?"},
    ]


def test_media() -> None:
    [message] = encoded_messages(
        user(
            "see",
            ImagePart(url="https://x/y.png", detail="low"),
            ImagePart(data=b"png"),
            AudioPart(data=b"wav"),
            AudioPart(data=b"ogg", media_type="audio/ogg"),
            FilePart(data=b"pdf", name="a.pdf"),
            FilePart(url="data:application/pdf;base64,cGRm"),
        )
    )
    assert message["content"] == [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,cG5n"}},
        {"type": "input_audio", "input_audio": {"data": "d2F2", "format": "wav"}},
        {"type": "input_audio", "input_audio": {"data": "b2dn", "format": "ogg"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,cGRm"}},
        {"type": "file", "file": {"filename": "file", "file_data": "data:application/pdf;base64,cGRm"}},
    ]


def test_an_image_in_a_tool_result_is_not_lost() -> None:
    part = ToolResultPart(call_id="1", content=(TextPart(text="a"), ImagePart(url="u")))
    [message] = encoded_messages(Message(role="tool", parts=(part,)))
    assert message["content"][1] == {"type": "image_url", "image_url": {"url": "u"}}


@pytest.mark.parametrize("part", [AudioPart(url="https://x/a.wav"), FilePart(url="https://x/a.pdf")])
def test_what_has_no_form_is_refused_by_name(part: Part) -> None:
    with pytest.raises(UnsupportedError, match=rf"an? {part.type} part with a URL .* takes bytes"):
        encoded_messages(user(part))


# --- replies -------------------------------------------------------------------------------------------------------


def decoded(body: Any, **headers: str) -> Any:
    return WIRE.decode_chat(Reply(200, headers, json.dumps(body).encode()), "m")


def streamed(*bodies: Any, done: bool = True, tail: bytes = b"") -> list[Event]:
    data = b"".join(b"data: " + json.dumps(body).encode() + b"\n\n" for body in bodies)
    return decode_stream(data + (b"data: [DONE]\n\n" if done else b"") + tail)


def decode_stream(data: bytes) -> list[Event]:
    decoder = WIRE.decoder({"content-type": "text/event-stream"}, "m")
    return decoder.feed(data) + decoder.close()


def test_a_whole_answer() -> None:
    body = completion(
        content="Hello",
        usage={
            "prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 3},
            "completion_tokens_details": {"reasoning_tokens": 1},
        },
        reasoning_content="hm",
    ) | {"system_fingerprint": "fp", "service_tier": "default"}  # fmt: skip
    response = decoded(body, **{"x-request-id": "r"})
    assert (response.text, response.reasoning) == ("Hello", "hm")
    assert response.finish == Finish(
        "stop", Usage(5, 2, 3, 1), "m", None, "c1", "r",
        metadata={"system_fingerprint": "fp", "service_tier": "default"},
    )  # fmt: skip


def test_what_is_not_said_is_unknown() -> None:
    response = decoded({"choices": [{"message": {"content": None}}]})
    assert (response.text, response.tool_calls, response.usage) == ("", [], Usage())
    assert response.finish.reason == "unknown"


@pytest.mark.parametrize("key", ["reasoning", "reasoning_content", "thinking"])
def test_reasoning_in_all_its_spellings(key: str) -> None:
    assert decoded({"choices": [{"message": {key: "hm"}, "finish_reason": "stop"}]}).reasoning == "hm"
    assert streamed(delta(**{key: "hm"}), delta("stop"))[0] == ReasoningDelta("hm")


def test_reasoning_between_tags() -> None:
    assert (decoded(completion(content="<think>hm</think>\n\nHi")).reasoning) == "hm"
    response = fold(streamed(delta(content="<thi"), delta(content="nk>hm</thi"), delta("stop", content="nk>Hi")))
    assert (response.reasoning, response.text) == ("hm", "Hi")
    assert fold(streamed(delta(content="<thi"), delta("stop"))).text == "<thi"


def test_a_refusal_is_kept() -> None:
    assert fold(streamed(delta(refusal="I "), delta("stop", refusal="won't"))).finish.metadata["refusal"] == "I won't"


@pytest.mark.parametrize(
    ("said", "reason"),
    [("stop", "stop"), ("eos", "stop"), ("length", "length"), ("max_tokens", "length"), ("content_filter", "content_filter")],
)  # fmt: skip
def test_finish_reasons(said: str, reason: str) -> None:
    assert decoded(completion(said, content="x")).finish.reason == reason


def test_a_finish_reason_nobody_knows_is_kept() -> None:
    finish = decoded(completion("insane", content="x")).finish
    assert (finish.reason, finish.metadata) == ("unknown", {"finish_reason": "insane"})


def test_content_as_a_list_of_parts() -> None:
    assert decoded(completion(content=[{"type": "text", "text": "a"}, {"type": "other"}, {"text": "b"}])).text == "ab"


def test_logprobs() -> None:
    entry = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [{"token": "b", "logprob": -1.5}]}
    token = TokenLogprob("a", -0.5, [97], [TokenLogprob("b", -1.5)])
    body = completion(content="a")
    body["choices"][0]["logprobs"] = {"content": [entry]}
    assert decoded(body).logprobs == [token]
    tagged = delta("stop", content="<think>")
    tagged["choices"][0]["logprobs"] = {"content": [entry]}
    assert streamed(tagged)[0] == TextDelta("", [token])
    piece = delta(content="a")
    piece["choices"][0]["logprobs"] = {"content": [entry]}
    assert streamed(piece, delta("stop"))[0] == TextDelta("a", [token])


def test_a_stream_is_the_same_answer() -> None:
    call = {"index": 0, "id": "1", "function": {"name": "f", "arguments": "{}"}}
    usage = {"prompt_tokens": 5, "completion_tokens": 2}
    events = streamed(
        delta(role="assistant", content=""), delta(reasoning="hm"), delta(content="He"), delta(content="llo"),
        delta(tool_calls=[call]), delta("tool_calls"), {"choices": [], "usage": usage},
    )  # fmt: skip
    assert fold(events) == decoded(completion("tool_calls", usage, content="Hello", reasoning="hm", tool_calls=[call]))
    assert events[-1] == Finish("tool_calls", Usage(5, 2), "m", None, "c1")
    assert sum(isinstance(event, Finish) for event in events) == 1


def test_a_forced_call_that_ends_with_stop_is_a_tool_call() -> None:
    call = {"id": "1", "function": {"name": "f"}}
    response = decoded(completion("stop", tool_calls=[call]))
    assert response.finish.reason == "tool_calls"
    assert response.tool_calls[0].arguments == "{}"
    assert ToolCallDelta(0, arguments="{}") in streamed(delta(tool_calls=[call]), delta("stop"))


@pytest.mark.parametrize(
    "chunk",
    [
        {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}},
        {"x_groq": {"usage": {"prompt_tokens": 1, "completion_tokens": 2}}},
        {"choices": [{"delta": {}, "usage": {"prompt_tokens": 1, "completion_tokens": 2}}]},
    ],
)
def test_usage_in_each_of_its_places_and_the_last_one_counts(chunk: dict[str, Any]) -> None:
    early = delta("stop") | {"usage": {"prompt_tokens": 9, "completion_tokens": 9}}
    assert fold(streamed(early, chunk)).usage == Usage(1, 2)


def test_cost_and_timings() -> None:
    said = {"queue_time": 0.1, "prompt_time": 0.2, "completion_time": 0.3, "total_time": 0.5}
    finish = decoded(completion(content="x", usage={"cost": 0.25, **said})).finish
    assert (finish.cost, finish.timings) == (0.25, Timings(0.1, 0.2, 0.3, 0.5))
    assert decoded(completion(content="x") | {"time_info": said}).finish.timings == Timings(0.1, 0.2, 0.3, 0.5)


def test_only_the_first_of_several_answers_is_taken() -> None:
    other = {"index": 1, "delta": {"content": "other"}, "finish_reason": "stop"}
    assert fold(streamed({"choices": [delta("stop", content="one")["choices"][0], other]})).text == "one"


def test_streams_that_end_in_acceptable_ways() -> None:
    assert fold(streamed(delta("stop", content="x"), done=False)).finish.reason == "stop"
    # Ollama has sent whole answers without a finish reason: the [DONE] says that they are whole.
    assert fold(streamed(delta(content="x"))).finish.reason == "unknown"
    assert streamed(delta("stop", content="x"), tail=b"data: {not json\n\n")[-1] == Finish("stop", model="m", id="c1")


@pytest.mark.parametrize("data", [b"", b": comment\n\n", b'data: {"choices":[{"delta":{"content":"x"}}]}\n\n'])
def test_a_stream_that_just_ends_is_an_error(data: bytes) -> None:
    with pytest.raises(StreamInterruptedError, match="ended before the answer did"):
        decode_stream(data)


def test_a_stream_that_says_nothing_and_is_done_is_an_error() -> None:
    with pytest.raises(StreamInterruptedError, match="with nothing in it"):
        streamed(delta(role="assistant", content=""))
    assert fold(streamed(delta(role="assistant", content=""), delta("stop"))).text == ""
    assert fold(streamed(delta(refusal="no"))).finish.metadata == {"refusal": "no"}


def test_errors_inside_a_stream() -> None:
    with pytest.raises(RateLimitError, match="slow down"):
        streamed(delta(content="x"), {"error": {"message": "slow down", "code": 429}})
    with pytest.raises(ServerError, match="it broke"):
        decode_stream(b'event: error\ndata: {"message": "it broke"}\n\n')


def test_events_that_end_with_one_line_end() -> None:
    data = b"".join(
        b"data: " + json.dumps(b).encode() + b"\n" for b in (delta(content="a"), delta("stop", content="b"))
    )
    assert fold(decode_stream(data)).text == "ab"


def test_a_done_right_behind_its_chunk() -> None:
    data = b"data: " + json.dumps(delta(content="x")).encode() + b"\ndata: [DONE]\n"
    assert fold(decode_stream(data)).text == "x"


@pytest.mark.parametrize("data", [b"data: {broken\n\n", b"data: 3\n\n", b"data: {}\ndata: x\n\n", b"<html>", b"[1]"])
def test_a_stream_of_something_else(data: bytes) -> None:
    with pytest.raises(ProtocolError, match="expected a JSON object"):
        decode_stream(data)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"choices": []}'])
def test_a_whole_answer_that_is_none(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        WIRE.decode_chat(Reply(200, {}, body), "m")


def test_an_error_with_status_200() -> None:
    with pytest.raises(RateLimitError):
        decoded({"error": {"message": "slow down", "code": 429}})


def test_a_whole_answer_without_an_end_is_given_up() -> None:
    decoder = WIRE.decoder({}, "m")
    for _ in range(64):
        assert decoder.feed(b"{" * 1024 * 1024) == []
    with pytest.raises(ProtocolError, match="more than 67,108,864 bytes"):
        decoder.feed(b"{")


def test_a_whole_answer_where_a_stream_was_asked_for() -> None:
    decoder = WIRE.decoder({}, "m")
    data = b"\n\n" + json.dumps(completion(content="Hello")).encode()
    assert decoder.feed(data[:1]) == decoder.feed(data[1:10]) == decoder.feed(data[10:]) == []
    assert not decoder.done
    assert fold(decoder.close()).text == "Hello"


# --- any bytes -----------------------------------------------------------------------------------------------------

RECORDED = b"".join(
    b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\r\n\r\n"
    for body in (
        delta(role="assistant", content=""),
        delta(reasoning="h\u2028m"),
        delta(content="<think>x</think>Gr\u00fc\u00dfe \U0001f600"),
        delta(tool_calls=[{"index": 0, "id": "1", "function": {"name": "f", "arguments": '{"a"'}}]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": ": 1}"}}]),
        delta("tool_calls"),
        {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}},
    )
)


@given(st.lists(st.integers(0, 2_000)))
def test_any_chunking_of_a_stream_gives_the_same_answer(cuts: list[int]) -> None:
    data = b": hi\n\n" + RECORDED + b"data: [DONE]\n\n"
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    decoder = WIRE.decoder({}, "m")
    events = [event for a, b in itertools.pairwise(edges) for event in decoder.feed(data[a:b])] + decoder.close()
    response = fold(events)
    assert (response.reasoning, response.text) == ("h\u2028mx", "Gr\u00fc\u00dfe \U0001f600")
    assert (response.tool_calls[0].arguments, response.usage) == ('{"a": 1}', Usage(5, 2))


KEYS = st.sampled_from(
    ["choices", "delta", "message", "content", "tool_calls", "function", "arguments", "usage", "index", "logprobs", "id",
     "finish_reason", "name", "x_groq", "time_info", "prompt_tokens_details", "error", "refusal", "reasoning"]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(KEYS, JSON, max_size=4), st.booleans())
def test_no_json_whatsoever_gives_anything_but_events_or_a_typed_error(body: Any, whole: bool) -> None:
    data = json.dumps(body).encode()
    decoder = WIRE.decoder({}, "m")
    with suppress(BackendError):
        decoder.feed(data if whole else b"data: " + data + b"\n\n")
        decoder.close()


@given(st.binary(max_size=300))
def test_no_bytes_whatsoever_give_anything_but_events_or_a_typed_error(data: bytes) -> None:
    for start in (b"", b"data: ", b"{"):
        decoder = WIRE.decoder({}, "m")
        with suppress(BackendError):
            decoder.feed(start + data)
            decoder.close()
            pytest.fail("this was no answer")


@given(st.integers(0, len(RECORDED) - 140))
def test_no_truncated_stream_is_taken_for_an_answer(length: int) -> None:
    decoder = WIRE.decoder({}, "m")
    with pytest.raises(BackendError):  # noqa: PT012 - which of the two notices depends on the length
        decoder.feed(RECORDED[:length])
        decoder.close()


# --- embeddings ----------------------------------------------------------------------------------------------------


def embedded(*rows: Any, **more: Any) -> Any:
    return WIRE.decode_embed(Reply(200, {}, json.dumps({"data": rows, **more}).encode()), "m")


def test_embedding_requests() -> None:
    call = WIRE.encode_embed(EmbedRequest(texts=("a", "b"), dimensions=2), "m")
    assert call.path == "/embeddings"
    assert json.loads(call.body) == {"model": "m", "input": ["a", "b"], "encoding_format": "float", "dimensions": 2}
    assert "dimensions" not in json.loads(WIRE.encode_embed(EmbedRequest(texts=()), "m").body)


def test_vectors_come_in_the_order_of_their_index() -> None:
    response = embedded(
        {"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1.0]}, model="e", usage={"prompt_tokens": 4}
    )
    assert (response.vectors, response.model, response.usage) == ([[1.0], [2.0]], "e", Usage(input=4))
    assert embedded({"embedding": [1.0]}, {"embedding": [2.0]}).vectors == [[1.0], [2.0]]


def test_base64_vectors() -> None:
    assert embedded({"embedding": "AACAPwAAAMA="}).vectors == [[1.0, -2.0]]


@pytest.mark.parametrize(
    "body",
    [
        {"data": None},
        {"data": [{"embedding": None}]},
        {},
        {"data": [1]},
        {"data": [{"embedding": "!"}]},
        {"data": [{"embedding": "AAA="}]},
    ],
)
def test_no_vectors(body: Any) -> None:
    with pytest.raises(ProtocolError):
        WIRE.decode_embed(Reply(200, {}, json.dumps(body).encode()), "m")


def test_an_embedding_error_with_status_200() -> None:
    with pytest.raises(ServerError):
        embedded(error={"message": "broke"})
