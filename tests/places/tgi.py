"""Text Generation Inference: one model under any name, one call at a time, and every refusal of a stream inside it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from shared_core import (
    AuthenticationError,
    BackendError,
    ContextLengthError,
    Finish,
    InvalidRequestError,
    ListedModel,
    RateLimitError,
    ServerError,
    UnsupportedError,
)
from tests.places.brain import RefusedError
from tests.places.checks import CORE, PARTS, TURNS, Rules
from tests.places.embedding import Embedding
from tests.places.faults import Fault
from tests.places.instances import Json
from tests.places.serving import Sent
from tests.places.simulator import DONE, Said, Simulator, comment, frame

_MODEL = "meta-llama/Llama-3.1-8B-Instruct"
_INPUT = "Input validation error: `inputs` must have less than {} tokens. Given: {}"
_TOTAL = (
    "Input validation error: `inputs` tokens + `max_new_tokens` must be <= {}. "
    "Given: {} `inputs` tokens and {} `max_new_tokens`"
)
_STEP = 1024
"""Tokens that newer versions make room for at a time: a bound beyond the window is no error to them."""


def _error(message: str, kind: str = "validation") -> Json:
    return {"error": message, "error_type": kind}


def _streamed(message: str) -> Json:
    return {"error": {"message": message, "http_status_code": 422}}


class TGI(Simulator):
    """Version 3.3 (db931fcf), and 2 as far as it is known."""

    name = "tgi"
    bills_nothing = True
    variants = ("3", "2")
    rules = Rules(
        fields=CORE
        | frozenset(
            [
                *("frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "top_logprobs", "n", "seed"),
                *("stream_options", "tool_prompt", "max_completion_tokens"),
            ]
        ),
        ignored=frozenset(
            [
                *("top_k", "min_p", "repetition_penalty", "user", "parallel_tool_calls", "reasoning_effort"),
                "service_tier",
            ]
        ),
        strict=False,
        status=422,
        ranges={"frequency_penalty": (-2, 2), "top_logprobs": (0, 5)},
        stop_text=False,
        formats=frozenset({"json", "json_object", "json_schema", "regex"}),
        schema_with_tools=False,
        turns=TURNS,
        parts={**PARTS, "user": frozenset({"text", "image_url"}), "tool": frozenset({"text", "image_url"})},
    )
    advised = frozenset({"max_tokens"})
    flags: Mapping[str, bool] = {"json_schema_with_tools": False}
    lacks: Mapping[str, type[BackendError]] = {"json_object": UnsupportedError}
    models = (ListedModel(_MODEL, owned_by=_MODEL),)
    any_model = True
    vision_model = _MODEL
    # Of its sibling for vectors, text-embeddings-inference.
    embedding = Embedding({"sentence-transformers/all-MiniLM-L6-v2": 32}, most=32, strict=False, status=422)

    reads_text_alone = True
    thought = None
    calls_at_once = "never"
    tells_cached = False
    tells_thought = False
    faults: Mapping[str, Fault] = {
        "overflow": Fault(422, _error(_INPUT.format(4096, 5000)), ContextLengthError, windows=(5000, 4096)),
        "overflow-total": Fault(422, _error(_TOTAL.format(4096, 300, 5000)), ContextLengthError, windows=(300, 4096)),
        "overflow-streamed": Fault(
            200, _streamed(_INPUT.format(4096, 5000)), ContextLengthError, event="", done=True, windows=(5000, 4096)
        ),
        "bad-key": Fault(401, "", AuthenticationError),
        "temperature": Fault(
            422,
            _error("Input validation error: `temperature` must be strictly positive"),
            InvalidRequestError,
            says="strictly positive",
        ),
        "unreadable": Fault(
            422,
            "Failed to deserialize the JSON body into the target type: response_format: missing field `value`",
            InvalidRequestError,
            says="missing field `value`",
        ),
        "template": Fault(422, _error("Template error: undefined value", "template_error"), InvalidRequestError),
        "tools": Fault(
            422, _error("Tool error: Grammar and tools are mutually exclusive", "tool_error"), InvalidRequestError
        ),
        "generation": Fault(
            424, _error("Request failed during generation: CUDA error", "generation"), ServerError, says="CUDA error"
        ),
        "busy": Fault(429, _error("Model is overloaded", "overloaded"), RateLimitError, says="overloaded"),
        "incomplete": Fault(500, _error("Incomplete generation", "incomplete_generation"), ServerError),
        "unhealthy": Fault(503, _error("unhealthy", "healthcheck"), ServerError),
        "waking": Fault(503, "503 Service Unavailable", ServerError),
        "generation-streamed": Fault(
            200, _error("Request failed during generation: CUDA error", "generation"), ServerError, event=""
        ),
    }

    def vary(self, variant: str) -> None:
        self.caps_answers = self.says_done = variant == "3"

    def carries(self, body: Json, option: str, value: object) -> bool:
        """A temperature of 0 must come as one that means the same and is above 0, a top_p of 1 not at all."""
        if (option, value) == ("temperature", 0.0):
            return bool(0 < body["temperature"] <= 0.01)
        if (option, value) == ("top_p", 1.0):
            return "top_p" not in body
        return super().carries(body, option, value)

    def check(self, body: Json) -> None:
        format_ = body.get("response_format")
        if format_ is not None:
            _check_format(format_, self.rules)
            if "tools" in body:
                raise RefusedError("Tool error: Grammar and tools are mutually exclusive", 422, "tool_error")
        if len(body.get("stop") or ()) > self.rules.stops:
            raise _invalid(f"`stop` supports up to {self.rules.stops} stop sequences. Given: {len(body['stop'])}")
        if body.get("temperature") == 0 and self.variant == "2":
            raise _invalid("`temperature` must be strictly positive")
        if not 0 < body.get("top_p", 0.5) < 1:
            raise _invalid("`top_p` must be > 0.0 and < 1.0")
        super().check({key: value for key, value in body.items() if key != "response_format"})

    def check_window(self, body: Json, prompt: int, limit: int, window: int) -> None:
        room = min(limit, _STEP) if self.variant == "3" else limit
        if prompt + room > window:
            refused = _TOTAL.format(window, prompt, room) if prompt < window else _INPUT.format(window, prompt)
            raise RefusedError(refused, 422, "validation")

    def _chat(self, body: Json) -> Sent:
        """What is found wrong with the input comes after the headers of a stream."""
        try:
            return super()._chat(body)
        except RefusedError as refusal:
            if not (body.get("stream") and refusal.code == "validation"):
                raise
            frames = [frame(_streamed(refusal.message)), DONE]
            return Sent(200, frames, {"content-type": "text/event-stream"}, streamed=True)

    def _say(self, body: Json) -> Said:
        said = super()._say(_in_openai_form(body))
        said.body = body
        return said

    def envelope(self, refusal: RefusedError) -> Json:
        return _error(refusal.message, refusal.code or "validation")

    def spelled(self, body: object) -> bytes:
        """A wrong key is told of by the status alone."""
        return b"" if body == _error("", "unauthorized") else super().spelled(body)

    def wrong_key(self, given: str) -> RefusedError:
        return RefusedError("", 401, "unauthorized")

    def head(self, said: Said | None = None) -> dict[str, str]:
        return {"x-compute-type": "1-nvidia-l4", "x-compute-time": "0.5", "x-total-time": "500"} if said else {}

    def about(self, said: Said, kind: str) -> Json:
        """No id, and the model's own name for the one that stands for whichever there is."""
        model = _MODEL if said.model == "tgi" else said.model
        return {**super().about(said, kind), "id": "", "model": model, "system_fingerprint": "3.3.5-native"}

    def told(self, said: Said) -> Finish:
        return replace(
            super().told(said),
            id=None,
            request_id=None,
            model=_MODEL if said.model == "tgi" else said.model,
            metadata={"system_fingerprint": "3.3.5-native"},
        )

    def call_id(self, unique: str) -> str:
        return "0"

    def call(self, number: int, call: tuple[str, str]) -> Json:
        """In version 2 with arguments that are an object, as far as they are one."""
        whole = super().call(number, call)
        function = {"description": None, **whole["function"]}
        if self.variant == "2":
            function["arguments"] = _object(call[1])
        return {**whole, "function": function}

    def message(self, said: Said) -> Json:
        message = super().message(said)
        return {key: value for key, value in message.items() if value is not None}

    def whole(self, said: Said) -> Json:
        body = super().whole(said)
        body["choices"][0]["finish_reason"] = _ended(said)
        return body

    def before(self) -> Iterable[bytes]:
        return [comment("")]

    def choice(self, delta: Json, finish: str | None) -> Json:
        """The role with every piece."""
        content = {} if "tool_calls" in delta else {"content": ""}
        return super().choice({"role": "assistant", **content, **delta}, finish)

    def ending(self, said: Said, about: Json) -> Iterator[Json]:
        """Calls have no end in version 3, and version 2 has no [DONE]."""
        endless = said.answer.calls and self.variant == "3"
        for chunk in super().ending(said, about):
            for choice in chunk["choices"]:
                choice["finish_reason"] = _ended(said)
            if not (chunk["choices"] and endless):
                yield chunk

    def _call_deltas(self, number: int, call: tuple[str, str]) -> Iterator[Json]:
        for delta in super()._call_deltas(number, call):
            piece = delta["tool_calls"][0]
            function = {"name": piece["function"].get("name"), "arguments": piece["function"]["arguments"]}
            yield {"tool_calls": [{"index": 0, "id": "0", "type": "function", "function": function}]}

    def entry(self, listed: ListedModel) -> Json:
        return {"id": listed.id, "object": "model", "created": 0, "owned_by": listed.id}


def _invalid(text: str) -> RefusedError:
    return RefusedError(f"Input validation error: {text}", 422, "validation")


def _check_format(format_: Json, rules: Rules) -> None:
    """Each is a type and a value; a schema must have properties."""
    if format_.get("type") not in rules.formats or "value" not in format_:
        raise RefusedError("Failed to deserialize the JSON body into the target type: response_format", 422)
    if format_["type"] != "regex" and "properties" not in _schema(format_):
        raise _invalid("grammar is not valid: Grammar must have a 'properties' field")


def _schema(format_: Json) -> Json:
    """The type "json_schema" has a name beside its schema, the others are the schema alone."""
    value: Json = format_["value"]
    return value["schema"] if format_["type"] == "json_schema" else value


def _in_openai_form(body: Json) -> Json:
    if "response_format" not in body:
        return body
    schema = {"name": "value", "schema": _schema(body["response_format"])}
    return {**body, "response_format": {"type": "json_schema", "json_schema": schema}}


def _object(arguments: str) -> object:
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def _ended(said: Said) -> str:
    if said.answer.calls:
        return "stop"
    stopped = said.body.get("stop") and said.answer.finish == "stop"
    return "stop_sequence" if stopped else said.answer.finish
