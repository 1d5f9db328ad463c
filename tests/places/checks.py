"""Refuses what a place refuses in a chat request; which rules a place has is data."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.places.brain import RefusedError
from tests.places.instances import Json

CORE = frozenset(
    [
        *("model", "messages", "stream", "temperature", "top_p", "max_tokens", "stop"),
        *("tools", "tool_choice", "response_format"),
    ]
)
OPENAI = CORE | frozenset(
    [
        *("parallel_tool_calls", "max_completion_tokens", "seed", "frequency_penalty", "presence_penalty", "n"),
        *("logprobs", "top_logprobs", "logit_bias", "user", "stream_options", "reasoning_effort", "service_tier"),
    ]
)
SAMPLERS = frozenset({"top_k", "min_p", "repetition_penalty"})
TURNS: Mapping[str, frozenset[str]] = {
    "system": frozenset({"role", "content", "name"}),
    "user": frozenset({"role", "content", "name"}),
    "assistant": frozenset({"role", "content", "name", "refusal", "tool_calls"}),
    "tool": frozenset({"role", "content", "tool_call_id"}),
}
"""The keys of a message, by its role; of the newer role "developer" few places know."""
DEVELOPER = {**TURNS, "developer": TURNS["system"]}
PARTS: Mapping[str, frozenset[str]] = {
    "system": frozenset({"text"}),
    "developer": frozenset({"text"}),
    "user": frozenset({"text", "image_url", "input_audio", "file"}),
    "assistant": frozenset({"text", "refusal"}),
    "tool": frozenset({"text", "image_url"}),
}
"""The kinds of content parts, by role."""


def without(table: Mapping[str, frozenset[str]], *names: str) -> dict[str, frozenset[str]]:
    """A table like `TURNS` or `PARTS` in which no role has these."""
    return {role: kinds - set(names) for role, kinds in table.items()}


def only(table: Mapping[str, frozenset[str]], *roles: str) -> dict[str, frozenset[str]]:
    """A table like `TURNS` or `PARTS` without any other role."""
    return {role: table[role] for role in roles}


@dataclass(frozen=True)
class Rules:
    """What a place takes in a chat request; the defaults are OpenAI's.

    `ignored` are fields that are taken and mean nothing, `unclear` those, and kinds of parts, of which nobody knows. `strict` places refuse fields they do not know, with the
    text `unknown`, and such keys of a message with `unknown_in_turn`; others ignore both. `spellings` are the names
    of fields that are called otherwise than in `ChatRequest`.
    """

    fields: frozenset[str] = OPENAI
    ignored: frozenset[str] = frozenset()
    unclear: frozenset[str] = frozenset()
    strict: bool = True
    status: int = 400
    unknown: str = "Unrecognized request argument supplied: {name}"
    unknown_in_turn: str = "Unrecognized key {name!r} in messages[{number}]"
    turns: Mapping[str, frozenset[str]] = field(default_factory=lambda: TURNS)
    parts: Mapping[str, frozenset[str]] = field(default_factory=lambda: PARTS)
    ranges: Mapping[str, tuple[float, float]] = field(
        default_factory=lambda: {"temperature": (0, 2), "top_p": (0, 1), "top_logprobs": (0, 20)}
    )
    spellings: Mapping[str, str] = field(default_factory=dict)
    stops: int = 4
    stop_text: bool = True
    both_limits: bool = False
    choices: frozenset[str] = frozenset({"auto", "none", "required"})
    named_tool: bool = True
    tools: int = 128
    formats: frozenset[str] = frozenset({"text", "json_object", "json_schema"})
    schema_with_tools: bool = True
    schema_streamed: bool = True
    image_urls: bool = True


def check_chat(body: Json, rules: Rules) -> None:
    """Raise `RefusedError` for what the place does not take."""
    _check_fields(body, rules)
    _check_values(body, rules)
    _check_tools(body, rules)
    _check_format(body, rules)
    _check_messages(body["messages"], rules)


def _check_fields(body: Json, rules: Rules) -> None:
    if rules.strict and (unknown := sorted(body.keys() - rules.fields - rules.ignored - rules.unclear)):
        raise RefusedError(rules.unknown.format(name=unknown[0]), rules.status, param=unknown[0])
    if not rules.both_limits and {"max_tokens", "max_completion_tokens"} <= body.keys():
        raise RefusedError("max_tokens and max_completion_tokens cannot both be set", rules.status)
    if any(value is None for value in body.values()):
        raise RefusedError("a field is null", rules.status)
    if not body.get("model"):
        raise RefusedError("you must provide a model parameter", rules.status)
    if not body.get("messages"):
        raise RefusedError("messages must not be empty", rules.status)
    if "stream_options" in body and not body.get("stream"):
        raise RefusedError("stream_options is only allowed when stream is enabled", rules.status)


def _check_values(body: Json, rules: Rules) -> None:
    for name, (low, high) in rules.ranges.items():
        value = body.get(name, low)
        if not low <= value <= high:
            raise RefusedError(f"{name} must be between {low} and {high}, and is {value}", rules.status, param=name)
    stops = body.get("stop", [])
    if isinstance(stops, str) and not rules.stop_text:
        raise RefusedError("stop: expected an array of strings", rules.status, param="stop")
    if len([stops] if isinstance(stops, str) else stops) > rules.stops:
        raise RefusedError(f"at most {rules.stops} stop sequences are supported", rules.status, param="stop")


def _check_tools(body: Json, rules: Rules) -> None:
    tools = body.get("tools")
    if tools is not None and not 1 <= len(tools) <= rules.tools:
        raise RefusedError(f"'tools' takes 1 to {rules.tools} functions", rules.status, param="tools")
    names = [tool["function"]["name"] for tool in tools or ()]
    if not all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in names):
        raise RefusedError(f"invalid function name among {names}", rules.status, param="tools")
    if not tools and {"tool_choice", "parallel_tool_calls"} & body.keys():
        raise RefusedError("tool_choice is only allowed when tools are specified", rules.status, param="tool_choice")
    _check_choice(body.get("tool_choice", "auto"), names, rules)


def _check_choice(choice: str | Json, names: list[str], rules: Rules) -> None:
    if isinstance(choice, str):
        if choice not in rules.choices:
            known = sorted(rules.choices)
            raise RefusedError(f"Invalid value: {choice!r}. Supported are {known}", rules.status, param="tool_choice")
    elif not rules.named_tool or choice["function"]["name"] not in names:
        raise RefusedError(f"Tool choice {choice} is not supported", rules.status, param="tool_choice")


def _check_format(body: Json, rules: Rules) -> None:
    format_ = body.get("response_format")
    if format_ is None:
        return
    if format_["type"] not in rules.formats:
        raise RefusedError(
            f"response_format {format_['type']!r} is not supported", rules.status, param="response_format"
        )
    if format_["type"] == "json_schema":
        _check_schema(body, format_["json_schema"], rules)


def _check_schema(body: Json, format_: Json, rules: Rules) -> None:
    if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", format_.get("name", "")) or not isinstance(format_["schema"], dict):
        raise RefusedError("json_schema takes a name and a schema", rules.status, param="response_format")
    if body.get("tools") and not rules.schema_with_tools:
        raise RefusedError("tools and a response format cannot be used together", rules.status, param="tools")
    if body.get("stream") and not rules.schema_streamed:
        raise RefusedError("streaming is not supported with json_schema", rules.status, param="response_format")


def _check_messages(messages: list[Json], rules: Rules) -> None:
    open_calls: set[str] = set()
    for number, message in enumerate(messages):
        _check_turn(message, number, rules)
        if message["role"] == "tool":
            if message.get("tool_call_id") not in open_calls:
                raise RefusedError(f"messages[{number}]: 'tool' must answer a message with 'tool_calls'", rules.status)
            open_calls.discard(message["tool_call_id"])
        elif open_calls:
            raise RefusedError(f"messages[{number}]: calls without an answer: {sorted(open_calls)}", rules.status)
        open_calls |= _check_calls(message, number, rules)
        _check_content(message, number, rules)


def _check_turn(message: Json, number: int, rules: Rules) -> None:
    role = str(message.get("role"))
    if role not in rules.turns:
        raise RefusedError(f"Invalid value: {role!r} at messages[{number}].role", rules.status)
    if rules.strict and (unknown := sorted(message.keys() - rules.turns[role])):
        raise RefusedError(
            rules.unknown_in_turn.format(number=number, role=role, name=unknown[0]), rules.status, param="messages"
        )


def _check_calls(message: Json, number: int, rules: Rules) -> set[str]:
    calls = message.get("tool_calls")
    if calls is None:
        return set()
    if message["role"] != "assistant" or not calls:
        raise RefusedError(f"messages[{number}].tool_calls is not allowed or empty", rules.status)
    for call in calls:
        if call.get("type") != "function" or not isinstance(call["function"]["arguments"], str):
            raise RefusedError(f"messages[{number}].tool_calls: arguments must be a string", rules.status)
        json.loads(call["function"]["arguments"])  # vLLM's templates fail on what is not JSON
    return {call["id"] for call in calls}


def _check_content(message: Json, number: int, rules: Rules) -> None:
    content = message.get("content")
    if content is None and not message.get("tool_calls"):
        raise RefusedError(f"messages[{number}].content is null", rules.status)
    if isinstance(content, list):
        if not content:
            raise RefusedError(f"messages[{number}].content is an empty list", rules.status)
        for part in content:
            _check_part(part, message["role"], number, rules)
    elif content is not None and not isinstance(content, str):
        raise RefusedError(f"messages[{number}].content is neither a string nor a list", rules.status)


def _check_part(part: Json, role: str, number: int, rules: Rules) -> None:
    kind = part.get("type")
    if kind not in rules.parts[role]:
        raise RefusedError(f"Invalid content type {kind!r} in messages[{number}] of role {role!r}", rules.status)
    if part.keys() - {"type", kind}:
        raise RefusedError(f"Unknown keys in a content part of messages[{number}]: {sorted(part)}", rules.status)
    if kind == "text" and not part["text"]:
        raise RefusedError(f"messages[{number}]: text content blocks must be non-empty", rules.status)
    if kind == "image_url":
        _check_url(part["image_url"]["url"], number, rules)
    if kind == "input_audio" and part["input_audio"]["format"] not in {"wav", "mp3"}:
        raise RefusedError(f"messages[{number}]: unknown audio format", rules.status)
    if kind == "file":
        _check_url(part["file"]["file_data"], number, rules)


def _check_url(url: str, number: int, rules: Rules) -> None:
    head, _, data = url.partition(";base64,")
    if not url.startswith("data:"):
        if not rules.image_urls:
            raise RefusedError(f"messages[{number}]: only base64 encoded images are supported", rules.status)
    elif not (re.fullmatch(r"data:\w+/[\w.+-]+", head) and base64.b64decode(data, validate=True)):
        raise RefusedError(f"messages[{number}]: not a base64 data URL", rules.status)
