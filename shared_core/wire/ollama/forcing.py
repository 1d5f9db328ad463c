"""Makes a model call tools at a server that ignores `tool_choice`: the format of its answer is that of a call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import uuid4

from pydantic_core import from_json, to_json

from shared_core.errors import InvalidRequestError, UnsupportedError
from shared_core.types import (
    ChatRequest,
    Grammar,
    JsonSchema,
    Message,
    NamedTool,
    ResponseFormat,
    TextDelta,
    Tool,
    ToolCallDelta,
)
from shared_core.wire.base import Json
from shared_core.wire.final_tool import FINAL_TOOL, with_final_tool
from shared_core.wire.ollama.messages import encode_tool
from shared_core.wire.ollama.schemas import without_references

Format: TypeAlias = Json | str | None


@dataclass(frozen=True, slots=True)
class WrittenCall:
    """A call that the model writes as its text: as name and arguments, or, of the `only` tool, as arguments alone."""

    names: frozenset[str]
    only: str | None = None

    def read(self, text: str) -> list[TextDelta | ToolCallDelta]:
        """The call in the text; the text itself where there is none, because the model did not keep to the format."""
        name, arguments = self._named(_object(text))
        if name not in self.names or not isinstance(arguments, dict):
            return [TextDelta(text)] if text else []
        written = to_json(arguments).decode()
        if name == FINAL_TOOL:
            return [TextDelta(written)]
        return [ToolCallDelta(0, f"call_{uuid4().hex[:24]}", name, written)]

    def _named(self, value: object) -> tuple[object, object]:
        if self.only is not None:
            return self.only, value
        return (value.get("name"), value.get("arguments")) if isinstance(value, dict) else (None, None)


def _object(text: str) -> Any:  # noqa: ANN401 - the JSON boundary
    """The JSON in a text; models that are not held to a format put it into a code block."""
    start, end = text.find("{"), text.rfind("}")
    try:
        return from_json(text[start : end + 1]) if start >= 0 else None
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Offer:
    """What the model may answer with: calls of `tools`, text of a `format`, or a call that it writes as its text."""

    tools: tuple[Tool, ...] = ()
    format: Format = None
    instructions: str = ""
    written: WrittenCall | None = None


def offer_for(request: ChatRequest) -> Offer:
    """How a request's tools, tool choice and format are asked for.

    A format rules calls out at the server, so tools beside one are asked for in this way too. Raises
    `UnsupportedError` for a grammar, and `InvalidRequestError` for the choice of a tool that is not there.
    """
    if isinstance(request.response_format, Grammar):
        raise UnsupportedError(
            "this place takes no GBNF grammar: use JsonSchema, or llama_cpp, llama_server, fireworks"
        )
    request = with_final_tool(request)
    tools, choice = request.tools, request.tool_choice
    if not tools or choice == "none":
        return Offer(format=_format(request.response_format))
    if isinstance(choice, NamedTool):
        return _forced(_only(tools, choice.name))
    return _forced(tools) if choice == "required" else Offer(tools)


def _format(wanted: ResponseFormat | None) -> Format:
    if wanted is None:
        return None
    return wanted.schema if isinstance(wanted, JsonSchema) else "json"


def _only(tools: Sequence[Tool], name: str) -> tuple[Tool, ...]:
    chosen = tuple(tool for tool in tools if tool.name == name)
    if not chosen:
        raise InvalidRequestError(f"tool_choice names {name!r}, and tools has {[tool.name for tool in tools]}")
    return chosen[:1]


def _forced(tools: tuple[Tool, ...]) -> Offer:
    names = frozenset(tool.name for tool in tools)
    described = "\n".join(to_json(encode_tool(tool)["function"]).decode() for tool in tools)
    if len(tools) == 1:
        instructions = "Call this function. Answer with a JSON object of its arguments and nothing else."
        written, schema = WrittenCall(names, tools[0].name), without_references(tools[0].parameters)
    else:
        instructions = (
            'Call one of these functions. Answer with a JSON object {"name": ..., "arguments": {...}} and nothing else.'
        )
        written, schema = WrittenCall(names), {"anyOf": [_call(tool) for tool in tools]}
    return Offer(format=schema, instructions=f"{instructions}\n{described}", written=written)


def _call(tool: Tool) -> Json:
    return {
        "type": "object",
        "properties": {
            "name": {"type": "string", "enum": [tool.name]},
            "arguments": without_references(tool.parameters),
        },
        "required": ["name", "arguments"],
    }


def instructed(messages: tuple[Message, ...], instructions: str) -> tuple[Message, ...]:
    """The messages with instructions at the end of the first one, if that is the system's, or else before it."""
    if not instructions:
        return messages
    first, *rest = messages
    if first.role not in ("system", "developer"):
        return (Message(role="system", content=instructions), *messages)
    return (
        first.model_copy(update={"parts": (*first.parts, *Message(role="system", content=instructions).parts)}),
        *rest,
    )
