from __future__ import annotations

import copy
import pickle

import pytest
from pydantic import ValidationError

from shared_core import (
    ChatRequest,
    ChatResponse,
    EmbedRequest,
    Finish,
    Fold,
    ImagePart,
    JsonObject,
    JsonSchema,
    Message,
    NamedTool,
    ReasoningDelta,
    ReasoningPart,
    TextDelta,
    TextPart,
    TokenLogprob,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolCallPart,
    ToolResultPart,
    Usage,
    fold,
)


def test_content_may_be_text_parts_or_nothing() -> None:
    assert Message(role="user", content="Hi").parts == (TextPart(text="Hi"),)
    assert Message.model_validate({"role": "user", "content": ["a", {"type": "text", "text": "b"}]}).text == "ab"
    assert Message.model_validate({"role": "assistant", "content": None}).parts == ()
    assert Message(role="user", parts=(TextPart(text="x"),)).text == "x"


def test_content_and_parts_together_are_refused() -> None:
    with pytest.raises(ValidationError, match="not both"):
        Message.model_validate({"role": "user", "content": "a", "parts": []})


@pytest.mark.parametrize("content", [3, object(), {"type": "nonsense"}])
def test_content_of_a_wrong_kind_is_refused(content: object) -> None:
    with pytest.raises(ValidationError):
        Message.model_validate({"role": "user", "content": content})


def test_a_message_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(ValidationError):
        ChatRequest(messages=["hello"])


@pytest.mark.parametrize("sources", [{}, {"data": b"x", "url": "http://x"}])
def test_media_have_one_source(sources: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="exactly one"):
        ImagePart.model_validate(sources)


def test_tool_results_take_plain_text() -> None:
    part = ToolResultPart(call_id="1", content="72F")
    assert part.text == "72F"
    mixed = ToolResultPart(call_id="1", content=(TextPart(text="a"), ImagePart(url="u"), TextPart(text="b")))
    assert mixed.text == "a\nb"


def test_requests() -> None:
    request = ChatRequest(messages=(Message(role="user"),), stop="END")
    assert request.stop == ("END",)
    assert ChatRequest.model_validate({"messages": [{"role": "user", "content": "x"}], "stop": None}).stop == ()
    schema = ChatRequest.model_validate({"messages": request.messages, "response_format": {"schema": {}, "name": "n"}})
    assert schema.response_format == JsonSchema({}, "n")
    with pytest.raises(ValidationError, match="Extra inputs"):
        ChatRequest.model_validate({"messages": request.messages, "temprature": 1})
    with pytest.raises(ValidationError):
        ChatRequest(messages=())
    with pytest.raises(ValidationError):
        request.temperature = 1.0  # type: ignore[misc]


def test_requests_copy_and_pickle() -> None:
    request = ChatRequest(
        messages=(Message(role="user", parts=(TextPart(text="x"),)),),
        tools=(Tool(name="f"),),
        tool_choice=NamedTool(name="f"),
        response_format=JsonObject(),
    )
    assert pickle.loads(pickle.dumps(request)) == request == copy.deepcopy(request)  # noqa: S301
    assert EmbedRequest(texts=("a",)).kind == "document"


def test_usage_is_unknown_unless_both_halves_are_known() -> None:
    assert Usage().total is None
    assert Usage(input=1).total is None
    assert Usage(1, 2).total == 3
    assert Usage(0, 0).total == 0


def test_fold_joins_everything_and_keeps_calls_in_order() -> None:
    tokens = [TokenLogprob("a", -0.1), TokenLogprob("b", -0.2)]
    response = fold(
        [
            ReasoningDelta("hm"),
            ReasoningDelta("m"),
            TextDelta("a", tokens[:1]),
            ToolCallDelta(1, "2", "g", "{"),
            ToolCallDelta(0, "1", "f", "{}"),
            ToolCallDelta(1, arguments="}"),
            TextDelta("b", tokens[1:]),
            Finish("tool_calls", Usage(1, 2)),
        ]
    )
    assert response == ChatResponse(
        "ab", Finish("tool_calls", Usage(1, 2)), "hmm", [ToolCall("1", "f", "{}"), ToolCall("2", "g", "{}")], tokens
    )
    assert response.usage.total == 3
    assert response.message == Message(
        role="assistant",
        parts=(
            ReasoningPart(text="hmm"),
            TextPart(text="ab"),
            ToolCallPart(id="1", name="f", arguments="{}"),
            ToolCallPart(id="2", name="g", arguments="{}"),
        ),
    )


def test_an_empty_answer_is_an_answer_and_an_unfinished_one_is_not() -> None:
    assert fold([Finish("stop")]).message == Message(role="assistant")
    with pytest.raises(ValueError, match="not whole"):
        Fold().response()
