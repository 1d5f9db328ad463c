"""Requests: what is asked, without a model, because a backend is one model at one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from pydantic import Field, field_validator

from shared_core.types.messages import Message
from shared_core.types.values import Value

ReasoningEffort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "max"]


class Tool(Value):
    """A function the model may call; `parameters` is a JSON Schema of type object."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = Field(default_factory=lambda: {"type": "object", "properties": {}})
    strict: bool | None = None


class NamedTool(Value):
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


class ChatRequest(Value):
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


class EmbedRequest(Value):
    """Texts to turn into vectors; `kind` matters to models that embed a question otherwise than its answer.

    `extra` goes into the request body untouched, after everything else, and so wins.
    """

    texts: tuple[str, ...]
    kind: Literal["query", "document"] = "document"
    dimensions: int | None = Field(default=None, ge=1)
    timeout: float | None = Field(default=None, gt=0)
    extra: dict[str, Any] = Field(default_factory=dict)
