"""How each wire's bodies look, so that what every place keeps to is written once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shared_core import Place, Tool
from shared_core.wire.ollama import OllamaWire
from shared_core.wire.openai import OpenAIWire
from tests.raw_server import STREAM_END, STREAM_HEAD, Received, Step, chunk, completion, delta, sse, whole

Json = dict[str, Any]

TOOL = Tool(name="f", parameters={"type": "object", "properties": {"x": {"type": "integer"}}})
PNG = "cG5n"


@dataclass(frozen=True)
class Speech:
    """One wire, as a server speaks it. The answers spend 7 tokens on a prompt and 3 on an answer."""

    chat: str
    answer: Callable[[Received], list[Step]]
    """A greeting, a call of the tool `f`, or vectors in whatever order."""
    cut: list[Step]
    """A stream that ends in the middle of an answer."""
    read: Callable[[Json], Json]
    """What a chat request says, in words that are the same for all."""


def speech_of(place: Place) -> Speech:
    return SPEECHES[type(place.wire)]


# --- OpenAI --------------------------------------------------------------------------------------------------------

_CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
_USAGE = {"prompt_tokens": 7, "completion_tokens": 3}


def _openai_answer(request: Received) -> list[Step]:
    body = request.json
    if request.path == "/v1/embeddings":
        vectors = [{"index": i, "embedding": [i, 0.5]} for i, _ in enumerate(body["input"])]
        return [whole({"data": vectors[::-1], "model": "m", "usage": {"prompt_tokens": 2}})]
    message = {"tool_calls": [_CALL]} if "tools" in body else {"content": "Hello", "reasoning": "hm"}
    reason = "tool_calls" if "tools" in body else "stop"
    if not body.get("stream"):
        return [whole(completion(reason, _USAGE, **message))]
    return sse(delta(role="assistant", content=""), delta(**message), delta(reason), {"choices": [], "usage": _USAGE})


def _openai_read(body: Json) -> Json:
    limits = [body[name] for name in ("max_tokens", "max_completion_tokens") if name in body]
    parts = body["messages"][0]["content"]
    return {
        **{name: body.get(name) for name in ("model", "temperature", "stop", "own")},
        "limits": limits,
        "images": [part["image_url"]["url"].partition(",")[2] for part in parts if part["type"] == "image_url"]
        if isinstance(parts, list)
        else [],
        "forced": body.get("tool_choice") == "required" and [tool["function"]["name"] for tool in body["tools"]],
        "schema": _schema_in(body.get("response_format", {})),
    }


def _schema_in(format_: Json) -> Any:
    """Its places differ in one more way: where the schema stands in the format."""
    inner = format_.get("json_schema", format_)
    return inner.get("schema") or inner.get("value")


# --- Ollama --------------------------------------------------------------------------------------------------------

_DONE = {"done": True, "done_reason": "stop", "prompt_eval_count": 7, "eval_count": 3}


def ndjson(*bodies: object) -> list[Step]:
    """The steps of a streamed reply, one HTTP chunk a line."""
    return [STREAM_HEAD, *(chunk(json.dumps(body).encode() + b"\n") for body in bodies), STREAM_END]


def line(done: Json | None = None, **message: Any) -> Json:
    """One line of a streamed answer, or a whole answer."""
    return {"model": "m", "message": {"role": "assistant", "content": "", **message}, **(done or {"done": False})}


def _ollama_answer(request: Received) -> list[Step]:
    body = request.json
    if request.path == "/api/embed":
        vectors = [[i, 0.5] for i, _ in enumerate(body["input"])]
        return [whole({"model": "m", "embeddings": vectors, "prompt_eval_count": 2})]
    message: Json = {"content": "Hello", "thinking": "hm"}
    if "format" in body:
        message = {"content": '{"x": 1}'}
    elif "tools" in body:
        message = {"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {"x": 1}}}]}
    return ndjson(line(**message), line(_DONE)) if body["stream"] else [whole(line(_DONE, **message))]


def _ollama_read(body: Json) -> Json:
    options, forced = body["options"], body.get("format") == TOOL.parameters and "tools" not in body
    return {
        "model": body["model"],
        "temperature": options.get("temperature"),
        "stop": options.get("stop"),
        "own": body.get("own"),
        "limits": [options["num_predict"]] if "num_predict" in options else [],
        "images": body["messages"][-1].get("images", []),
        "forced": forced and ["f"],
        "schema": None if forced else body.get("format"),
    }


SPEECHES: dict[type, Speech] = {
    OpenAIWire: Speech("/v1/chat/completions", _openai_answer, sse(delta(content="Hel"), done=False), _openai_read),
    OllamaWire: Speech("/api/chat", _ollama_answer, ndjson(line(content="Hel")), _ollama_read),
}
