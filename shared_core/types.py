"""The vocabulary: messages and requests (validated once per call), responses and stream events (built once a token)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool"]
FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "unknown"]
ReasoningEffort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "max"]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


# --- message parts -------------------------------------------------------------------------------------------------


class TextPart(_Value):
    """Plain text."""

    type: Literal["text"] = "text"
    text: str


class _Media(_Value):
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


class ReasoningPart(_Value):
    """What a model thought before it answered; only sent back where a place wants it."""

    type: Literal["reasoning"] = "reasoning"
    text: str


class ToolCallPart(_Value):
    """A call the model asked for. `arguments` is JSON text, as the model wrote it."""

    type: Literal["tool_call"] = "tool_call"
    id: str
    name: str
    arguments: str


class ToolResultPart(_Value):
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


class Message(_Value):
    """One turn: a role and its parts. `Message(role="user", content="Hi")` and a plain string as part are accepted."""

    role: Role
    parts: tuple[Part, ...] = ()
    name: str | None = None

    if TYPE_CHECKING:  # what the validators below make of it

        def __init__(
            self,
            *,
            role: Role,
            parts: Iterable[Part | str] | None = (),
            content: Iterable[Part | str] | None = None,
            name: str | None = None,
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


# --- requests ------------------------------------------------------------------------------------------------------


class Tool(_Value):
    """A function the model may call; `parameters` is a JSON Schema of type object."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = Field(default_factory=lambda: {"type": "object", "properties": {}})
    strict: bool | None = None


class NamedTool(_Value):
    """The tool choice that forces the tool called `name`."""

    name: str


ToolChoice: TypeAlias = Literal["auto", "none", "required"] | NamedTool


@dataclass(frozen=True, slots=True)
class JsonObject:
    """The answer must be some JSON object."""


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """The answer must be JSON that `schema` accepts."""

    schema: dict[str, Any]
    name: str = "response"
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class Grammar:
    """The answer must match a GBNF grammar (llama.cpp and Fireworks)."""

    gbnf: str


ResponseFormat: TypeAlias = JsonSchema | Grammar | JsonObject


class ChatRequest(_Value):
    """One chat call, without a model: a backend is one model at one place.

    Everything that is `None` is left to the place. `extra` goes into the request body untouched, after everything
    else, and so wins. `timeout` is in seconds and goes before the backend's own.
    """

    messages: tuple[Message, ...] = Field(min_length=1)
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    temperature: float | None = Field(default=None, ge=0)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: int | None = Field(default=None, ge=0)
    min_p: float | None = Field(default=None, ge=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    stop: tuple[str, ...] = ()
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repetition_penalty: float | None = None
    logprobs: bool = False
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    reasoning_effort: ReasoningEffort | None = None
    user: str | None = None
    timeout: float | None = Field(default=None, gt=0)
    extra: dict[str, Any] = Field(default_factory=dict)

    @field_validator("stop", mode="before")
    @classmethod
    def _one_stop_is_a_list(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else (value or ())


class EmbedRequest(_Value):
    """Texts to turn into vectors; `kind` matters to models that embed a question otherwise than its answer.

    `extra` goes into the request body untouched, after everything else, and so wins.
    """

    texts: tuple[str, ...]
    kind: Literal["query", "document"] = "document"
    dimensions: int | None = Field(default=None, ge=1)
    timeout: float | None = Field(default=None, gt=0)
    extra: dict[str, Any] = Field(default_factory=dict)


# --- stream events and responses -----------------------------------------------------------------------------------


@dataclass(slots=True)
class Usage:
    """Tokens of one call, as the place counted them; `None` is unknown, never zero and never a guess.

    `cached` is the part of `input` that was read from a cache, `reasoning` the part of `output` that was thought.
    """

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    reasoning: int | None = None

    @property
    def total(self) -> int | None:
        """Input and output together, unknown if either is."""
        return None if self.input is None or self.output is None else self.input + self.output


@dataclass(slots=True)
class TokenLogprob:
    """The log-probability of one generated token, and of the likeliest others at its place."""

    token: str
    logprob: float
    bytes: list[int] | None = None
    top: list[TokenLogprob] = field(default_factory=list)


@dataclass(slots=True)
class TextDelta:
    """A piece of the answer; never empty unless it carries log-probabilities."""

    text: str
    logprobs: list[TokenLogprob] | None = None


@dataclass(slots=True)
class ReasoningDelta:
    """A piece of the reasoning."""

    text: str


@dataclass(slots=True)
class ToolCallDelta:
    """A piece of tool call number `index` (from 0, in order of appearance).

    The first piece of a call carries `id` and `name`; the `arguments` of all its pieces, joined, are JSON text.
    """

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


@dataclass(slots=True)
class Timings:
    """Seconds a place spent on a call, as it reported them; `None` is unknown.

    `first_token` is the wait for the first token, `load` the loading of the model that went before.
    """

    queue: float | None = None
    prompt: float | None = None
    completion: float | None = None
    total: float | None = None
    first_token: float | None = None
    load: float | None = None


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How much of one quota there is, is left, and the seconds until it is whole again; `None` is unknown."""

    limit: int | None = None
    remaining: int | None = None
    reset_s: float | None = None


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The quotas a place told of with an answer or an error."""

    requests: RateLimit | None = None
    tokens: RateLimit | None = None


@dataclass(slots=True)
class Finish:
    """The one last event of every stream: why it ended, and what is known of the whole call.

    `model` is the id the place says it used, `backend` the name of the place, `cost` is in USD. `metadata` holds
    what a place tells beyond our vocabulary (system fingerprint, service tier, ...), JSON-safe.
    """

    reason: FinishReason
    usage: Usage = field(default_factory=Usage)
    model: str | None = None
    backend: str | None = None
    id: str | None = None
    request_id: str | None = None
    timings: Timings | None = None
    cost: float | None = None
    rate_limits: RateLimits | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


Event: TypeAlias = TextDelta | ReasoningDelta | ToolCallDelta | Finish


@dataclass(slots=True)
class ToolCall:
    """A whole tool call. `arguments` is JSON text, as the model wrote it: it may be invalid."""

    id: str
    name: str
    arguments: str


@dataclass(slots=True)
class ChatResponse:
    """A whole answer, the fold of its stream."""

    text: str
    finish: Finish
    reasoning: str = ""
    tool_calls: list[ToolCall] = field(default_factory=list)
    logprobs: list[TokenLogprob] | None = None

    @property
    def usage(self) -> Usage:
        """Tokens of the call."""
        return self.finish.usage

    @property
    def message(self) -> Message:
        """The assistant turn to append to a conversation that goes on."""
        parts: list[Part] = []
        if self.reasoning:
            parts.append(ReasoningPart(text=self.reasoning))
        if self.text:
            parts.append(TextPart(text=self.text))
        parts += [ToolCallPart(id=call.id, name=call.name, arguments=call.arguments) for call in self.tool_calls]
        return Message(role="assistant", parts=tuple(parts))


@dataclass(slots=True)
class EmbedResponse:
    """Vectors in the order of the texts, and what they cost."""

    vectors: list[list[float]]
    usage: Usage = field(default_factory=Usage)
    model: str | None = None
    backend: str | None = None


@dataclass(slots=True)
class PartialEmbedding:
    """What an embedding call that failed has brought all the same.

    `vectors` are in the order of the texts, `None` where there is none; `failed` are the indexes of the texts whose
    call failed. The others that have no vector were not sent any more. `usage` is that of the vectors.
    """

    vectors: list[list[float] | None]
    failed: list[int]
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What one model at one place can do. A flag says yes, no, or `None`: unknown, so ask and let the place refuse.

    `json_schema_with_tools` says that a response format and tools may stand in one request. Windows and outputs
    are in tokens.
    """

    tools: bool | None = None
    tool_choice: bool | None = None
    json_object: bool | None = None
    json_schema: bool | None = None
    json_schema_with_tools: bool | None = None
    images: bool | None = None
    image_urls: bool | None = None
    audio: bool | None = None
    reasoning: bool | None = None
    context_window: int | None = None
    max_output: int | None = None


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model in a place's own list: windows in tokens, prices in USD per million tokens, `None` if not listed.

    `capabilities` has the flags that the place tells, `kind` what sort of model it is ("other": speech, images,
    ranking, ...), `active` whether it can be called now, `retired` the day on which that ends.
    """

    id: str
    context_window: int | None = None
    max_output: int | None = None
    input_price: float | None = None
    output_price: float | None = None
    cached_price: float | None = None
    kind: Literal["chat", "embedding", "other"] | None = None
    dimensions: int | None = None
    owned_by: str | None = None
    active: bool | None = None
    retired: date | None = None
    capabilities: Capabilities = field(default_factory=Capabilities)
