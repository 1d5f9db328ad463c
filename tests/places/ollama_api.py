"""What Ollama's Go types make of a body: what they refuse, and how it reads in the words of the OpenAI API."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable

from tests.places.brain import RefusedError
from tests.places.instances import Json, instance

OPTIONS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "num_predict": "max_tokens",
    "seed": "seed",
    "stop": "stop",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "repeat_penalty": "repetition_penalty",
    "num_ctx": "num_ctx",
}
"""Options of a model's, and what they are called elsewhere. Others are ignored, with a line in the server's log."""
_WHOLE = ("num_predict", "num_ctx", "top_k", "seed")
_LEVELS = ("low", "medium", "high", "max")
_DURATION = re.compile(r"-?(\d+(\.\d+)?(ns|us|ms|s|m|h))+|0")


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TYPES: dict[str, Callable[[object], bool]] = {
    "model": lambda value: isinstance(value, str) and bool(value),
    "messages": lambda value: isinstance(value, list),
    "stream": lambda value: isinstance(value, bool),
    "truncate": lambda value: isinstance(value, bool),
    "shift": lambda value: isinstance(value, bool),
    "logprobs": lambda value: isinstance(value, bool),
    "top_logprobs": lambda value: isinstance(value, int) and 0 <= value <= 20,
    "tools": lambda value: isinstance(value, list),
    "options": lambda value: isinstance(value, dict),
    "format": lambda value: value == "json" or isinstance(value, dict),
    "think": lambda value: isinstance(value, bool) or value in _LEVELS,
    "keep_alive": lambda value: _number(value) or bool(_DURATION.fullmatch(str(value))),
    "dimensions": lambda value: isinstance(value, int),
    "input": lambda value: isinstance(value, str) or all(isinstance(text, str) for text in value),  # type: ignore[attr-defined]
}


def check_types(body: Json) -> None:
    """Raise `RefusedError` for what does not fit into the server's types."""
    for name, fits in _TYPES.items():
        if name in body and not fits(body[name]):
            raise RefusedError(f"json: cannot unmarshal {body[name]!r} into Go struct field ChatRequest.{name}")
    for name, value in body.get("options", {}).items():
        if name == "stop":
            fits_option = isinstance(value, list) and all(isinstance(stop, str) for stop in value)
        else:
            fits_option = value is None or (_number(value) and (name not in _WHOLE or value == int(value)))
        if not fits_option:
            raise RefusedError(f"option {name!r} has the wrong type")


# --- messages ------------------------------------------------------------------------------------------------------


def read_chat(body: Json) -> Json:
    """A chat request in the words of the OpenAI API."""
    options = {OPTIONS[name]: value for name, value in body.get("options", {}).items() if name in OPTIONS}
    kept = ("model", "tools", "truncate", "shift", "logprobs", "top_logprobs", "keep_alive", "no_such_option")
    return {
        **{name: body[name] for name in kept if name in body},
        **({"stream": True} if body.get("stream", True) else {}),
        **({"response_format": _read_format(body["format"])} if "format" in body else {}),
        **({"reasoning_effort": body["think"] or "none"} if "think" in body else {}),
        **options,
        "messages": [_read_message(message) for message in body["messages"]],
    }


def _read_format(format_: object) -> Json:
    if format_ == "json":
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": "format", "schema": format_}}


def _read_message(message: Json) -> Json:
    if not isinstance(message.get("content"), str):
        raise RefusedError("json: cannot unmarshal into Go struct field Message.messages.content of type string")
    read: Json = {name: message[name] for name in ("role", "content", "tool_call_id") if name in message}
    if message.get("thinking"):
        read["thinking"] = message["thinking"]
    if message.get("images"):
        texts = [{"type": "text", "text": message["content"]}] if message["content"] else []
        read["content"] = [*texts, *(_read_image(image) for image in message["images"])]
    if message.get("tool_calls"):
        read["tool_calls"] = [_read_call(call) for call in message["tool_calls"]]
    if message["role"] == "tool" and not message.get("tool_name"):
        raise RefusedError("the template needs the name of the tool")
    return read


def _read_image(image: str) -> Json:
    """Only base64: a data URL is none."""
    kind = "png" if base64.b64decode(image, validate=True).startswith(b"\x89PNG") else "jpeg"
    return {"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,{image}"}}


def _read_call(call: Json) -> Json:
    function = call["function"]
    if not isinstance(function["arguments"], dict):
        raise RefusedError("json: cannot unmarshal string into Go struct field ToolCallFunction.arguments")
    written = {"name": function["name"], "arguments": json.dumps(function["arguments"])}
    return {"id": call["id"], "type": "function", "function": written}


# --- calls in the format of the answer -----------------------------------------------------------------------------

_TOLD_TO_CALL = re.compile(r"Call (?:this function|one of these functions)\.")


def call_to_write(body: Json, prompt: str) -> tuple[str, str, str] | None:
    """What a model writes that is told to call a function and held to a format: the text, and the call it means."""
    system = body["messages"][0]["content"] if body["messages"][0]["role"] == "system" else ""
    format_ = body.get("response_format", {}).get("json_schema", {}).get("schema")
    if format_ is None or not _TOLD_TO_CALL.search(system):
        return None
    names = [json.loads(line)["name"] for line in system.splitlines() if line.startswith("{")]
    if "anyOf" not in format_:
        arguments = json.dumps(instance(format_, prompt), ensure_ascii=False)
        return arguments, names[0], arguments
    called = {call["function"]["name"] for turn in body["messages"] for call in turn.get("tool_calls") or ()}
    written = [instance(choice, prompt) for choice in format_["anyOf"]]
    assert [choice["name"] for choice in written] == names
    chosen = next((choice for choice in written if choice["name"] not in called), written[-1])
    return json.dumps(chosen, ensure_ascii=False), chosen["name"], json.dumps(chosen["arguments"], ensure_ascii=False)
