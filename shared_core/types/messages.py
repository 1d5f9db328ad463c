"""Messages, and the parts they are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pydantic import BaseModel, field_validator, model_validator

from shared_core.types.values import Value

Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool"]


class TextPart(Value):
    """Plain text."""

    type: Literal["text"] = "text"
    text: str


class _Media(Value):
    """Bytes, or a URL where they lie: exactly one of the two."""

    data: bytes | None = None
    url: str | None = None
    media_type: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> _Media:
        if (self.data is None) == (self.url is None):
            message = f"{type(self).__name__} takes exactly one of `data` (bytes) and `url`"
            raise ValueError(message)
        return self


class ImagePart(_Media):
    """An image: raw bytes with their `media_type`, or an http(s) or data URL."""

    type: Literal["image"] = "image"
    detail: Literal["low", "high", "auto"] | None = None


class AudioPart(_Media):
    """A sound: raw bytes with their `media_type` ("audio/wav", "audio/mp3"), or a URL."""

    type: Literal["audio"] = "audio"


class FilePart(_Media):
    """A document, such as a PDF: raw bytes with their `media_type`, or a URL."""

    type: Literal["file"] = "file"
    name: str | None = None


class ReasoningPart(Value):
    """What a model thought before it answered; only sent back where a place wants it."""

    type: Literal["reasoning"] = "reasoning"
    text: str


class ToolCallPart(Value):
    """A call the model asked for. `arguments` is JSON text, as the model wrote it."""

    type: Literal["tool_call"] = "tool_call"
    id: str
    name: str
    arguments: str


class ToolResultPart(Value):
    """What a tool gave back for the call `call_id`; text and images only."""

    type: Literal["tool_result"] = "tool_result"
    call_id: str
    content: tuple[TextPart | ImagePart, ...]
    name: str | None = None
    is_error: bool = False

    @field_validator("content", mode="before")
    @classmethod
    def _text_is_content(cls, value: object) -> object:
        return (TextPart(text=value),) if isinstance(value, str) else value

    @property
    def text(self) -> str:
        """The text of the result, its pieces joined by newlines."""
        return "\n".join(part.text for part in self.content if isinstance(part, TextPart))


Part: TypeAlias = TextPart | ImagePart | AudioPart | FilePart | ReasoningPart | ToolCallPart | ToolResultPart


class Message(Value):
    """One turn: a role and its parts. `Message(role="user", content="Hi")` and a plain string as part are accepted.

    `prefix` says of the last message, an assistant's, that it is the beginning of the answer: the model goes on with it
    where `Capabilities.prefill` says so, and only what it adds comes back.
    """

    role: Role
    parts: tuple[Part, ...] = ()
    name: str | None = None
    prefix: bool = False

    if TYPE_CHECKING:  # what the validators below make of it

        def __init__(
            self,
            *,
            role: Role,
            parts: Iterable[Part | str] | None = (),
            content: Iterable[Part | str] | None = None,
            name: str | None = None,
            prefix: bool = False,
        ) -> None: ...

    @model_validator(mode="before")
    @classmethod
    def _content_is_parts(cls, value: Any) -> Any:  # noqa: ANN401 - whatever the caller handed to the constructor
        if not isinstance(value, Mapping) or "content" not in value:
            return value
        if "parts" in value:
            message = "Message takes `parts` or `content`, not both"
            raise ValueError(message)
        rest = {key: item for key, item in value.items() if key != "content"}
        return {**rest, "parts": value["content"]}

    @field_validator("parts", mode="before")
    @classmethod
    def _strings_are_text(cls, value: object) -> object:
        if value is None:
            return ()
        if isinstance(value, str | Mapping | BaseModel):
            value = (value,)
        if isinstance(value, Iterable):
            return tuple(TextPart(text=item) if isinstance(item, str) else item for item in value)
        return value

    @property
    def text(self) -> str:
        """The text parts, joined without a separator."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))
