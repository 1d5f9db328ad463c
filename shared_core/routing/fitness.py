"""Whether a backend can serve a request, as far as that is known without asking it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from pydantic_core import to_json

from shared_core.types import (
    AudioPart,
    Capabilities,
    ChatRequest,
    EmbedRequest,
    ImagePart,
    JsonSchema,
    Part,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

_BYTES_PER_TOKEN = 4
_TOKENS_PER_IMAGE = 500
_BYTES_AROUND_TOOL = 60
_TOKENS_PER_MESSAGE = 4
_FLAGS = (
    ("tools", "it has no tools"),
    ("tool_choice", "it cannot be made to call a tool"),
    ("json_schema", "it takes no JSON schema"),
    ("images", "it takes no images"),
    ("image_urls", "it takes no images by URL"),
    ("audio", "it takes no audio"),
)
"""Of `Capabilities`, and why a backend that lacks it is skipped."""


def prompt_tokens(request: ChatRequest | EmbedRequest) -> int:
    """About how many tokens a prompt has: a quarter of its bytes in UTF-8, whatever the language."""
    if isinstance(request, EmbedRequest):
        return sum(len(text.encode()) for text in request.texts) // _BYTES_PER_TOKEN
    return _Seen(request).tokens


class _Seen:
    """What a look through a request finds, in one pass: every call pays for it."""

    __slots__ = ("audio", "image_urls", "images", "tokens")

    def __init__(self, request: ChatRequest) -> None:
        self.images = 0
        self.image_urls = self.audio = False
        size = sum(
            len(tool.name) + len(tool.description) + len(to_json(tool.parameters)) + _BYTES_AROUND_TOOL
            for tool in request.tools
        )
        for message in request.messages:
            for part in message.parts:
                size += len(part.text.encode()) if type(part) is TextPart else self._see(part)
        self.tokens = (
            size // _BYTES_PER_TOKEN + self.images * _TOKENS_PER_IMAGE + len(request.messages) * _TOKENS_PER_MESSAGE
        )

    def _see(self, part: Part) -> int:
        """Note what is no text. The bytes of what is."""
        match part:
            case TextPart():
                return len(part.text.encode())
            case ToolCallPart():
                return len(part.arguments.encode())
            case ToolResultPart():
                return sum(self._see(piece) for piece in part.content)
            case ImagePart():
                self.images += 1
                self.image_urls |= part.url is not None and not part.url.startswith("data:")
            case AudioPart():
                self.audio = True
        return 0


@dataclass(frozen=True, slots=True)
class Needs:
    """What a request asks of whoever serves it.

    `flags` are those of `Capabilities` that it needs, with the reason to skip who lacks them; `tokens` are those of the
    prompt and the longest answer together, `prompt` those of the prompt alone, about.
    """

    flags: tuple[tuple[str, str], ...]
    tokens: int
    prompt: int

    @classmethod
    def of(cls, request: ChatRequest) -> Self:
        """Look the request through, once for all targets."""
        seen = _Seen(request)
        tools = bool(request.tools) and request.tool_choice != "none"
        needed = (
            tools,
            tools and request.tool_choice not in (None, "auto"),
            isinstance(request.response_format, JsonSchema),
            seen.images > 0,
            seen.image_urls,
            seen.audio,
        )
        flags = tuple(flag for flag, is_needed in zip(_FLAGS, needed, strict=True) if is_needed) if any(needed) else ()
        return cls(flags, seen.tokens + (request.max_tokens or 0), seen.tokens)

    def unmet_by(self, can: Capabilities, *, doubt: float = 1.0) -> str | None:
        """Why a backend cannot serve the request; what is not known of it does not speak against it.

        A window counts as larger by the factor `doubt`.
        """
        for flag, reason in self.flags:
            if getattr(can, flag) is False:
                return reason
        window = can.context_window
        if window is not None and self.tokens > window * doubt:
            return f"its window has {window:,} tokens, and the request needs about {self.tokens:,}"
        return None
