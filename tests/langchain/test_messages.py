"""Messages of every provider's dialect become ours, whole."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from langchain_core.exceptions import ModelInvalidRequestError
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)

from langchain_multillm.messages import to_messages
from shared_core import (
    AudioPart,
    FilePart,
    ImagePart,
    InvalidRequestError,
    Message,
    Part,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

PNG = base64.b64encode(b"pixels").decode()


def parts(message: BaseMessage) -> tuple[Part, ...]:
    (converted,) = to_messages([message])
    return converted.parts


def part(block: dict[str, Any]) -> Part:
    (only,) = parts(HumanMessage([block]))
    return only


def test_roles_and_names() -> None:
    converted = to_messages(
        [
            SystemMessage("be brief", name="rules"),
            SystemMessage("be exact", additional_kwargs={"__openai_role__": "developer"}),
            HumanMessage("hi", name="ann"),
            AIMessage("hello"),
            ChatMessage(content="again", role="user"),
            ChatMessage(content="yes?", role="assistant"),
        ]
    )
    assert [(message.role, message.text, message.name) for message in converted] == [
        ("system", "be brief", "rules"),
        ("developer", "be exact", None),
        ("user", "hi", "ann"),
        ("assistant", "hello", None),
        ("user", "again", None),
        ("assistant", "yes?", None),
    ]


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (ChatMessage(content="x", role="ipython"), "'ipython'"),
        (FunctionMessage(content="x", name="f"), "ToolMessage"),
        (RemoveMessage(id="1"), "RemoveMessage"),
    ],
)
def test_what_is_no_turn_is_refused(message: BaseMessage, says: str) -> None:
    with pytest.raises(InvalidRequestError, match=says) as caught:
        to_messages([message])
    assert isinstance(caught.value, ModelInvalidRequestError)


# --- blocks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image", "base64": PNG, "mime_type": "image/png"},
        {"type": "image", "source_type": "base64", "data": PNG, "mime_type": "image/png"},
        {"type": "image", "source": {"type": "base64", "data": PNG, "media_type": "image/png"}},
        {"image": {"format": "png", "source": {"bytes": b"pixels"}}},
    ],
    ids=["v1", "v0", "anthropic", "bedrock"],
)
def test_image_bytes_in_every_dialect(block: dict[str, Any]) -> None:
    assert part(block) == ImagePart(data=b"pixels", media_type="image/png")


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"type": "image", "url": "https://x/y.png"}, ImagePart(url="https://x/y.png")),
        ({"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}, ImagePart(url="https://x/y.png")),
        ({"type": "image_url", "image_url": "https://x/y.png"}, ImagePart(url="https://x/y.png")),
        (
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}},
            ImagePart(url=f"data:image/png;base64,{PNG}", detail="low"),
        ),
        (
            {"type": "audio", "base64": PNG, "mime_type": "audio/wav"},
            AudioPart(data=b"pixels", media_type="audio/wav"),
        ),
        (
            {"type": "input_audio", "input_audio": {"data": PNG, "format": "mp3"}},
            AudioPart(data=b"pixels", media_type="audio/mp3"),
        ),
        (
            {"type": "file", "base64": PNG, "mime_type": "application/pdf", "filename": "a.pdf"},
            FilePart(data=b"pixels", media_type="application/pdf", name="a.pdf"),
        ),
        (
            {"type": "file", "base64": PNG, "mime_type": "application/pdf", "extras": {"filename": "b.pdf"}},
            FilePart(data=b"pixels", media_type="application/pdf", name="b.pdf"),
        ),
        (
            {"type": "file", "file": {"filename": "c.pdf", "file_data": f"data:application/pdf;base64,{PNG}"}},
            FilePart(data=b"pixels", media_type="application/pdf", name="c.pdf"),
        ),
        (
            {
                "type": "document",
                "title": "d",
                "source": {"type": "base64", "data": PNG, "media_type": "application/pdf"},
            },
            FilePart(data=b"pixels", media_type="application/pdf", name="d"),
        ),
        ({"type": "document", "source": {"type": "text", "data": "words"}}, TextPart(text="words")),
        ({"type": "text-plain", "text": "words", "mime_type": "text/plain"}, TextPart(text="words")),
        ({"type": "text-plain", "base64": base64.b64encode(b"words").decode()}, TextPart(text="words")),
        ({"type": "text", "text": "words", "cache_control": {"type": "ephemeral"}, "index": 0}, TextPart(text="words")),
        ({"text": "words"}, TextPart(text="words")),
    ],
)
def test_blocks(block: dict[str, Any], expected: Part) -> None:
    assert part(block) == expected


def test_strings_inside_lists_are_text_and_empty_text_is_left_out() -> None:
    said = parts(HumanMessage(["one", {"type": "text", "text": ""}, "", {"type": "text", "text": "two"}]))
    assert said == (TextPart(text="one"), TextPart(text="two"))


@pytest.mark.parametrize(
    ("block", "says"),
    [
        ({"type": "video", "base64": PNG, "mime_type": "video/mp4"}, "'video'"),
        ({"type": "image", "file_id": "f1"}, "base64"),
        ({"type": "file", "file": {"file_id": "f1"}}, "file_data"),
        ({"type": "image", "base64": "not base64!", "mime_type": "image/png"}, "not base64"),
        ({"type": "hologram"}, "'hologram'"),
    ],
)
def test_blocks_nobody_can_be_sent_are_named(block: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        part(block)


# --- assistant turns -----------------------------------------------------------------------------------------------


def test_tool_calls_keep_unicode_and_order() -> None:
    message = AIMessage(
        "Let me see.",
        tool_calls=[
            {"name": "create", "args": {"name": "你好"}, "id": "a"},
            {"name": "nothing", "args": {}, "id": None},
        ],
        invalid_tool_calls=[{"name": "broken", "args": '{"x": ', "id": "c", "error": "no JSON"}],
    )
    assert parts(message) == (
        TextPart(text="Let me see."),
        ToolCallPart(id="a", name="create", arguments='{"name": "你好"}'),
        ToolCallPart(id="call_1", name="nothing", arguments="{}"),
        ToolCallPart(id="c", name="broken", arguments='{"x": '),
    )


def test_anthropic_tool_use_blocks_are_not_doubled() -> None:
    content: list[str | dict[str, Any]] = [
        {"type": "text", "text": "Hm"},
        {"type": "tool_use", "id": "a", "name": "pick", "input": {"colour": "red"}, "caller": {"type": "direct"}},
    ]
    call = {"name": "pick", "args": {"colour": "red"}, "id": "a"}
    expected = (TextPart(text="Hm"), ToolCallPart(id="a", name="pick", arguments='{"colour": "red"}'))
    assert parts(AIMessage(content, tool_calls=[call])) == expected
    assert parts(AIMessage(content)) == expected


def test_reasoning_in_every_dialect_is_kept_once() -> None:
    thought = ReasoningPart(text="Let me think.")
    answer = TextPart(text="42")
    text = {"type": "text", "text": "42"}
    dialects = [
        AIMessage("42", additional_kwargs={"reasoning_content": "Let me think."}),
        AIMessage("42", additional_kwargs={"reasoning": "Let me think."}),
        AIMessage([{"type": "reasoning", "reasoning": "Let me think.", "index": "lc_reasoning"}, text]),
        AIMessage([{"type": "thinking", "thinking": "Let me think.", "signature": "xyz"}, text]),
        AIMessage([{"type": "reasoning", "summary": [{"type": "summary_text", "text": "Let me think."}]}, text]),
        AIMessage(
            [{"type": "reasoning", "reasoning": "Let me think."}, text],
            additional_kwargs={"reasoning_content": "Let me think."},
        ),
    ]
    for message in dialects:
        assert parts(message) == (thought, answer)


def test_what_only_its_provider_can_read_does_not_stop_the_conversation() -> None:
    history = AIMessage(
        [
            {"type": "redacted_thinking", "data": "..."},
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}},
            {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
            {"type": "server_tool_call", "id": "t", "name": "code", "args": {}},
            {"type": "non_standard", "value": {"type": "compaction"}},
            {"type": "refusal", "refusal": "I will not."},
        ]
    )
    assert parts(history) == (TextPart(text="I will not."),)


def test_v1_messages_of_our_own_go_back_as_they_came() -> None:
    message = AIMessage(
        [
            {"type": "reasoning", "reasoning": "Hm."},
            {"type": "text", "text": "Calling."},
            {"type": "tool_call", "id": "a", "name": "f", "args": {"x": 1}},
        ],
        tool_calls=[{"name": "f", "args": {"x": 1}, "id": "a"}],
        response_metadata={"output_version": "v1"},
    )
    assert parts(message) == (
        ReasoningPart(text="Hm."),
        TextPart(text="Calling."),
        ToolCallPart(id="a", name="f", arguments='{"x": 1}'),
    )


# --- tool results --------------------------------------------------------------------------------------------------


def result(message: BaseMessage) -> ToolResultPart:
    (only,) = parts(message)
    assert isinstance(only, ToolResultPart)
    return only


def test_tool_results() -> None:
    plain = result(ToolMessage("sunny", tool_call_id="a", name="weather"))
    assert (plain.call_id, plain.text, plain.name, plain.is_error) == ("a", "sunny", "weather", False)
    assert result(ToolMessage("no such place", tool_call_id="a", status="error")).is_error
    with_image = result(
        ToolMessage(["look:", {"type": "image", "base64": PNG, "mime_type": "image/png"}], tool_call_id="a")
    )
    assert with_image.content == (TextPart(text="look:"), ImagePart(data=b"pixels", media_type="image/png"))


def test_data_in_a_tool_result_goes_as_json() -> None:
    found = result(ToolMessage([{"rows": [1, 2], "ä": True}], tool_call_id="a"))
    assert json.loads(found.text) == {"rows": [1, 2], "ä": True}
    assert "ä" in found.text


def test_a_tool_result_with_a_pdf_is_refused_by_name() -> None:
    message = ToolMessage([{"type": "file", "base64": PNG, "mime_type": "application/pdf"}], tool_call_id="a")
    with pytest.raises(InvalidRequestError, match="text and images, not a block of type 'file'"):
        to_messages([message])


def test_anthropic_tool_results_inside_a_user_turn_become_turns_of_their_own() -> None:
    message = HumanMessage(
        [
            {"type": "tool_result", "tool_use_id": "a", "content": "sunny"},
            {"type": "tool_result", "tool_use_id": "b", "content": [{"type": "text", "text": "no"}], "is_error": True},
            {"type": "text", "text": "And now?"},
        ]
    )
    first, second, third = to_messages([message])
    assert first == Message(role="tool", parts=(ToolResultPart(call_id="a", content="sunny"),))
    assert isinstance(second.parts[0], ToolResultPart)
    assert second.parts[0].is_error
    assert (third.role, third.text) == ("user", "And now?")


def test_the_callers_messages_are_not_changed() -> None:
    message = AIMessage(
        [{"type": "tool_use", "id": "a", "name": "f", "input": {}}], additional_kwargs={"reasoning_content": "x"}
    )
    before = message.model_dump_json()
    to_messages([message])
    assert message.model_dump_json() == before
