"""LlamaIndex's messages as ours: pure functions, nothing of the caller's is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from io import IOBase

from llama_index.core.base.llms.types import (
    AudioBlock,
    BaseContentBlock,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from llamaindex_multillm.tool_calls import Call, raw_calls, read_call, whole_object
from shared_core import (
    AudioPart,
    FilePart,
    ImagePart,
    InvalidRequestError,
    Message,
    Part,
    ReasoningPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    UnsupportedError,
)

_ROLES: dict[MessageRole, Role] = {
    MessageRole.SYSTEM: "system",
    MessageRole.DEVELOPER: "developer",
    MessageRole.USER: "user",
    MessageRole.ASSISTANT: "assistant",
    MessageRole.CHATBOT: "assistant",
    MessageRole.MODEL: "assistant",
    MessageRole.TOOL: "tool",
    MessageRole.FUNCTION: "tool",
}


def to_messages(messages: Sequence[ChatMessage]) -> tuple[Message, ...]:
    """Our messages for a LlamaIndex conversation, also for one that another integration began.

    Tool calls may lie in `ToolCallBlock`s, in `additional_kwargs["tool_calls"]`, or in both. Citable and citation
    blocks become their content, text documents text, cache points nothing. Raises `UnsupportedError` for a block
    that no backend takes, and `InvalidRequestError` for a tool result that belongs to no call.
    """
    if not messages:
        raise InvalidRequestError("there are no messages to answer: pass at least one ChatMessage")
    calls = _Calls()
    return tuple(_message(message, calls) for message in messages)


def _message(message: ChatMessage, calls: _Calls) -> Message:
    role = _ROLES[message.role]
    if role == "tool":
        return Message(role="tool", parts=(_tool_result(message, calls),))
    parts = [part for block in message.blocks for part in _parts(block, calls)]
    if role == "assistant":
        parts += _calls_beside_the_blocks(message, calls)
    name = message.additional_kwargs.get("name")
    return Message(role=role, parts=tuple(parts), name=name if isinstance(name, str) else None)


# --- tool calls and their results ----------------------------------------------------------------------------------


class _Calls:
    """The calls of a conversation: each gets an id of its own, each result the id of its call.

    Some integrations use the tool's name as id, so that two calls collide, or none at all.
    """

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._open: list[tuple[str | None, str, str]] = []

    def begin(self, given: str | None, name: str) -> str:
        stem, number, unique = given or "call", len(self._ids), given or ""
        while not unique or unique in self._ids:
            number += 1
            unique = f"{stem}_{number}"
        self._ids.add(unique)
        self._open.append((given, name, unique))
        return unique

    def end(self, given: str | None, name: str | None) -> str:
        for position, (original, tool, unique) in enumerate(self._open):
            matches = original == given if given else name in {None, tool}
            if matches:
                del self._open[position]
                return unique
        if not given:
            raise InvalidRequestError(
                "a tool message has no additional_kwargs['tool_call_id'], and no tool call before it is unanswered"
            )
        return given  # its call was cut from the history; the place decides whether it minds


def _calls_beside_the_blocks(message: ChatMessage, calls: _Calls) -> Iterator[ToolCallPart]:
    blocks = [read_call(block) for block in message.blocks if isinstance(block, ToolCallBlock)]
    known = {call.id for call in blocks if call.id} | {(call.name, call.arguments) for call in blocks}
    for entry in raw_calls(message.additional_kwargs):
        call = read_call(entry)
        if call.id not in known and (call.name, call.arguments) not in known:
            yield _call(call, calls)


def _call(call: Call, calls: _Calls) -> ToolCallPart:
    # The tool ran without arguments that were no JSON, and several servers refuse a history that holds such.
    arguments = call.arguments if whole_object(call.arguments) is not None else "{}"
    return ToolCallPart(id=calls.begin(call.id, call.name), name=call.name, arguments=arguments)


def _tool_result(message: ChatMessage, calls: _Calls) -> ToolResultPart:
    extras = message.additional_kwargs
    name = extras.get("name") or extras.get("tool_name")
    parts = [part for block in message.blocks for part in _parts(block, calls)]
    content = tuple(part for part in parts if isinstance(part, TextPart | ImagePart))
    if len(content) < len(parts):
        odd = next(part for part in parts if not isinstance(part, TextPart | ImagePart))
        raise UnsupportedError(f"a tool result holds text and images, no {odd.type}: put that in a user message")
    return ToolResultPart(
        call_id=calls.end(extras.get("tool_call_id"), name), content=content or (TextPart(text=""),), name=name
    )


# --- blocks --------------------------------------------------------------------------------------------------------


def _parts(block: BaseContentBlock, calls: _Calls) -> Iterator[Part]:
    match block:
        case TextBlock():
            yield from (TextPart(text=block.text),) if block.text else ()
        case ImageBlock():
            yield _image(block)
        case AudioBlock():
            yield _audio(block)
        case DocumentBlock():
            yield _document(block)
        case ThinkingBlock():
            yield from (ReasoningPart(text=block.content),) if block.content else ()
        case ToolCallBlock():
            yield _call(read_call(block), calls)
        case CitableBlock() | CitationBlock():
            yield TextPart(text=f"{block.title} ({block.source}):")
            for nested in block.nested_blocks:
                yield from _parts(nested, calls)
        case CachePoint():
            return  # advice on price, not content: every place caches by itself
        case _:
            raise UnsupportedError(
                f"no backend takes a {type(block).__name__}; send its frames as ImageBlock or its text as TextBlock"
            )


def _image(block: ImageBlock) -> ImagePart:
    detail = block.detail if block.detail in {"low", "high", "auto"} else None
    if block.url and not block.image and not block.path:
        return ImagePart.model_validate({"url": str(block.url), "media_type": block.image_mimetype, "detail": detail})
    data = _read(block, block.resolve_image)
    kind = block.image_mimetype or ImageBlock(image=data).image_mimetype
    return ImagePart.model_validate({"data": data, "media_type": kind, "detail": detail})


def _audio(block: AudioBlock) -> AudioPart:
    kind = f"audio/{block.format}" if block.format else None
    if block.url and not block.audio and not block.path:
        return AudioPart(url=str(block.url), media_type=kind)
    data = _read(block, block.resolve_audio)
    guess = block.format or AudioBlock(audio=data).format
    return AudioPart(data=data, media_type=f"audio/{guess}" if guess else None)


def _document(block: DocumentBlock) -> FilePart | TextPart:
    kind = block.document_mimetype
    if block.url and not block.data and not block.path:
        return FilePart(url=block.url, media_type=kind, name=block.title)
    data = _read(block, block.resolve_document)
    if kind and kind.startswith("text/"):
        return TextPart(text=data.decode("utf-8", errors="replace"))
    return FilePart(data=data, media_type=kind, name=block.title)


def _read(block: BaseContentBlock, resolve: Callable[[], IOBase]) -> bytes:
    try:
        data: bytes = resolve().read()
    except (OSError, ValueError) as error:
        raise InvalidRequestError(f"the {type(block).__name__} has nothing to send: {error}") from error
    return data
