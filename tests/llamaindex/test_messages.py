"""LlamaIndex's messages become ours, whoever wrote them."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)
from llama_index.core.llms import ChatMessage, MessageRole
from llama_index.core.llms.llm import ToolSelection

from llamaindex_multillm.messages import to_messages
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
    UnsupportedError,
)

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x44\xac\x00\x00\x88\x58\x01\x00\x02\x00\x10\x00"


def one(*blocks: Any, role: str = "user", **extras: Any) -> Message:
    message = ChatMessage(role=MessageRole(role), blocks=list(blocks), additional_kwargs=extras)
    return to_messages([message])[0]


def parts(*blocks: Any, role: str = "user", **extras: Any) -> list[Part]:
    return list(one(*blocks, role=role, **extras).parts)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("system", "system"),
        ("developer", "developer"),
        ("user", "user"),
        ("assistant", "assistant"),
        ("chatbot", "assistant"),
        ("model", "assistant"),
    ],
)
def test_roles(given: str, sent: str) -> None:
    assert one(TextBlock(text="hi"), role=given) == Message.model_validate({"role": sent, "content": "hi"})


def test_a_name_is_kept() -> None:
    assert one(TextBlock(text="hi"), name="ann").name == "ann"


def test_empty_text_is_no_part() -> None:
    """Several servers refuse empty text parts, and other integrations leave them in their answers."""
    assert parts(TextBlock(text=""), TextBlock(text="a")) == [TextPart(text="a")]
    assert parts(TextBlock(text=""), role="assistant") == []


def test_no_messages_is_a_plain_error() -> None:
    with pytest.raises(InvalidRequestError, match="no messages"):
        to_messages([])


# --- media ---------------------------------------------------------------------------------------------------------


def test_an_image_of_bytes_is_sent_as_bytes_with_its_type() -> None:
    assert parts(ImageBlock(image=PNG, detail="low")) == [ImagePart(data=PNG, media_type="image/png", detail="low")]


def test_an_image_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "dot.png").write_bytes(PNG)
    assert parts(ImageBlock(path=tmp_path / "dot.png")) == [ImagePart(data=PNG, media_type="image/png")]


def test_the_type_of_an_image_is_seen_in_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "dot").write_bytes(PNG)
    assert parts(ImageBlock(path=tmp_path / "dot")) == [ImagePart(data=PNG, media_type="image/png")]


def test_an_image_buffer_is_read_again_on_the_next_turn() -> None:
    block = ImageBlock(image=io.BytesIO(PNG))
    assert parts(block) == parts(block) == [ImagePart(data=PNG, media_type="image/png")]


def test_an_image_url_is_not_fetched() -> None:
    assert parts(ImageBlock(url="https://example.org/cat.jpg")) == [
        ImagePart(url="https://example.org/cat.jpg", media_type="image/jpeg")
    ]


def test_images_of_the_old_style_are_sent() -> None:
    from llama_index.core.schema import ImageDocument

    image = ImageDocument(image=base64.b64encode(PNG).decode())
    assert parts(TextBlock(text="what?"), images=[image])[1] == ImagePart(data=PNG, media_type="image/png")


def test_audio() -> None:
    assert parts(AudioBlock(audio=WAV)) == [AudioPart(data=WAV, media_type="audio/wav")]
    assert parts(AudioBlock(url="https://example.org/a.mp3")) == [
        AudioPart(url="https://example.org/a.mp3", media_type="audio/mp3")
    ]


def test_documents() -> None:
    pdf = b"%PDF-1.4 something"
    assert parts(DocumentBlock(data=pdf, title="paper.pdf")) == [
        FilePart(data=pdf, media_type="application/pdf", name="paper.pdf")
    ]
    assert parts(DocumentBlock(url="https://example.org/p.pdf")) == [
        FilePart(url="https://example.org/p.pdf", media_type="application/pdf", name="input_document")
    ]


def test_a_text_document_is_text() -> None:
    assert parts(DocumentBlock(data="grün".encode(), document_mimetype="text/plain")) == [TextPart(text="grün")]


def test_an_empty_image_is_a_plain_error() -> None:
    with pytest.raises(InvalidRequestError, match="ImageBlock has nothing to send"):
        parts(ImageBlock())


def test_a_file_that_vanished_is_a_plain_error(tmp_path: Path) -> None:
    (tmp_path / "dot.png").write_bytes(PNG)
    block = ImageBlock(path=tmp_path / "dot.png")
    (tmp_path / "dot.png").unlink()
    with pytest.raises(InvalidRequestError, match="ImageBlock has nothing to send"):
        parts(block)


# --- the other blocks ----------------------------------------------------------------------------------------------


def test_video_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedError, match="no backend takes a VideoBlock"):
        parts(VideoBlock(url="https://example.org/a.mp4"))


def test_citable_content_becomes_its_text_where_the_peers_raise() -> None:
    block = CitableBlock(title="Moon", source="nasa", content=[TextBlock(text="It is far."), ImageBlock(image=PNG)])
    assert parts(block) == [
        TextPart(text="Moon (nasa):"),
        TextPart(text="It is far."),
        ImagePart(data=PNG, media_type="image/png"),
    ]


def test_a_citation_becomes_its_text() -> None:
    block = CitationBlock(title="Moon", source="nasa", cited_content=TextBlock(text="far"), additional_location_info={})
    assert parts(block) == [TextPart(text="Moon (nasa):"), TextPart(text="far")]


def test_a_cache_point_is_advice_not_content() -> None:
    assert parts(TextBlock(text="a"), CachePoint(cache_control=CacheControl(type="ephemeral"))) == [TextPart(text="a")]


def test_thinking_is_kept_for_the_places_that_want_it_back() -> None:
    blocks = (ThinkingBlock(content="hm"), TextBlock(text="yes"))
    assert parts(*blocks, role="assistant") == [ReasoningPart(text="hm"), TextPart(text="yes")]
    assert parts(ThinkingBlock(num_tokens=5), role="assistant") == []


# --- tool calls in foreign histories -------------------------------------------------------------------------------

CALL = ToolCallPart(id="a", name="add", arguments='{"x": 1}')


@pytest.mark.parametrize(
    "entry",
    [
        {"id": "a", "type": "function", "function": {"name": "add", "arguments": '{"x": 1}'}},
        {"id": "a", "function": {"name": "add", "arguments": {"x": 1}}},
        {"id": "a", "name": "add", "args": {"x": 1}, "type": "tool_call"},
        {"type": "tool_use", "id": "a", "name": "add", "input": {"x": 1}},
        SimpleNamespace(id="a", function=SimpleNamespace(name="add", arguments='{"x": 1}')),
        ToolSelection(tool_id="a", tool_name="add", tool_kwargs={"x": 1}),
    ],
)
def test_calls_in_additional_kwargs_of_every_kind(entry: object) -> None:
    assert parts(role="assistant", tool_calls=[entry]) == [CALL]


def test_the_same_call_in_block_and_dict_is_sent_once() -> None:
    block = ToolCallBlock(tool_call_id="a", tool_name="add", tool_kwargs={"x": 1})
    entry = {"id": "a", "type": "function", "function": {"name": "add", "arguments": '{"x":1}'}}
    assert parts(block, role="assistant", tool_calls=[entry]) == [CALL]


def test_the_same_call_without_id_in_block_and_dict_is_sent_once() -> None:
    block = ToolCallBlock(tool_name="add", tool_kwargs={"x": 1})
    entry = {"function": {"name": "add", "arguments": {"x": 1}}}
    assert parts(block, role="assistant", tool_calls=[entry]) == [CALL.model_copy(update={"id": "call_1"})]


def test_two_equal_calls_beside_the_blocks_are_both_sent() -> None:
    entry = {"function": {"name": "add", "arguments": {"x": 1}}}
    message = ChatMessage(role=MessageRole.ASSISTANT, additional_kwargs={"tool_calls": [entry, entry]})
    assert ids([message]) == ["call_1", "call_2"]


def test_the_oldest_style_of_call() -> None:
    found = parts(role="assistant", function_call={"name": "add", "arguments": '{"x": 1}'})
    assert found == [CALL.model_copy(update={"id": "call_1"})]


@pytest.mark.parametrize(("written", "sent"), [('{"x":  1}', '{"x":  1}'), ('{"x": ', "{}"), ("[1]", "{}"), ("", "{}")])
def test_arguments_that_are_text(written: str, sent: str) -> None:
    """Valid ones stay as the model wrote them; a tool ran without the others, and servers refuse them."""
    block = ToolCallBlock(tool_call_id="a", tool_name="add", tool_kwargs=written)
    assert parts(block, role="assistant") == [ToolCallPart(id="a", name="add", arguments=sent)]


def test_a_tool_result() -> None:
    assert one(TextBlock(text="3"), role="tool", tool_call_id="a") == Message(
        role="tool", parts=(ToolResultPart(call_id="a", content=(TextPart(text="3"),)),)
    )


def test_a_tool_result_may_hold_images_and_may_be_empty() -> None:
    (result,) = parts(TextBlock(text="see"), ImageBlock(image=PNG), role="tool", tool_call_id="a")
    assert isinstance(result, ToolResultPart)
    assert result.content == (TextPart(text="see"), ImagePart(data=PNG, media_type="image/png"))
    (empty,) = parts(role="tool", tool_call_id="a")
    assert isinstance(empty, ToolResultPart)
    assert empty.text == ""


def test_a_tool_result_with_audio_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedError, match="no audio"):
        parts(AudioBlock(audio=WAV), role="tool", tool_call_id="a")


def call(id_: str | None, name: str, **kwargs: Any) -> ToolCallBlock:
    return ToolCallBlock(tool_call_id=id_, tool_name=name, tool_kwargs=kwargs)


def result(text: str, **extras: Any) -> ChatMessage:
    return ChatMessage(role=MessageRole.TOOL, content=text, additional_kwargs=extras)


def ids(history: list[ChatMessage]) -> list[str]:
    found = [part for message in to_messages(history) for part in message.parts]
    return [
        part.id if isinstance(part, ToolCallPart) else part.call_id
        for part in found
        if isinstance(part, ToolCallPart | ToolResultPart)
    ]


def test_ollama_ids_that_collide_are_told_apart() -> None:
    """LlamaIndex's Ollama class uses the tool's name as the call's id."""
    history = [
        ChatMessage(role=MessageRole.ASSISTANT, blocks=[call("add", "add", x=1), call("add", "add", x=2)]),
        result("1", tool_call_id="add"),
        result("2", tool_call_id="add"),
    ]
    assert ids(history) == ["add", "add_2", "add", "add_2"]


def test_calls_and_results_without_ids_find_each_other_by_order_and_name() -> None:
    history = [
        ChatMessage(role=MessageRole.ASSISTANT, blocks=[call(None, "add", x=1), call(None, "sub", x=2)]),
        result("2", name="sub"),
        result("1"),
    ]
    assert ids(history) == ["call_1", "call_2", "call_2", "call_1"]


def test_a_result_of_the_function_role_belongs_to_the_old_style_call() -> None:
    history = [
        ChatMessage(
            role=MessageRole.ASSISTANT, additional_kwargs={"function_call": {"name": "add", "arguments": "{}"}}
        ),
        ChatMessage(role=MessageRole.FUNCTION, content="3", additional_kwargs={"name": "add"}),
    ]
    assert ids(history) == ["call_1", "call_1"]


def test_a_result_whose_call_was_cut_from_the_memory_keeps_its_id() -> None:
    assert ids([result("3", tool_call_id="gone")]) == ["gone"]


def test_a_result_that_belongs_to_nothing_is_a_plain_error() -> None:
    with pytest.raises(InvalidRequestError, match="tool_call_id"):
        to_messages([result("3")])


def test_the_tool_call_id_of_a_return_direct_answer_is_not_sent() -> None:
    """FunctionAgent puts `tool_call_id` on an assistant message when a tool returns directly."""
    message = ChatMessage(role=MessageRole.ASSISTANT, content="done", additional_kwargs={"tool_call_id": "a"})
    assert to_messages([message]) == (Message.model_validate({"role": "assistant", "content": "done"}),)


def test_nothing_of_the_caller_is_changed() -> None:
    message = ChatMessage(
        role=MessageRole.ASSISTANT,
        blocks=[call(None, "add", x=1)],
        additional_kwargs={"tool_calls": [{"id": "b", "function": {"name": "sub", "arguments": "{}"}}]},
    )
    before = message.model_copy(deep=True)
    to_messages([message])
    assert message == before
