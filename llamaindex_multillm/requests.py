"""Keyword arguments, as LlamaIndex and OpenAI users write them, as our request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core.tools.types import BaseTool
from pydantic import BaseModel

from shared_core import (
    ChatRequest,
    ConfigurationError,
    Grammar,
    JsonObject,
    JsonSchema,
    Message,
    NamedTool,
    ResponseFormat,
    Tool,
    ToolChoice,
)

_FIELDS = frozenset(ChatRequest.model_fields) - {"messages", "extra"}
_OTHER_NAMES = {
    "max_completion_tokens": "max_tokens",
    "repeat_penalty": "repetition_penalty",
    "extra_body": "extra",
    "timeout_s": "timeout",
}
_CONSTRUCTOR_ONLY = frozenset(
    {
        *("api_key", "api_base", "base_url", "backend", "backend_options", "default_headers", "max_retries"),
        *("http_client", "async_http_client"),
    }
)


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """One set of options, the later layer winning, also where two names mean the same."""
    return {_OTHER_NAMES.get(name, name): value for layer in layers for name, value in layer.items()}


def to_request(messages: tuple[Message, ...], options: Mapping[str, Any]) -> ChatRequest:
    """The request for merged `options`; what is none of ours goes into the body as it is.

    Raises `ConfigurationError` for what only a constructor may take, so that no key ends up in a body.
    """
    if misplaced := _CONSTRUCTOR_ONLY & options.keys():
        raise ConfigurationError(f"{', '.join(sorted(misplaced))}: set this on the LLM, not on a call")
    fields = {name: value for name, value in options.items() if name in _FIELDS and value is not None}
    extra = {name: value for name, value in options.items() if name not in {*_FIELDS, "extra", "strict"}}
    tools = to_tools(options.get("tools") or (), strict=options.get("strict"))
    given = {
        **fields,
        "tools": tools,
        "tool_choice": to_tool_choice(options.get("tool_choice")) if tools else None,
        "parallel_tool_calls": options.get("parallel_tool_calls") if tools else None,
        "response_format": to_response_format(options.get("response_format")),
        "extra": {**extra, **(options.get("extra") or {})},
    }
    return ChatRequest(messages=messages, **given)


def to_tools(tools: Sequence[Any], *, strict: bool | None = None) -> tuple[Tool, ...]:
    """Our tools for LlamaIndex's, for OpenAI-shaped dicts, and for ours."""
    return tuple(tool if isinstance(tool, Tool) else _tool(tool, strict=strict) for tool in tools)


def _tool(tool: BaseTool | Mapping[str, Any], *, strict: bool | None) -> Tool:
    spec = tool_dict(tool) if isinstance(tool, BaseTool) else tool
    function = spec.get("function", spec)
    parameters = {"parameters": function["parameters"]} if function.get("parameters") else {}
    return Tool(
        name=function["name"],
        description=function.get("description") or "",
        strict=function.get("strict", strict),
        **parameters,
    )


def tool_dict(tool: BaseTool) -> dict[str, Any]:
    """The OpenAI-shaped dict of a LlamaIndex tool: JSON-safe, so that events and traces may hold it."""
    return tool.metadata.to_openai_tool(skip_length_check=True)


def to_tool_choice(choice: object) -> ToolChoice | None:
    """Our tool choice for a word, a tool's name, or an OpenAI-shaped dict."""
    match choice:
        case None | NamedTool() | "auto" | "none" | "required":
            return choice
        case "any":
            return "required"
        case str():
            return NamedTool(name=choice)
        case {"function": {"name": str(name)}} | {"name": str(name)}:
            return NamedTool(name=name)
        case _:
            raise ConfigurationError(
                f"tool_choice is {choice!r}: use 'auto', 'none', 'required', a tool's name, or "
                "{'type': 'function', 'function': {'name': ...}}"
            )


def to_response_format(form: Any) -> ResponseFormat | None:  # noqa: ANN401 - whatever the user wrote
    """Our response format for an OpenAI-shaped dict, a JSON Schema, or a pydantic class."""
    if form is None or isinstance(form, JsonSchema | JsonObject | Grammar):
        return form
    if isinstance(form, type) and issubclass(form, BaseModel):
        return JsonSchema(schema=form.model_json_schema(), name=form.__name__)
    if isinstance(form, Mapping):
        return _from_dict(form)
    raise _unknown(form)


def _from_dict(form: Mapping[str, Any]) -> ResponseFormat | None:
    match form.get("type"):
        case "text":
            return None
        case "json_object":
            return JsonObject()
        case "json_schema":
            spec = form["json_schema"]
            return JsonSchema(schema=spec["schema"], name=spec.get("name", "response"), strict=spec.get("strict"))
    if form.get("type") == "object" or form.keys() & {"$ref", "anyOf"}:
        return JsonSchema(schema=dict(form))
    raise _unknown(form)


def _unknown(form: object) -> ConfigurationError:
    return ConfigurationError(
        f"response_format is {form!r}: use a pydantic class, a JSON Schema, or an OpenAI response_format"
    )
