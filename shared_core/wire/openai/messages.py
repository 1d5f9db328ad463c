"""Our messages, tools and formats as the OpenAI API writes them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import TypeAlias

from shared_core.errors import UnsupportedError
from shared_core.types import (
    AudioPart,
    FilePart,
    ImagePart,
    Message,
    NamedTool,
    ReasoningPart,
    TextPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
)
from shared_core.wire.base import Json
from shared_core.wire.openai.dialect import Dialect

_Content: TypeAlias = TextPart | ImagePart | AudioPart | FilePart

_AUDIO_FORMATS = {
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
}


def encode_messages(messages: tuple[Message, ...], dialect: Dialect) -> list[Json]:
    """The `messages` of a request; a turn with several tool results becomes one message for each."""
    last_question = max((at for at, message in enumerate(messages) if message.role == "user"), default=-1)
    return [
        encoded
        for at, message in enumerate(messages)
        for encoded in _encode_message(message, dialect, at_work=at > last_question)
    ]


def _encode_message(message: Message, dialect: Dialect, *, at_work: bool) -> list[Json]:
    results = [part for part in message.parts if isinstance(part, ToolResultPart)]
    encoded = [_encode_result(part, dialect) for part in results]
    if len(results) < len(message.parts) or not results:
        turn = _encode_turn(message, dialect, at_work=at_work)
        encoded += [turn] if dialect.text_with_calls else _apart(turn, dialect)
    return encoded


def _apart(turn: Json, dialect: Dialect) -> list[Json]:
    if not turn.get("content") or "tool_calls" not in turn:
        return [turn]
    text = {key: value for key, value in turn.items() if key != "tool_calls"}
    return [text, {**turn, "content": dialect.no_content}]


def _encode_result(part: ToolResultPart, dialect: Dialect) -> Json:
    content = list(part.content)
    only_text = all(isinstance(piece, TextPart) for piece in content)
    return {
        "role": "tool",
        "tool_call_id": part.call_id,
        "content": part.text if only_text else [_encode_part(piece, dialect) for piece in content],
    }


def _encode_turn(message: Message, dialect: Dialect, *, at_work: bool) -> Json:
    """One turn. A model that is at work on the last question goes on from what it thought, where a place takes that."""
    calls = [_encode_call(part) for part in message.parts if isinstance(part, ToolCallPart)]
    parts = [p for p in message.parts if not isinstance(p, ToolCallPart | ToolResultPart | ReasoningPart)]
    role = "system" if message.role == "developer" and not dialect.developer_role else message.role
    turn: Json = {"role": role, "content": _encode_content(parts, dialect, none=bool(calls))}
    if message.name is not None and dialect.message_names:
        turn["name"] = message.name
    if calls:
        turn["tool_calls"] = calls
    thought = "".join(part.text for part in message.parts if isinstance(part, ReasoningPart))
    if thought and at_work and dialect.reasoning_key is not None:
        turn[dialect.reasoning_key] = thought
    return turn


def _encode_content(parts: Sequence[_Content], dialect: Dialect, *, none: bool) -> str | list[Json] | None:
    if not parts and none:
        return dialect.no_content
    if len(parts) == 1 and isinstance(parts[0], TextPart):
        return parts[0].text
    if all(isinstance(part, TextPart) for part in parts):
        return "\n".join(part.text for part in parts if isinstance(part, TextPart))
    return [_encode_part(part, dialect) for part in parts]


def _encode_part(part: _Content, dialect: Dialect) -> Json:
    if part.type in dialect.refused_parts:
        raise UnsupportedError(f"this place takes no {part.type} parts: leave it out, or ask a backend that does")
    match part:
        case TextPart():
            return {"type": "text", "text": part.text}
        case ImagePart():
            return {"type": "image_url", "image_url": _encode_image(part, dialect)}
        case AudioPart():
            return {"type": "input_audio", "input_audio": _encode_audio(part)}
        case _:
            return {"type": "file", "file": _encode_file(part)}


def _encode_image(part: ImagePart, dialect: Dialect) -> Json:
    url = _url(part, "image/png")
    if not dialect.image_urls and not url.startswith("data:"):
        raise UnsupportedError(
            "an image part with a URL cannot be sent here, where images are taken as bytes only: "
            "download it and pass ImagePart(data=..., media_type='image/png')"
        )
    return {"url": url, **({} if part.detail is None else {"detail": part.detail})}


def _url(part: ImagePart | FilePart, default_type: str) -> str:
    if part.url is not None:
        return part.url
    data = b64encode(part.data or b"").decode("ascii")
    return f"data:{part.media_type or default_type};base64,{data}"


def _encode_audio(part: AudioPart) -> Json:
    if part.data is None:
        raise UnsupportedError(
            "an audio part with a URL cannot be sent over the OpenAI API, which takes bytes: "
            "download it and pass AudioPart(data=..., media_type='audio/wav')"
        )
    media_type = part.media_type or "audio/wav"
    return {
        "data": b64encode(part.data).decode("ascii"),
        "format": _AUDIO_FORMATS.get(media_type, media_type.rpartition("/")[2]),
    }


def _encode_file(part: FilePart) -> Json:
    if part.data is None and not (part.url or "").startswith("data:"):
        raise UnsupportedError(
            "a file part with a URL cannot be sent over the OpenAI API, which takes bytes: "
            "download it and pass FilePart(data=..., media_type='application/pdf')"
        )
    return {"filename": part.name or "file", "file_data": _url(part, "application/pdf")}


def _encode_call(part: ToolCallPart) -> Json:
    return {"id": part.id, "type": "function", "function": {"name": part.name, "arguments": part.arguments or "{}"}}


def encode_tool(tool: Tool) -> Json:
    """One entry of `tools`."""
    function: Json = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def encode_tool_choice(choice: ToolChoice) -> str | Json:
    """The `tool_choice`."""
    if isinstance(choice, NamedTool):
        return {"type": "function", "function": {"name": choice.name}}
    return choice
