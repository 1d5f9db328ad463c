"""Our messages and tools as Ollama's API writes them."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping

from pydantic_core import from_json

from shared_core.errors import InvalidRequestError, UnsupportedError
from shared_core.types import (
    AudioPart,
    FilePart,
    ImagePart,
    Message,
    ReasoningPart,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
)
from shared_core.wire.base import Json
from shared_core.wire.ollama.schemas import without_references


def encode_messages(messages: tuple[Message, ...]) -> list[Json]:
    """The `messages` of a request; a turn with several tool results becomes one message for each."""
    names = {part.id: part.name for turn in messages for part in turn.parts if isinstance(part, ToolCallPart)}
    asked = max((number for number, turn in enumerate(messages) if _asks(turn)), default=-1)
    return [
        encoded
        for number, turn in enumerate(messages)
        for encoded in _encode_message(turn, names, thinks=number > asked)
    ]


def _asks(turn: Message) -> bool:
    """Tool results may come as the user's, and are no new question."""
    return turn.role == "user" and not all(isinstance(part, ToolResultPart) for part in turn.parts)


def _encode_message(turn: Message, names: Mapping[str, str], *, thinks: bool) -> list[Json]:
    results = [part for part in turn.parts if isinstance(part, ToolResultPart)]
    encoded = [_encode_result(part, names) for part in results]
    if len(results) < len(turn.parts) or not results:
        encoded.append(_encode_turn(turn, thinks=thinks))
    return encoded


def _encode_result(part: ToolResultPart, names: Mapping[str, str]) -> Json:
    images = [_encode_image(piece) for piece in part.content if isinstance(piece, ImagePart)]
    name = part.name or names.get(part.call_id)
    return {
        "role": "tool",
        "content": part.text,
        # Servers before tool_call_id match results to calls by name.
        **({"tool_name": name} if name else {}),
        "tool_call_id": part.call_id,
        **({"images": images} if images else {}),
    }


def _encode_turn(turn: Message, *, thinks: bool) -> Json:
    for part in turn.parts:
        if isinstance(part, AudioPart | FilePart):
            raise UnsupportedError(f"this place takes no {part.type} parts: leave it out, or ask a backend that does")
    images = [_encode_image(part) for part in turn.parts if isinstance(part, ImagePart)]
    calls = [part for part in turn.parts if isinstance(part, ToolCallPart)]
    # Templates want the thoughts of the tool loop that is going on, and none from before the last question.
    thoughts = "".join(part.text for part in turn.parts if isinstance(part, ReasoningPart)) if thinks else ""
    return {
        "role": "system" if turn.role == "developer" else turn.role,
        "content": "\n".join(part.text for part in turn.parts if isinstance(part, TextPart)),
        **({"thinking": thoughts} if thoughts else {}),
        **({"images": images} if images else {}),
        **({"tool_calls": [_encode_call(*numbered) for numbered in enumerate(calls)]} if calls else {}),
    }


def _encode_image(part: ImagePart) -> str:
    """Base64 alone: no data URL, and no place to say the media type, which the server finds out."""
    if part.url is None:
        return b64encode(part.data or b"").decode("ascii")
    if not part.url.startswith("data:"):
        raise UnsupportedError(
            "an image part with a URL cannot be sent here, where images are taken as bytes only: "
            "download it and pass ImagePart(data=..., media_type='image/png')"
        )
    head, _, data = part.url.partition(",")
    if not head.endswith(";base64"):
        raise InvalidRequestError(f"the data URL of an image part is not in base64: {head[:60]!r}")
    return _canonical(data)


def _canonical(data: str) -> str:
    """The server is strict where writers of data URLs are not: line breaks, no padding."""
    compact = "".join(data.split()).rstrip("=")
    try:
        return b64encode(b64decode(compact + "=" * (-len(compact) % 4), validate=True)).decode("ascii")
    except binascii.Error as error:
        raise InvalidRequestError(f"the data URL of an image part is no base64: {error}") from error


def _encode_call(number: int, part: ToolCallPart) -> Json:
    function = {"index": number, "name": part.name, "arguments": _arguments(part.arguments)}
    return {"id": part.id, "function": function}


def _arguments(text: str) -> Json:
    """Arguments are an object here; what a model wrote instead of one is shown to it as one that holds the text."""
    try:
        value = from_json(text or "{}")
    except ValueError:
        value = text
    return value if isinstance(value, dict) else {"arguments": value}


def encode_tool(tool: Tool) -> Json:
    """One entry of `tools`."""
    parameters = without_references(tool.parameters)
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": parameters},
    }
