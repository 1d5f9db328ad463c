"""Stream events and responses: built once a token, so plain dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from shared_core.types.messages import Message, Part, ReasoningPart, TextPart, ToolCallPart

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "unknown"]


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
