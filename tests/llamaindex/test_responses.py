"""Our answers become LlamaIndex's, whole and streamed."""

from __future__ import annotations

import json

from llama_index.core.base.llms.types import LogProb, TextBlock, ThinkingBlock, ToolCallBlock
from llama_index.core.callbacks.token_counting import get_tokens_from_response

from llamaindex_multillm.responses import Stream, to_chat_response, to_completion_response
from shared_core import Event, Finish, ReasoningDelta, TextDelta, TokenLogprob, ToolCallDelta, Usage, fold

USAGE = Usage(input=11, output=5, cached=4, reasoning=2)
EVERYTHING: list[Event] = [
    ReasoningDelta("Let "),
    ReasoningDelta("me see."),
    TextDelta("It "),
    TextDelta("is."),
    ToolCallDelta(0, id="a", name="add", arguments='{"x": '),
    ToolCallDelta(1, id="b", name="sub"),
    ToolCallDelta(0, arguments="1}"),
    ToolCallDelta(1, arguments='{"y": 2}'),
    Finish("tool_calls", USAGE, "m-1", "groq", "r-1", request_id="q-1", cost=0.25, metadata={"tier": "on"}),
]


def test_the_whole_answer() -> None:
    response = to_chat_response(fold(EVERYTHING))
    assert response.message.role == "assistant"
    assert response.message.blocks == [
        ThinkingBlock(content="Let me see.", num_tokens=2),
        TextBlock(text="It is."),
        ToolCallBlock(tool_call_id="a", tool_name="add", tool_kwargs={"x": 1}),
        ToolCallBlock(tool_call_id="b", tool_name="sub", tool_kwargs={"y": 2}),
    ]
    assert response.message.content == "It is."
    assert response.raw == {
        "id": "r-1",
        "model": "m-1",
        "backend": "groq",
        "request_id": "q-1",
        "finish_reason": "tool_calls",
        "usage": {
            "prompt_tokens": 11,
            "completion_tokens": 5,
            "total_tokens": 16,
            "prompt_tokens_details": {"cached_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 2},
        },
        "cost": 0.25,
        "metadata": {"tier": "on"},
    }
    assert response.additional_kwargs == {
        "prompt_tokens": 11,
        "completion_tokens": 5,
        "total_tokens": 16,
        "finish_reason": "tool_calls",
    }


def test_tool_calls_are_also_plain_dicts() -> None:
    extras = to_chat_response(fold(EVERYTHING)).message.additional_kwargs
    assert json.loads(json.dumps(extras)) == {
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "add", "arguments": '{"x": 1}'}},
            {"id": "b", "type": "function", "function": {"name": "sub", "arguments": '{"y": 2}'}},
        ]
    }


def test_only_tool_calls_have_no_text_and_nothing_at_all_is_empty_text() -> None:
    only_calls = to_chat_response(fold([ToolCallDelta(0, "a", "now", "{}"), Finish("tool_calls")]))
    assert only_calls.message.content is None
    assert to_chat_response(fold([Finish("stop")])).message.content == ""


def test_arguments_that_are_no_object_stay_text() -> None:
    response = to_chat_response(fold([ToolCallDelta(0, "a", "add", '{"x": '), Finish("length")]))
    assert response.message.blocks == [ToolCallBlock(tool_call_id="a", tool_name="add", tool_kwargs='{"x": ')]


def test_core_counts_the_tokens_that_the_place_counted() -> None:
    assert get_tokens_from_response(to_chat_response(fold(EVERYTHING))) == (11, 5)


def test_unknown_usage_is_unknown_not_zero() -> None:
    response = to_chat_response(fold([TextDelta("a"), Finish("stop")]))
    assert response.raw["usage"] is None  # type: ignore[index]
    assert response.additional_kwargs == {"finish_reason": "stop"}
    assert get_tokens_from_response(response) == (0, 0)  # core then counts by its tokenizer
    half = to_chat_response(fold([TextDelta("a"), Finish("stop", Usage(input=3))]))
    assert half.raw["usage"] == {"prompt_tokens": 3}  # type: ignore[index]
    assert get_tokens_from_response(half) == (3, 0)


def test_every_chunk_holds_its_delta_and_all_before_it() -> None:
    stream = Stream()
    chunks = [stream.chunk(event) for event in EVERYTHING]
    assert [chunk.delta for chunk in chunks] == ["", "", "It ", "is.", "", "", "", "", ""]
    assert [chunk.message.content for chunk in chunks[2:5]] == ["It ", "It is.", "It is."]
    assert [chunk.additional_kwargs.get("thinking_delta") for chunk in chunks[:3]] == ["Let ", "me see.", None]
    blocks = [chunk.message.blocks[0] for chunk in chunks[:3]]
    assert [block.content for block in blocks if isinstance(block, ThinkingBlock)] == [
        "Let ",
        "Let me see.",
        "Let me see.",
    ]
    calls = [chunk.message.additional_kwargs["tool_calls"] for chunk in chunks[4:]]
    assert [[call["function"]["arguments"] for call in so_far] for so_far in calls] == [
        ['{"x": '],
        ['{"x": ', ""],
        ['{"x": 1}', ""],
        ['{"x": 1}', '{"y": 2}'],
        ['{"x": 1}', '{"y": 2}'],
    ]


def test_the_last_chunk_is_the_whole_answer() -> None:
    stream = Stream()
    chunks = [stream.chunk(event) for event in EVERYTHING]
    assert chunks[-1] == to_chat_response(fold(EVERYTHING)).model_copy(update={"delta": ""})


def test_a_chunk_that_was_given_out_does_not_change() -> None:
    stream = Stream()
    first = stream.chunk(TextDelta("It "))
    before = first.model_copy(deep=True)
    stream.chunk(TextDelta("is."))
    assert first == before


def test_logprobs_lead_with_the_token_that_was_chosen() -> None:
    likely = [TokenLogprob("no", -1.0), TokenLogprob("yes", -0.5, [121])]
    event = TextDelta("yes", [TokenLogprob("yes", -0.5, [121], top=likely)])
    expected = [[LogProb(token="yes", logprob=-0.5, bytes=[121]), LogProb(token="no", logprob=-1.0)]]
    assert to_chat_response(fold([event, Finish("stop")])).logprobs == expected
    stream = Stream()
    assert stream.chunk(event).logprobs == expected
    assert stream.chunk(Finish("stop")).logprobs == expected


def test_a_completion_is_the_same_answer() -> None:
    response = to_chat_response(fold(EVERYTHING))
    completion = to_completion_response(response)
    assert (completion.text, completion.raw, completion.delta) == ("It is.", response.raw, None)
    assert completion.additional_kwargs == response.additional_kwargs
