"""A chat request as the JSON body that a place takes."""

from __future__ import annotations

from shared_core.errors import UnsupportedError
from shared_core.types import ChatRequest, Grammar, JsonObject, JsonSchema, NamedTool
from shared_core.wire.base import Json
from shared_core.wire.final_tool import with_final_tool
from shared_core.wire.merging import merged
from shared_core.wire.openai.dialect import Dialect
from shared_core.wire.openai.messages import encode_messages, encode_tool, encode_tool_choice

# Fields that go out under their own name, or the one that the dialect has for them.
_PLAIN = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "max_tokens",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
    "logprobs",
    "top_logprobs",
    "reasoning_effort",
    "user",
)


def encode_request(dialect: Dialect, request: ChatRequest, model: str, *, stream: bool) -> tuple[Json, list[str]]:
    """The body, and the names of the fields that were left out of it.

    Raises `UnsupportedError` for what the place has no form for.
    """
    if isinstance(request.response_format, JsonObject) and dialect.json_object is None:
        raise UnsupportedError("this place has no form for just any JSON object: pass a JsonSchema with properties")
    if dialect.schema_with_tools == "final_tool":
        request = with_final_tool(request)
    options = _given(request, dialect)
    if refused := sorted(dialect.refused & options.keys()):
        raise UnsupportedError(f"this place has no {', '.join(refused)}: leave it out, or ask another backend")
    dropped = sorted(dialect.dropped & options.keys())
    if not dialect.message_names and any(message.name is not None for message in request.messages):
        dropped.append("names of messages")
    names = dict(dialect.names)
    body: Json = {
        "model": model,
        "messages": encode_messages(request.messages, dialect),
        **{names.get(name, name): value for name, value in options.items() if name not in dialect.dropped},
        **_tools(dialect, request),
        **_format(dialect, request),
        **(_streaming(dialect, request) if stream else {}),
        **(dict(dialect.prefix) if request.messages[-1].prefix else {}),
    }
    body = {**dict(dialect.defaults), **body, **request.extra}
    return (_with_schema_defaults(dialect, body) if request.response_format else body), dropped


def _with_schema_defaults(dialect: Dialect, body: Json) -> Json:
    return merged(dict(dialect.schema_defaults), body)


def _given(request: ChatRequest, dialect: Dialect) -> Json:
    """The options that the caller set; `False` and empty are as good as not set."""
    values = request.__dict__
    options = {name: value for name in _PLAIN if (value := values[name]) is not None and value is not False}
    if request.stop:
        options["stop"] = request.stop
    if request.tools and request.parallel_tool_calls is not None:
        options["parallel_tool_calls"] = request.parallel_tool_calls
    if request.logprobs or request.top_logprobs is not None:
        _ask_for_logprobs(options, dialect)
    return _replaced(options, dialect)


def _ask_for_logprobs(options: Json, dialect: Dialect) -> None:
    if dialect.logprobs == "flag":
        options["logprobs"] = True
    else:
        options["logprobs"] = options.pop("top_logprobs", None) or 1


def _replaced(options: Json, dialect: Dialect) -> Json:
    for name, value, instead in dialect.replaced:
        if options.get(name) == value:
            options[name] = instead
    return {name: value for name, value in options.items() if value is not None}


def _tools(dialect: Dialect, request: ChatRequest) -> Json:
    tools, choice = request.tools, request.tool_choice
    if not tools:
        return {}
    if isinstance(choice, NamedTool) and dialect.named_tool == "only_tool":
        tools = tuple(tool for tool in tools if tool.name == choice.name)
        choice = "required"
    chosen = {} if choice is None else {"tool_choice": encode_tool_choice(choice)}
    return {"tools": [encode_tool(tool) for tool in tools], **chosen}


def _format(dialect: Dialect, request: ChatRequest) -> Json:
    match request.response_format:
        case None:
            return {}
        case Grammar(gbnf):
            return _grammar(dialect, gbnf)
        case JsonSchema() as schema:
            return {"response_format": _schema(dialect, schema)}
        case _ if dialect.json_object == "json_schema":
            return {"response_format": _schema(dialect, JsonSchema({"type": "object"}))}
        case _:
            return {"response_format": {"type": "json_object"}}


def _schema(dialect: Dialect, wanted: JsonSchema) -> Json:
    if dialect.schema_form != "json_schema":
        return {"type": "json_object", dialect.schema_form: wanted.schema}
    schema: Json = {"name": wanted.name, "schema": wanted.schema}
    if wanted.strict is not None:
        schema["strict"] = wanted.strict
    return {"type": "json_schema", "json_schema": schema}


def _grammar(dialect: Dialect, gbnf: str) -> Json:
    match dialect.grammar:
        case "body":
            return {"grammar": gbnf}
        case "response_format":
            return {"response_format": {"type": "grammar", "grammar": gbnf}}
        case _:
            raise UnsupportedError(
                "this place takes no GBNF grammar: use JsonSchema, or llama_cpp, llama_server, fireworks"
            )


def _streaming(dialect: Dialect, request: ChatRequest) -> Json:
    if isinstance(request.response_format, JsonSchema) and not dialect.streams_schema:
        return {}
    return {"stream": True, **({"stream_options": {"include_usage": True}} if dialect.stream_usage else {})}
