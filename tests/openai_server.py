"""A loopback server that speaks the OpenAI API over real sockets, as strictly as the real ones.

It answers from the request alone: a forced or first tool is called with arguments made from its JSON Schema and the
prompt, a response format is filled the same way, anything else gets a sentence. A model's name asks for trouble:

    error-429, error-500, ...   that status, with an error body and a request id (429 also with `retry-after`)
    context-overflow            400, "context_length_exceeded"
    echo-key                    401, with the key in the message, as some servers do
    truncated                   a stream that ends without a finish reason or [DONE]
    cut                         a stream whose connection is lost
    stream-error                a stream with an error event in it
    endless                     a stream that goes on until the client leaves
    reasoning                   thinks before it answers
    plain-text                  answers in text whatever was asked for
    fenced                      answers in text with a JSON code block
    bad-arguments               calls tools with arguments that are not JSON
    short                       stops for length
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Json = dict[str, Any]

KNOWN_FIELDS = frozenset(
    [
        *("model", "messages", "tools", "tool_choice", "parallel_tool_calls", "response_format", "temperature"),
        *("top_p", "top_k", "min_p", "max_tokens", "max_completion_tokens", "stop", "seed", "frequency_penalty"),
        *("presence_penalty", "repetition_penalty", "repeat_penalty", "logprobs", "top_logprobs", "reasoning_effort"),
        *("user", "stream", "stream_options", "logit_bias", "chat_template_kwargs", "service_tier", "grammar"),
    ]
)
ROLES = {"system", "developer", "user", "assistant", "tool"}
PARTS = {
    "system": {"text"},
    "developer": {"text"},
    "user": {"text", "image_url", "input_audio", "file"},
    "assistant": {"text", "refusal"},
    "tool": {"text", "image_url"},
}


class RefusedError(Exception):
    """The request is not one that a real server takes."""

    def __init__(self, message: str, status: int = 400, code: str | None = None, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@dataclass
class Seen:
    """One request, as it came."""

    path: str
    headers: dict[str, str]
    body: Json


@dataclass
class Answer:
    """What the model says, before it is put on the wire."""

    text: str = ""
    reasoning: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)
    finish: str = "stop"


class OpenAIServer:
    """Runs in threads of its own while entered. `key` is the only accepted one; `None` takes any, and none."""

    def __init__(
        self, *, key: str | None = None, models: tuple[str, ...] = ("small", "large"), dimensions: int = 32
    ) -> None:
        self.key = key
        self.models = models
        self.dimensions = dimensions
        self.seen: list[Seen] = []
        self.prompts: set[str] = set()
        self.left = threading.Event()
        """Set when a client leaves in the middle of a stream."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"place": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def last(self) -> Json:
        """The body of the latest request."""
        return self.seen[-1].body

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


# --- HTTP ----------------------------------------------------------------------------------------------------------


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    place: OpenAIServer

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            rows = [{"id": name, "object": "model", "owned_by": "loopback"} for name in self.place.models]
            self._reply(200, {"object": "list", "data": rows})
        else:
            self._reply(404, _error(f"no such path: {self.path}", None))

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        try:
            body = self._read(raw)
            self._answer(body)
        except RefusedError as refusal:
            self._reply(refusal.status, _error(str(refusal), refusal.code), refusal.headers)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self._reply(400, _error(f"malformed request: {error!r}", "malformed"))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
            self.place.left.set()

    def _answer(self, body: Json) -> None:
        if self.path == "/v1/chat/completions":
            self._chat(body)
        elif self.path == "/v1/embeddings":
            self._reply(200, embeddings(body, self.place.dimensions))
        else:
            raise RefusedError(f"no such path: {self.path}", 404)

    def _read(self, raw: bytes) -> Json:
        try:
            body: Json = json.loads(raw)
        except ValueError:
            raise RefusedError("the body is not JSON") from None
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.place.seen.append(Seen(self.path, headers, body))
        self._authorise(headers.get("authorization", ""), str(body.get("model")))
        return body

    def _authorise(self, authorization: str, model: str) -> None:
        given = authorization.removeprefix("Bearer ")
        if model == "echo-key":
            raise RefusedError(f"Incorrect API key provided: {given}.", 401, "invalid_api_key")
        if self.place.key is not None and given != self.place.key:
            raise RefusedError("Incorrect API key provided.", 401, "invalid_api_key")
        trouble(model)

    def _chat(self, body: Json) -> None:
        check_chat(body)
        answer = answer_for(body)
        about = {"id": "chatcmpl-1", "created": 1700000000, "model": body["model"], "system_fingerprint": "fp_loopback"}
        usage = self._usage(body, answer)
        if body.get("stream"):
            self._stream(stream_events(body, answer, about, usage), str(body["model"]))
        else:
            self._reply(200, {**about, **whole(body, answer), "usage": usage})

    def _usage(self, body: Json, answer: Answer) -> Json:
        prompt = json.dumps(body["messages"])
        cached = _count(prompt) if prompt in self.place.prompts else 0
        self.place.prompts.add(prompt)
        thought = _count(answer.reasoning)
        spent = _count(answer.text) + thought + sum(_count(arguments) + 1 for _, arguments in answer.calls)
        return {
            "prompt_tokens": _count(prompt),
            "completion_tokens": spent,
            "total_tokens": _count(prompt) + spent,
            "prompt_tokens_details": {"cached_tokens": cached},
            "completion_tokens_details": {"reasoning_tokens": thought},
        }

    def _reply(self, status: int, body: Json, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.send_header("x-request-id", "req_loopback")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, events: Iterator[Json], model: str) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("x-request-id", "req_loopback")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for number, event in enumerate(events):
            if model in {"truncated", "cut"} and number == 3:
                break
            self._event(json.dumps(event))
        if model == "cut":  # no last chunk: the transfer is not whole
            self.close_connection = True
            return
        if model != "truncated":
            self._event("[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def _event(self, data: str) -> None:
        line = f"data: {data}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))


def _error(message: str, code: str | None) -> Json:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}


def trouble(model: str) -> None:
    """Refuse if the model's name asks for it."""
    if model == "context-overflow":
        raise RefusedError(
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
            400,
            "context_length_exceeded",
        )
    if match := re.fullmatch(r"error-(\d+)", model):
        headers = {"retry_after": "7"} if match[1] == "429" else {}
        raise RefusedError(f"as asked for: {match[1]}", int(match[1]), f"code_{match[1]}", **headers)


def _count(text: str) -> int:
    return len(re.findall(r"\w+|[^\w\s]", text))


# --- what a real server checks -------------------------------------------------------------------------------------


def check_chat(body: Json) -> None:
    """Refuse what OpenAI, vLLM or Fireworks refuse."""
    if unknown := body.keys() - KNOWN_FIELDS:
        raise RefusedError(f"Unrecognized request argument supplied: {', '.join(sorted(unknown))}")
    if {"max_tokens", "max_completion_tokens"} <= body.keys():
        raise RefusedError("max_tokens and max_completion_tokens cannot both be set")
    if any(value is None for value in body.values()):
        raise RefusedError("a field is null")
    if not body.get("model"):
        raise RefusedError("you must provide a model parameter")
    if not body.get("messages"):
        raise RefusedError("messages must not be empty")
    if "stream_options" in body and not body.get("stream"):
        raise RefusedError("stream_options is only allowed when stream is enabled")
    _check_tools(body)
    _check_messages(body["messages"])


def _check_tools(body: Json) -> None:
    tools = body.get("tools")
    if tools is not None and not tools:
        raise RefusedError("[] is too short - 'tools'")
    names = [tool["function"]["name"] for tool in tools or ()]
    if not all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in names):
        raise RefusedError(f"invalid function name among {names}")
    if not tools and {"tool_choice", "parallel_tool_calls"} & body.keys():
        raise RefusedError("tool_choice and parallel_tool_calls are only allowed when tools are specified")
    choice = body.get("tool_choice", "auto")
    if isinstance(choice, dict):
        choice = choice["function"]["name"]
        if choice not in names:
            raise RefusedError(f"Tool choice '{choice}' is not among the tools")
    elif choice not in {"auto", "none", "required"}:
        raise RefusedError(f"Invalid value: {choice!r}. Supported values are: 'none', 'auto', and 'required'.")


def _check_messages(messages: list[Json]) -> None:
    open_calls: set[str] = set()
    for number, message in enumerate(messages):
        role = message.get("role")
        if role not in ROLES:
            raise RefusedError(f"Invalid value: {role!r} at messages[{number}].role")
        if role == "tool":
            if message.get("tool_call_id") not in open_calls:
                raise RefusedError(f"messages[{number}]: 'tool' must answer a preceding message with 'tool_calls'")
            open_calls.discard(message["tool_call_id"])
        elif open_calls:
            raise RefusedError(f"messages[{number}]: tool calls without a response: {', '.join(sorted(open_calls))}")
        open_calls |= _check_calls(message, number)
        _check_content(message, number)


def _check_calls(message: Json, number: int) -> set[str]:
    calls = message.get("tool_calls")
    if calls is None:
        return set()
    if message["role"] != "assistant" or not calls:
        raise RefusedError(f"messages[{number}].tool_calls is not allowed or empty")
    for call in calls:
        if call.get("type") != "function" or not isinstance(call["function"]["arguments"], str):
            raise RefusedError(f"messages[{number}].tool_calls: arguments must be a string")
        json.loads(call["function"]["arguments"])  # vLLM's templates fail on what is not JSON
    return {call["id"] for call in calls}


def _check_content(message: Json, number: int) -> None:
    content = message.get("content")
    if content is None and not message.get("tool_calls"):
        raise RefusedError(f"messages[{number}].content is null")
    if isinstance(content, list):
        if not content:
            raise RefusedError(f"messages[{number}].content is an empty list")
        for part in content:
            _check_part(part, message["role"], number)
    elif content is not None and not isinstance(content, str):
        raise RefusedError(f"messages[{number}].content is neither a string nor a list")


def _check_part(part: Json, role: str, number: int) -> None:
    kind = part.get("type")
    if kind not in PARTS[role]:
        raise RefusedError(f"Invalid content type {kind!r} in messages[{number}] of role {role!r}")
    if part.keys() - {"type", kind}:
        raise RefusedError(f"Unknown keys in a content part of messages[{number}]: {sorted(part)}")
    if kind == "text" and not part["text"]:
        raise RefusedError(f"messages[{number}]: text content blocks must be non-empty")
    if kind == "image_url":
        _check_data_url(part["image_url"]["url"], number)
    if kind == "input_audio" and part["input_audio"]["format"] not in {"wav", "mp3"}:
        raise RefusedError(f"messages[{number}]: unknown audio format")
    if kind == "file":
        _check_data_url(part["file"]["file_data"], number)


def _check_data_url(url: str, number: int) -> None:
    head, _, data = url.partition(";base64,")
    if url.startswith("data:") and not (
        re.fullmatch(r"data:\w+/[\w.+-]+", head) and base64.b64decode(data, validate=True)
    ):
        raise RefusedError(f"messages[{number}]: not a base64 data URL")


# --- the model -----------------------------------------------------------------------------------------------------


def answer_for(body: Json) -> Answer:
    """Decide what to say."""
    model, messages = str(body["model"]), body["messages"]
    prompt = _last_text(messages, "user")
    if model == "endless":
        return Answer(text="on and on")
    if model == "plain-text":
        return Answer(text="I would rather chat.")
    wanted = _wanted_tools(body)
    if wanted and model != "fenced":
        return _called(body, wanted, prompt)
    text = _formatted(body, prompt) or _spoken(messages, prompt)
    if model == "fenced":
        schema = wanted[0]["parameters"] if wanted else {"type": "object"}
        text = f"Sure!\n```json\n{json.dumps(instance(schema, prompt))}\n```"
    text, finish = _bounded(body, text)
    thought = "The user wants an answer. I have one." if model == "reasoning" else ""
    return Answer(text=text, reasoning=thought, finish="length" if model == "short" else finish)


def _wanted_tools(body: Json) -> list[Json]:
    """The tools to call: the named one, the first not yet called if some must be, the first after a user's turn."""
    functions = [tool["function"] for tool in body.get("tools", ())]
    choice = body.get("tool_choice", "auto")
    if isinstance(choice, dict):
        return [function for function in functions if function["name"] == choice["function"]["name"]]
    called = {call["function"]["name"] for turn in body["messages"] for call in turn.get("tool_calls") or ()}
    if choice == "required":
        return ([function for function in functions if function["name"] not in called] or functions)[:1]
    last = body["messages"][-1]["role"]
    return functions[:1] if choice == "auto" and last == "user" else []


def _called(body: Json, wanted: list[Json], prompt: str) -> Answer:
    if body["model"] == "bad-arguments":
        return Answer(calls=[(wanted[0]["name"], '{"city": Paris')], finish="tool_calls")
    calls = [
        (function["name"], json.dumps(instance(function.get("parameters", {}), prompt), ensure_ascii=False))
        for function in wanted
    ]
    return Answer(calls=calls, finish="tool_calls")


def _formatted(body: Json, prompt: str) -> str | None:
    format_ = body.get("response_format", {"type": "text"})
    match format_["type"]:
        case "json_schema":
            return json.dumps(instance(format_["json_schema"]["schema"], prompt), ensure_ascii=False)
        case "json_object":
            if "json" not in json.dumps(body["messages"]).lower():
                raise RefusedError(
                    "'messages' must contain the word 'json' to use 'response_format' of type 'json_object'."
                )
            names = re.findall(r"'(\w+)'", prompt) or ["answer"]
            return json.dumps({name: f"some {name}" for name in names})
        case _:
            return None


def _spoken(messages: list[Json], prompt: str) -> str:
    if messages[-1]["role"] == "tool":
        return f"The tool says: {_text_of(messages[-1])}"
    return f"You said: {prompt or '...'} Thank you, I will think about it."


def _bounded(body: Json, text: str) -> tuple[str, str]:
    stops = body.get("stop") or []
    for stop in [stops] if isinstance(stops, str) else stops:
        text = text.split(stop, 1)[0]
    limit = body.get("max_tokens") or body.get("max_completion_tokens")
    pieces = _pieces(text)
    return ("".join(pieces[:limit]), "length") if limit and len(pieces) > limit else (text, "stop")


def _last_text(messages: list[Json], role: str) -> str:
    return next((_text_of(message) for message in reversed(messages) if message["role"] == role), "")


def _text_of(message: Json) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)


def _pieces(text: str) -> list[str]:
    return re.findall(r"\s*\S+|\s+", text)


@dataclass(frozen=True)
class Source:
    """Where values come from: the prompt, and the schema with its definitions; `open` are references being followed."""

    prompt: str
    root: Json
    open: frozenset[str] = frozenset()

    def follow(self, reference: str) -> tuple[Json, Source]:
        node: Any = self.root
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]
        return node, replace(self, open=self.open | {reference})


def instance(schema: Json, prompt: str) -> Any:
    """A value that the schema accepts, with numbers, quotations and names out of the prompt."""
    return _value(schema, "value", Source(prompt, schema))


def _value(schema: Json, name: str, source: Source) -> Any:
    if "$ref" in schema:
        node, source = source.follow(schema["$ref"])
        return _value(node, name, source)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        prompt = source.prompt.lower()
        return next((value for value in schema["enum"] if str(value).lower() in prompt), schema["enum"][0])
    if choices := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return _value(next(choice for choice in choices if choice.get("$ref") not in source.open), name, source)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    return _of_type(kind if isinstance(kind, str) else kind[0], schema, name, source)


def _of_type(kind: str, schema: Json, name: str, source: Source) -> Any:
    match kind:
        case "object":
            return {key: _value(field_, key, source) for key, field_ in schema.get("properties", {}).items()}
        case "array":
            items = schema.get("items", {})
            return [] if items.get("$ref") in source.open else [_value(items, name, source)]
        case "integer" | "number":
            return int(match[1]) if (match := re.search(r"(-?\d+)", source.prompt)) else 1
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return _string(source.prompt, name)


def _string(prompt: str, name: str) -> str:
    if quoted := re.search(r"'([^']+)'", prompt):
        return quoted[1]
    named = re.findall(r"\b[A-Z]\w+(?:,? [A-Z]\w*)*", prompt)
    return str(named[-1]) if named else f"some {name}"


# --- putting it on the wire ----------------------------------------------------------------------------------------


def whole(body: Json, answer: Answer) -> Json:
    """`object` and `choices` of an answer that is not streamed."""
    message: Json = {"role": "assistant", "content": answer.text or (None if answer.calls else "")}
    if answer.reasoning:
        message["reasoning_content"] = answer.reasoning
    if answer.calls:
        message["tool_calls"] = [_call(number, call) for number, call in enumerate(answer.calls)]
    choice: Json = {"index": 0, "message": message, "finish_reason": answer.finish}
    if body.get("logprobs"):
        choice["logprobs"] = {"content": [_logprob(piece) for piece in _pieces(answer.text)]}
    return {"object": "chat.completion", "choices": [choice]}


def _call(number: int, call: tuple[str, str]) -> Json:
    name, arguments = call
    unique = hashlib.sha256(f"{number}{name}{arguments}".encode()).hexdigest()[:12]
    return {"id": f"call_{unique}", "type": "function", "function": {"name": name, "arguments": arguments}}


def _logprob(piece: str) -> Json:
    token = {"token": piece, "logprob": -0.25, "bytes": list(piece.encode())}
    return {**token, "top_logprobs": [token]}


def stream_events(body: Json, answer: Answer, about: Json, usage: Json) -> Iterator[Json]:
    """Yield the chunks of a streamed answer."""
    about = {**about, "object": "chat.completion.chunk"}
    include_usage = (body.get("stream_options") or {}).get("include_usage")
    for delta, logprobs in _deltas(body, answer):
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        yield {**about, "choices": [{**choice, "logprobs": logprobs} if logprobs else choice]}
        if body["model"] == "stream-error" and delta.get("content"):
            yield _error("the engine fell over", "server_error")
            return
    yield {**about, "choices": [{"index": 0, "delta": {}, "finish_reason": answer.finish}]}
    if include_usage:
        yield {**about, "choices": [], "usage": usage}


def _deltas(body: Json, answer: Answer) -> Iterator[tuple[Json, Json | None]]:
    yield {"role": "assistant", "content": ""}, None
    for piece in _pieces(answer.reasoning):
        yield {"reasoning_content": piece}, None
    for piece in _pieces(answer.text):
        yield {"content": piece}, {"content": [_logprob(piece)]} if body.get("logprobs") else None
    while body["model"] == "endless":
        time.sleep(0.005)
        yield {"content": " and on"}, None
    for number, call in enumerate(answer.calls):
        yield from ((delta, None) for delta in _call_deltas(number, call))


def _call_deltas(number: int, call: tuple[str, str]) -> Iterator[Json]:
    first = _call(number, call)
    arguments = first["function"]["arguments"]
    first["function"]["arguments"] = ""
    yield {"tool_calls": [{"index": number, **first}]}
    for start in range(0, len(arguments), 7):
        piece = {"index": number, "function": {"arguments": arguments[start : start + 7]}}
        yield {"tool_calls": [piece]}


# --- embeddings ----------------------------------------------------------------------------------------------------


def embeddings(body: Json, dimensions: int) -> Json:
    """Embed by hashed words, so that like texts are near each other; answers come in no particular order."""
    texts = body.get("input")
    texts = [texts] if isinstance(texts, str) else texts
    if unknown := body.keys() - {"model", "input", "encoding_format", "dimensions", "user", "input_type"}:
        raise RefusedError(f"Unrecognized request argument supplied: {', '.join(sorted(unknown))}")
    if not texts or len(texts) > 2048 or not all(isinstance(text, str) and text for text in texts):
        raise RefusedError("'$.input' is invalid")
    size = body.get("dimensions", dimensions)
    as_text = body.get("encoding_format") == "base64"
    rows = [
        {"object": "embedding", "index": number, "embedding": _encoded(text, size, as_text=as_text)}
        for number, text in enumerate(texts)
    ]
    spent = sum(_count(text) for text in texts)
    usage = {"prompt_tokens": spent, "total_tokens": spent}
    return {"object": "list", "model": body["model"], "data": rows[::-1], "usage": usage}


def vector(text: str, size: int) -> list[float]:
    """The unit vector of a text."""
    values = [0.0] * size
    for word in re.findall(r"\w+", text.lower()) or [text]:
        values[int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big") % size] += 1.0
    length = sum(value * value for value in values) ** 0.5
    return [value / length for value in values]


def _encoded(text: str, size: int, *, as_text: bool) -> list[float] | str:
    values = vector(text, size)
    return base64.b64encode(struct.pack(f"<{size}f", *values)).decode() if as_text else values
