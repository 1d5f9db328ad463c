"""llama-cpp-python's own server, 0.3.36: validation is a 500, and a stream that it refuses ends without a word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from shared_core import (
    AuthenticationError,
    BackendError,
    ContextLengthError,
    Finish,
    InvalidRequestError,
    ListedModel,
    ModelNotFoundError,
    ServerError,
    Usage,
)
from tests.places.brain import RefusedError
from tests.places.checks import CORE, PARTS, TURNS, Rules
from tests.places.embedding import Embedding
from tests.places.faults import Fault
from tests.places.instances import Json
from tests.places.serving import Sent
from tests.places.simulator import Said, Simulator, comment
from tests.raw_server import Received

_MODEL = "models/llama-3.2-1b-q4_K_M.gguf"
_WINDOW = (
    "This model's maximum context length is {0} tokens. However, you requested {1} tokens ({2} in the messages, "
    "{3} in the completion). Please reduce the length of the messages or completion."
)
_NO_FORMAT = (
    "1 validation error:\n  {'type': 'literal_error', 'loc': ('body', 'response_format', 'type'), "
    "'msg': \"Input should be 'text' or 'json_object'\", 'input': 'json_schema', "
    "'ctx': {'expected': \"'text' or 'json_object'\"}}\n\n"
    '  File "llama_cpp/server/app.py", line 376, in create_chat_completion\n    POST /v1/chat/completions'
)


def _error(
    message: str, kind: str = "invalid_request_error", param: str | None = None, code: str | None = None
) -> Json:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _overflow(window: int, prompt: int, limit: int | None) -> Json:
    message = _WINDOW.format(window, prompt + (limit or 0), prompt, limit)
    return _error(message, param="messages", code="context_length_exceeded")


class LlamaCppPython(Simulator):
    """The chat format decides about tools: "chatml-function-calling" has no "required", and streams no choice."""

    name = "openai_compatible"
    title = "llama_cpp_python"
    variants = ("functionary",)
    rules = Rules(
        fields=CORE
        | frozenset(
            [
                *("min_tokens", "logprobs", "top_logprobs", "presence_penalty", "frequency_penalty", "logit_bias"),
                *("seed", "top_k", "min_p", "repeat_penalty", "logit_bias_type", "functions", "function_call"),
                *("mirostat_mode", "mirostat_tau", "mirostat_eta"),
            ]
        ),
        # Without a meaning there, or under another name; who asks just any server cannot know.
        unclear=frozenset(
            {"user", "reasoning_effort", "parallel_tool_calls", "repetition_penalty", "input_audio", "file"}
        ),
        strict=False,
        status=500,
        ranges={"top_p": (0, 1), "min_p": (0, 1), "presence_penalty": (-2, 2), "frequency_penalty": (-2, 2)},
        formats=frozenset({"text", "json_object"}),
        turns={**TURNS, "function": frozenset({"role", "content", "name"})},
        parts={**PARTS, "user": frozenset({"text", "image_url"}), "tool": frozenset({"text"})},
    )
    models = (ListedModel(_MODEL, owned_by="me"),)
    any_model = True
    caps_answers = True
    vision_model = _MODEL
    embedding = Embedding({_MODEL: 32}, strict=False, base64=False, scale=3.5)
    lacks: Mapping[str, type[BackendError]] = dict.fromkeys(
        ("json_schema", "tools_and_a_format", "a_format_and_no_tools_to_call"), InvalidRequestError
    )

    thought = None
    silent = True
    counts_streams = False
    tells_cached = False
    tells_thought = False
    faults: Mapping[str, Fault] = {
        "overflow": Fault(
            400,
            _overflow(2048, 2708, None),
            ContextLengthError,
            code="context_length_exceeded",
            windows=(2708, 2048),
        ),
        "overflow-bound": Fault(
            400, _overflow(2048, 2000, 100), ContextLengthError, code="context_length_exceeded", windows=(2000, 2048)
        ),
        "no-file": Fault(
            400,
            _error("The model `/models/x.gguf` does not exist", code="model_not_found"),
            ModelNotFoundError,
            code="model_not_found",
        ),
        "bad-key": Fault(401, {"detail": "Invalid API key"}, AuthenticationError, says="Invalid API key"),
        "validation": Fault(500, _error(_NO_FORMAT, "internal_server_error"), InvalidRequestError, says="json_object"),
        "assertion": Fault(500, _error("", "internal_server_error"), ServerError, code="internal_server_error"),
        "starting": Fault(503, {"detail": "Service is not available"}, ServerError, says="Service is not available"),
    }

    def check(self, body: Json) -> None:
        if (body.get("response_format") or {}).get("type") == "json_schema":
            raise RefusedError("Input should be 'text' or 'json_object'", 500, param="response_format")
        super().check(body)
        for message in body["messages"]:
            if not isinstance(message.get("content", ""), str if message["role"] != "user" else str | list):
                raise RefusedError("Input should be a valid string", 500, param="messages")
        if body.get("tools") and self.variant == "chatml-function-calling":
            _check_choice(body)

    def check_window(self, body: Json, prompt: int, limit: int, window: int) -> None:
        if prompt > window:
            error = _overflow(window, prompt, limit or None)["error"]
            raise RefusedError(error["message"], 400, error["code"], error["param"], at_work=True)

    def _chat(self, body: Json) -> Sent:
        """What goes wrong once the model is at work finds a stream begun, and ends it."""
        try:
            return super()._chat(body)
        except RefusedError as refusal:
            if body.get("stream") and refusal.more:
                return Sent(200, [], {"content-type": "text/event-stream; charset=utf-8", **self.head()}, streamed=True)
            raise

    def envelope(self, refusal: RefusedError) -> Json:
        if refusal.status in {401, 404}:
            return {"detail": refusal.message}
        if refusal.status == self.rules.status:
            return _error(refusal.message if refusal.more else _invalid(refusal), "internal_server_error")
        return _error(refusal.message, param=refusal.param, code=refusal.code)

    def wrong_key(self, given: str) -> RefusedError:
        return RefusedError("Invalid API key", 401)

    def no_path(self, request: Received) -> RefusedError:
        return RefusedError("Not Found", 404)

    def before(self) -> Iterable[bytes]:
        return [comment("ping - 2026-11-20 14:48:46.000000+00:00")]

    def whole(self, said: Said) -> Json:
        """With every call twice, the second time as the API had it before there were tools."""
        body = super().whole(said)
        choice = body["choices"][0]
        calls = choice["message"].get("tool_calls")
        if calls:
            choice["message"]["function_call"] = calls[0]["function"]
        return {**body, "choices": [{"logprobs": None, **choice}]}

    def logprob(self, token: str) -> Json:
        entry = {"token": token, "logprob": -0.25, "bytes": None}
        return {**entry, "top_logprobs": [entry]}

    def choice(self, delta: Json, finish: str | None) -> Json:
        return {**super().choice(delta, finish), "logprobs": None}

    def chunks(self, said: Said) -> Iterator[Json]:
        """With null for all that has not come, and the name and id of a call in each of its pieces."""
        names = {number: self.call(number, call) for number, call in enumerate(said.answer.calls)}
        for chunk in super().chunks(said):
            if chunk["choices"] and said.answer.calls:
                delta = chunk["choices"][0]["delta"]
                pieces = [_named(piece, names[piece["index"]]) for piece in delta.get("tool_calls", ())]
                twin = pieces[0]["function"] if pieces else None
                chunk["choices"][0]["delta"] = {
                    "role": delta.get("role"),
                    "content": delta.get("content") or None,
                    "function_call": twin,
                    "tool_calls": pieces or None,
                }
            yield chunk

    def ending(self, said: Said, about: Json) -> Iterator[Json]:
        """There is no usage in streams, asked for or not."""
        yield {**about, "choices": [self.choice({}, said.answer.finish)]}

    def told(self, said: Said) -> Finish:
        told = super().told(said)
        return replace(told, usage=Usage()) if said.body.get("stream") else told

    def entry(self, listed: ListedModel) -> Json:
        return {"id": listed.id, "object": "model", "owned_by": "me", "permissions": []}


def _invalid(refusal: RefusedError) -> str:
    where = {"loc": ("body", refusal.param or "messages"), "msg": refusal.message}
    return f'1 validation error:\n  {where}\n\n  File "llama_cpp/server/app.py", line 376'


def _named(piece: Json, call: Json) -> Json:
    function = {"name": call["function"]["name"], "arguments": piece["function"]["arguments"]}
    return {"index": piece["index"], "id": call["id"], "type": "function", "function": function}


def _check_choice(body: Json) -> None:
    if body.get("tool_choice") == "required":
        raise RefusedError("", 500, at_work=True)
    if body.get("tool_choice") == "auto" and body.get("stream"):
        raise RefusedError("Automatic streaming tool choice is not supported", 500, at_work=True)
