"""A content block, in whichever provider's dialect it was written, is one part or none."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from langchain_core.messages import HumanMessage

from langchain_multillm.errors import in_both_trees
from shared_core import (
    AudioPart,
    FilePart,
    ImagePart,
    InvalidRequestError,
    Part,
    ReasoningPart,
    TextPart,
)

Block: TypeAlias = Mapping[str, Any]
Content: TypeAlias = str | list[str | dict[Any, Any]]

CALLS = frozenset({"tool_call", "tool_call_chunk", "invalid_tool_call", "tool_use", "function_call"})
"""Blocks that repeat what `AIMessage.tool_calls` says."""


def rejected(message: str) -> Exception:
    """The error for content that no place could be sent, ours and LangChain's at once."""
    return in_both_trees(InvalidRequestError(message))


def blocks(content: Content) -> Iterator[Block]:
    """Iterate over content as blocks; empty text, which several places refuse, is left out."""
    for item in [content] if isinstance(content, str) else content:
        block = {"type": "text", "text": item} if isinstance(item, str) else item
        if block.get("type") != "text" or block.get("text"):
            yield block


def prompt_parts(content: Iterable[Block], where: str) -> Iterator[Part]:
    """Parts of what a user or the system says. Raises our `InvalidRequestError` for a block nobody can be sent."""
    for block in content:
        known = block if _reader(block) else _standard(block)
        reader = _reader(known)
        if reader is None:
            raise rejected(_unknown(block, where))
        if (part := reader(known)) is not None:
            yield part


def answer_parts(content: Iterable[Block]) -> Iterator[Part]:
    """Parts of an assistant turn, maybe another provider's: what only that provider could read again is left out."""
    for block in content:
        reader = _reader(block)
        if reader is not None and (part := reader(block)) is not None:
            yield part


def result_parts(content: Content) -> Iterator[TextPart | ImagePart]:
    """Parts of a tool result. Blocks of no known type are the tool's data, and go as JSON text."""
    for block in blocks(content):
        reader = _reader(block)
        part = reader(block) if reader else TextPart(text=json.dumps(block, ensure_ascii=False, default=str))
        if not isinstance(part, TextPart | ImagePart):
            raise rejected(f"a tool result takes text and images, not a block of type {block.get('type')!r}")
        yield part


def _unknown(block: Block, where: str) -> str:
    return (
        f"a {where} message cannot carry a content block of type {block.get('type')!r}; "
        f"known are {', '.join(sorted(_READERS))}"
    )


def _standard(block: Block) -> Block:
    # core reads Gemini's and Bedrock's dialects; what it does not know comes back as "non_standard".
    return dict(HumanMessage(content=[dict(block)]).content_blocks[0])


def _reader(block: Block) -> Callable[[Block], Part | None] | None:
    return _READERS.get(block.get("type") or ("text" if "text" in block else ""))


# --- text ----------------------------------------------------------------------------------------------------------


def _text(block: Block) -> TextPart:
    return TextPart(text=block.get("text") or "")


def _plain_text(block: Block) -> TextPart:
    text = block.get("text")
    return TextPart(text=_bytes(block["base64"]).decode() if text is None and "base64" in block else text or "")


def _refusal(block: Block) -> TextPart:
    return TextPart(text=block.get("refusal") or "")


def _reasoning(block: Block) -> ReasoningPart | None:
    text = block.get("reasoning") or block.get("thinking")
    if not text:  # OpenAI's Responses dialect
        text = "\n\n".join(item.get("text", "") for item in block.get("summary") or ())
    return ReasoningPart(text=text) if text else None


# --- media ---------------------------------------------------------------------------------------------------------


def _image_url(block: Block) -> ImagePart:
    image = block["image_url"]
    image = {"url": image} if isinstance(image, str) else image
    return ImagePart(url=image["url"], detail=image.get("detail") or block.get("detail"))


def _image(block: Block) -> ImagePart:
    return ImagePart(**_source(block), detail=block.get("detail"))


def _audio(block: Block) -> AudioPart:
    return AudioPart(**_source(block))


def _input_audio(block: Block) -> AudioPart:
    audio = block["input_audio"]
    return AudioPart(data=_bytes(audio["data"]), media_type=f"audio/{audio.get('format', 'wav')}")


def _file(block: Block) -> FilePart | TextPart:
    source = block.get("source")
    if isinstance(source, Mapping) and source.get("type") == "text":  # Anthropic's plain-text document
        return TextPart(text=source["data"])
    file = block.get("file")
    if isinstance(file, Mapping):  # OpenAI's dialect
        return FilePart(**_data_url(file), name=file.get("filename"))
    return FilePart(**_source(block), name=_file_name(block))


def _file_name(block: Block) -> str | None:
    more = block.get("extras") or block.get("metadata") or {}
    name = block.get("filename") or more.get("filename") or block.get("title") or block.get("name")
    return str(name) if name else None


def _source(block: Block) -> dict[str, Any]:
    """Read where the bytes are: base64, a URL, or Anthropic's `source` with either."""
    source = block.get("source")
    block = source if isinstance(source, Mapping) else block
    media_type = block.get("mime_type") or block.get("media_type")
    encoded = block.get("base64") or block.get("data")
    if encoded:
        return {"data": _bytes(encoded), "media_type": media_type}
    if block.get("url"):
        return {"url": block["url"], "media_type": media_type}
    raise rejected(
        f"a block of type {block.get('type')!r} needs `base64` or `url`; ids of uploaded files are not known"
    )


def _data_url(file: Block) -> dict[str, Any]:
    data = file.get("file_data")
    if not data:
        raise rejected("a file block needs `file_data`; ids of uploaded files are not known")
    head, _, encoded = data.rpartition(",")
    media_type = head.removeprefix("data:").partition(";")[0]
    return {"data": _bytes(encoded), "media_type": media_type or None}


def _bytes(encoded: str | bytes) -> bytes:
    if isinstance(encoded, bytes):
        return encoded
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise rejected(f"a content block's data is not base64: {error}") from None


def _nothing(_: Block) -> None:
    return None


_READERS: dict[str, Callable[[Block], Part | None]] = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "text-plain": _plain_text,
    "refusal": _refusal,
    "reasoning": _reasoning,
    "thinking": _reasoning,
    "redacted_thinking": _nothing,
    "image_url": _image_url,
    "image": _image,
    "audio": _audio,
    "input_audio": _input_audio,
    "file": _file,
    "document": _file,
}
