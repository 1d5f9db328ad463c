"""A call's keyword arguments, in LangChain's and OpenAI's spellings, become one `ChatRequest`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from langchain_core.messages import BaseMessage
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from pydantic import BaseModel, ValidationError

from langchain_multillm.blocks import rejected
from langchain_multillm.messages import to_messages
from shared_core import (
    ChatRequest,
    ConfigurationError,
    Grammar,
    JsonObject,
    JsonSchema,
    NamedTool,
    ResponseFormat,
    Tool,
    ToolChoice,
)

Arguments: TypeAlias = dict[str, Any]

_FIELDS = frozenset(ChatRequest.model_fields) - {"messages", "extra"}
_SPELLINGS = {
    "max_completion_tokens": "max_tokens",
    "stop_sequences": "stop",
    "request_timeout": "timeout",
    "repeat_penalty": "repetition_penalty",
}
_EXTRA = ("extra", "extra_body", "model_kwargs")
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")
_CONSTRUCTOR_ONLY = frozenset(
    {"api_key", "backend", "backend_options", "base_url", "default_headers", "http_client", "async_http_client"}
)
_NOT_SENT = frozenset({"model", "stream", "streaming", "strict", "ls_structured_output_format"})
_CHOICES: dict[object, ToolChoice] = {
    True: "required",
    "any": "required",
    "required": "required",
    "auto": "auto",
    "none": "none",
}


def chat_request(messages: Sequence[BaseMessage], arguments: Mapping[str, Any]) -> ChatRequest:
    """Build the request of one call. `None` means "leave it to the place"; unknown names go into the body.

    Raises our `InvalidRequestError` for values and messages that no place could be sent, and `ConfigurationError` for
    what only a constructor may take, so that no key ends up in a body.
    """
    if misplaced := sorted(name for name in _CONSTRUCTOR_ONLY & arguments.keys() if arguments[name] is not None):
        raise ConfigurationError(f"{', '.join(misplaced)}: set this on the model, not on a call")
    values, extra = _sorted(arguments)
    try:
        return ChatRequest(messages=to_messages(messages), extra=extra, **_typed(values))
    except ValidationError as error:
        raise rejected(_readable(error)) from None


def _readable(error: ValidationError) -> str:
    faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors(include_input=False))
    return f"the request is not valid: {'; '.join(faults)}"


def _sorted(arguments: Mapping[str, Any]) -> tuple[Arguments, Arguments]:
    """Split arguments into our fields and what goes into the body untouched."""
    values: Arguments = {}
    extra: Arguments = {}
    for key, value in arguments.items():
        name = _SPELLINGS.get(key, key)
        if value is None or name in _NOT_SENT:
            continue
        if name in _FIELDS:
            values[name] = value
        elif name in _EXTRA:
            extra.update(value)
        else:
            extra[name] = value
    return values, extra


def _typed(values: Arguments) -> Arguments:
    if "tools" in values:
        values["tools"] = tuple(tool(item) for item in values["tools"])
    if not values.get("tools"):  # a model-wide choice must not break the calls that have no tools
        values.pop("tool_choice", None)
        values.pop("parallel_tool_calls", None)
    if "tool_choice" in values:
        values["tool_choice"] = tool_choice(values["tool_choice"])
    if "response_format" in values:
        values["response_format"] = response_format(values["response_format"])
    if values.get("top_logprobs"):
        values.setdefault("logprobs", True)
    return values


def tool(item: Any) -> Tool:  # noqa: ANN401 - a function, class, schema, or BaseTool, as LangChain has it
    """Convert anything that LangChain takes for a tool."""
    if isinstance(item, Tool):
        return item
    definition = convert_to_openai_tool(item)
    function = definition.get("function")
    if function is None:
        raise rejected(f"a tool of type {definition.get('type')!r} is its provider's own; pass it in `extra` there")
    return Tool(
        name=function["name"],
        description=function.get("description") or "",
        parameters=function.get("parameters") or {"type": "object", "properties": {}},
        strict=function.get("strict"),
    )


def tool_choice(choice: Any) -> ToolChoice | None:  # noqa: ANN401 - str, bool, or a provider's JSON
    """Convert OpenAI's, Anthropic's and LangChain's ways to say which tool must be called."""
    if isinstance(choice, NamedTool):
        return choice
    if isinstance(choice, Mapping):
        return _choice_object(choice)
    if isinstance(choice, str):
        return _CHOICES.get(choice) or NamedTool(name=choice)
    return _CHOICES.get(choice)


def _choice_object(choice: Mapping[str, Any]) -> ToolChoice:
    name = choice.get("name") or (choice.get("function") or {}).get("name")
    return NamedTool(name=name) if name else _CHOICES.get(choice.get("type"), "auto")


def response_format(value: Any) -> ResponseFormat | None:  # noqa: ANN401 - ours, a class, or a provider's JSON
    """Convert OpenAI's, Together's and Fireworks' response formats, and plain schemas."""
    if isinstance(value, JsonSchema | JsonObject | Grammar):
        return value
    return json_schema(value) if isinstance(value, type) else _format_object(value)


def _format_object(value: dict[str, Any]) -> ResponseFormat | None:
    match value.get("type"):
        case "text":
            return None
        case "grammar":
            return Grammar(gbnf=value["grammar"])
        case "json_schema":
            return JsonSchema(**_schema_fields(value.get("json_schema", value)))
        case "json_object":
            return JsonSchema(schema=value["schema"]) if value.get("schema") else JsonObject()
        case _:
            return json_schema(value)


def _schema_fields(value: Mapping[str, Any]) -> Arguments:
    schema = value.get("schema")
    if not isinstance(schema, dict):
        raise rejected("response_format of type 'json_schema' has no `schema`")
    return {"schema": schema, "name": value.get("name") or "response", "strict": value.get("strict")}


def json_schema(schema: dict[str, Any] | type, *, strict: bool | None = None) -> JsonSchema:
    """Convert a pydantic class, a TypedDict or a JSON Schema; `strict` requires all properties and forbids others."""
    plain = _plain_schema(schema)
    name = str(plain.pop("title", None) or "response")
    wanted = _strict(plain) if strict else plain
    return JsonSchema(schema=wanted, name=_NOT_IN_NAMES.sub("_", name)[:64], strict=strict)


def _plain_schema(schema: dict[str, Any] | type) -> dict[str, Any]:
    # Core's conversion writes {} where a schema refers to itself, so it only gets what it alone can read.
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return {**_rooted(schema.model_json_schema()), "title": schema.__name__}
    if isinstance(schema, dict) and "type" in schema and not {"name", "function"} & schema.keys():
        return dict(schema)
    return convert_to_json_schema(schema)


def _rooted(schema: dict[str, Any]) -> dict[str, Any]:
    """Write a recursive schema's root out: places want an object there, not a reference."""
    reference = schema.pop("$ref", None)
    return {**schema["$defs"][reference.rpartition("/")[2]], **schema} if reference else schema


def _strict(node: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(node, list):
        return [_strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    inner = {key: _strict(value) for key, value in node.items()}
    if isinstance(node.get("properties"), dict):
        inner |= {"additionalProperties": False, "required": list(node["properties"])}
    return inner


def titled(schema: Any) -> Any:  # noqa: ANN401 - a schema or anything LangChain takes for a tool
    """Give a JSON Schema without a title the one that LangChain's conversion insists on."""
    is_schema = isinstance(schema, dict) and "type" in schema and not {"title", "function", "name"} & schema.keys()
    return {"title": "response", **schema} if isinstance(schema, dict) and is_schema else schema
