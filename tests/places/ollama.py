"""Ollama: an API of its own in lines of JSON, windows that are asked for, arguments as objects, and no tool choice."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace

from shared_core import (
    AuthenticationError,
    BackendError,
    ContextLengthError,
    Finish,
    InvalidRequestError,
    ListedModel,
    ModelNotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    Timings,
    TruncatedPromptWarning,
    UnsupportedError,
    Usage,
)
from tests.places.brain import MOODS, Answer, RefusedError, answer_for, count, pieces
from tests.places.checks import CORE, PARTS, SAMPLERS, TURNS, Rules, check_chat, without
from tests.places.embedding import Embedding
from tests.places.faults import Fault
from tests.places.instances import Json
from tests.places.ollama_api import call_to_write, check_types, read_chat
from tests.places.serving import Sent
from tests.places.simulator import SMALL_WINDOW, OwnOption, Said, Simulator
from tests.raw_server import Cut, Received

_TOO_LONG = (
    "the prompt is longer than the context length currently available to the model; shorten the prompt, adjust the "
    "context length in settings, or use a model with a longer context length"
)
_ENGINE = {
    "error": {
        "code": 400,
        "message": "request (9000 tokens) exceeds the available context size (8192 tokens), try increasing it",
        "type": "exceed_context_size_error",
    }
}
_TIMES = {"total_duration": 5_000_000_000, "load_duration": 3_000_000_000}
_PROMPT_TIME, _ANSWER_TIME = 500_000_000, 1_500_000_000
_FIELDS = CORE | SAMPLERS | {"seed", "frequency_penalty", "presence_penalty", "logprobs", "top_logprobs"}


def _line(body: Json) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode() + b"\n"


class Ollama(Simulator):
    """Three of its versions: with the calls where they are made, with all of them at the end, and one of 2025.

    The last has no ids for calls, does not know `truncate`, and counts no prompt that it has in its cache.
    """

    name = "ollama"
    bills_nothing = True
    billed = (
        ("https://ollama.com", "some-model"),
        ("http://localhost:11434", "some-model:cloud"),
        ("http://localhost:11434", "some-model:20b-cloud"),
    )
    variants = ("2026", "2026-engine", "2025", "cloud")
    prefix = ""
    keyless = True
    rules = Rules(
        fields=_FIELDS | {"reasoning_effort"},
        ignored=frozenset({"user", "parallel_tool_calls"}),
        strict=False,
        turns=without(TURNS, "name"),
        parts=without(PARTS, "input_audio", "file"),
        named_tool=False,
        schema_with_tools=False,
        image_urls=False,
    )
    calls_by_format = True
    advised = frozenset({"num_ctx", "truncate", "shift"})
    vision_model = "llama3.2-vision:11b"
    echo = "thinking"
    embedding = Embedding(models={"nomic-embed-text": 768}, longest=2048, form=None, dimensions=True)
    flags: Mapping[str, bool] = {
        "tool_choice": True,
        "json_schema": True,
        "json_schema_with_tools": False,
        "image_urls": False,
        "prefill": True,
    }
    own: Mapping[str, OwnOption] = {
        "num_ctx": OwnOption(4096, body=("options", "num_ctx")),
        "n_ctx": OwnOption(4096, body=("options", "num_ctx")),
        "keep_alive": OwnOption("10m", body=("keep_alive",)),
        "think": OwnOption(value=False, body=("think",)),
    }
    advises: Mapping[type[BackendError], str] = {
        ModelNotFoundError: "ollama pull {model}",
        ContextLengthError: "pass a larger num_ctx",
    }
    caps_answers = True
    filters = False
    usage_unasked = True
    tells_cached = False
    tells_thought = False
    lacks: Mapping[str, type[Exception]] = {
        # Its default model does not think.
        "option_reasoning_effort": UnsupportedError,
        "options_all_at_once": UnsupportedError,
        "arguments_that_are_no_json_are_handed_over": ServerError,
    }
    models = (
        ListedModel("llama3.1:8b", 131_072),
        ListedModel("llama3.2-vision:11b", 131_072),
        ListedModel("nomic-embed-text:latest", 2048),
    )
    faults: Mapping[str, Fault] = {
        "gone": Fault(404, {"error": "model 'gone' not found"}, ModelNotFoundError),
        "too-long": Fault(400, {"error": _TOO_LONG}, ContextLengthError),
        "too-long-engine": Fault(
            400, {"error": json.dumps(_ENGINE)}, ContextLengthError, windows=(9000, 8192), says="(9000 tokens)"
        ),
        "too-long-cloud": Fault(
            400,
            {"error": "The prompt is too long: 262960, model maximum context length: 262144"},
            ContextLengthError,
            windows=(262_960, 262_144),
        ),
        "no-tools": Fault(400, {"error": '"gemma:2b" does not support tools'}, UnsupportedError),
        "no-chat": Fault(400, {"error": '"nomic-embed-text" does not support chat'}, UnsupportedError),
        "no-image": Fault(400, {"error": "illegal base64 data at input byte 4"}, InvalidRequestError),
        "signed-out": Fault(
            401, {"error": "unauthorized", "signin_url": "https://ollama.com/connect"}, AuthenticationError
        ),
        "cloud-off": Fault(403, {"error": "ollama cloud is disabled"}, PermissionDeniedError),
        "throttled": Fault(429, {"error": "too many requests"}, RateLimitError),
        "no-memory": Fault(
            500, {"error": "model requires more system memory (9.4 GiB) than is available (5.1 GiB)"}, ServerError
        ),
        "cloud-gone": Fault(502, {"error": "remote inference is unavailable"}, ServerError),
        "busy": Fault(503, {"error": "server busy, please try again.  maximum pending requests exceeded"}, ServerError),
        "broken": Fault(
            200, {"error": "an error was encountered while running the model"}, ServerError, event="", says="running"
        ),
    }

    def vary(self, variant: str) -> None:
        self.keyless = variant != "cloud"
        self.written: dict[int, str] = {}
        if variant == "2025":
            self.lacks = {**self.lacks, "too_long_a_prompt": TruncatedPromptWarning}

    # --- requests ---

    def _routed(self, request: Received) -> Sent:
        self.authorise(request)
        match request.method, request.path:
            case "GET", "/api/tags":
                return self._json(self.listing())
            case "POST", "/api/chat":
                return self._chat(json.loads(request.body))
            case "POST", "/api/embed":
                return self._embed(json.loads(request.body))
            case _:
                return Sent(404, [b"404 page not found"], {"content-type": "text/plain"})

    def _chat(self, body: Json) -> Sent:
        check_types(body)
        model, fault = body["model"], self.fault(body["model"])
        if fault is not None and fault.event is None:
            return self._faulty(fault)
        if not (fault or model in MOODS or model == SMALL_WINDOW or self._serves(model)):
            raise self.no_model(model)
        read = read_chat(body)
        self.check(read)
        said = self._say(read)
        if "stream" in read:
            return Sent(200, self._frames(said, fault), {"content-type": "application/x-ndjson"}, streamed=True)
        return self._json(self.whole(said))

    def _serves(self, model: str) -> bool:
        return super()._serves(model) or super()._serves(f"{model}:latest")

    def check(self, body: Json) -> None:
        check_chat(body, self.rules)
        if body.get("reasoning_effort") not in (None, "none") and body["model"] != "reasoning":
            raise RefusedError(f'"{body["model"]}" does not support thinking')
        if body["model"] == "bad-arguments":
            raise RefusedError('llama-server returned invalid tool call arguments for "get_weather"', 500)
        if count(json.dumps(body["messages"])) > self._window(body) and self._knows_truncate(body):
            raise RefusedError(_TOO_LONG)

    def _window(self, body: Json) -> int:
        trained = 8192 if body["model"] == SMALL_WINDOW else self.window
        return int(min(body.get("num_ctx", 4096), trained))

    def _knows_truncate(self, body: Json) -> bool:
        return self.variant != "2025" and body.get("truncate") is False

    def _say(self, body: Json) -> Said:
        answer = self._forced(body) or answer_for(body, begun=self.begun(body))
        said = Said(body, answer, self._usage(body, answer), len(self.said))
        self.said.append(said)
        return said

    def _forced(self, body: Json) -> Answer | None:
        prompt = next((turn["content"] for turn in reversed(body["messages"]) if turn["role"] == "user"), "")
        written = call_to_write(body, prompt)
        self.tells_ids = self.variant != "2025" and written is None
        if written is None:
            return None
        text, name, arguments = written
        self.written[len(self.said)] = text
        return Answer(calls=[(name, arguments)], finish="tool_calls")

    def _usage(self, body: Json, answer: Answer) -> Usage:
        seen = json.dumps(body["messages"]) in self.prompts
        usage = super()._usage(body, answer)
        if (usage.input or 0) > self._window(body):
            return replace(usage, input=self._window(body))
        return replace(usage, input=None) if seen and self.variant == "2025" else usage

    def _embed(self, body: Json) -> Sent:
        check_types(body)
        assert self.embedding is not None
        model, texts = body["model"], body["input"]
        vectors = [self.embedding.said(text, model, size=body.get("dimensions")) for text in texts]
        limit = min(body.get("options", {}).get("num_ctx", 4096), self.embedding.longest)
        if max(map(count, texts)) > limit and body.get("truncate") is False:
            raise RefusedError("the input length exceeds the context length")
        spent = sum(map(count, texts))
        return self._json({"model": model, "embeddings": vectors, "load_duration": 1, "prompt_eval_count": spent})

    # --- refusals ---

    def envelope(self, refusal: RefusedError) -> Json:
        return {"error": refusal.message}

    def wrong_key(self, given: str) -> RefusedError:
        return RefusedError("unauthorized", 401)

    def no_model(self, model: str) -> RefusedError:
        return RefusedError(f"model '{model}' not found", 404)

    # --- answers ---

    def head(self, said: Said | None = None) -> dict[str, str]:
        return {}

    def about(self, said: Said, kind: str = "") -> Json:
        return {"model": said.model, "created_at": "2026-08-21T18:48:22.000001Z"}

    def told(self, said: Said) -> Finish:
        timings = Timings(prompt=0.5, completion=1.5, total=5.0, load=3.0)
        return replace(super().told(said), id=None, request_id=None, timings=timings)

    def _done(self, said: Said) -> Json:
        usage, length = said.usage, said.answer.finish == "length"
        prompt = {} if usage.input is None else {"prompt_eval_count": usage.input}
        return {
            "done": True,
            "done_reason": "length" if length else "stop",
            **_TIMES,
            **prompt,
            "prompt_eval_duration": _PROMPT_TIME,
            "eval_count": usage.output,
            "eval_duration": _ANSWER_TIME,
        }

    def message(self, said: Said) -> Json:
        thought = {"thinking": said.answer.reasoning} if said.answer.reasoning else {}
        return {"role": "assistant", "content": self._written(said), **thought, **self._calls(said)}

    def _written(self, said: Said) -> str:
        return self.written.get(said.number, said.answer.text)

    def _calls(self, said: Said) -> Json:
        if said.number in self.written or not said.answer.calls:
            return {}
        return {"tool_calls": [self.call(number, call) for number, call in enumerate(said.answer.calls)]}

    def call(self, number: int, call: tuple[str, str]) -> Json:
        unique = super().call(number, call)["id"]
        function = {"index": number, "name": call[0], "arguments": json.loads(call[1])}
        if self.variant == "2025":
            return {"function": {**function, "index": 0}}
        return {"id": unique, "function": function}

    def call_id(self, unique: str) -> str:
        return f"call_{unique[:8]}"

    def whole(self, said: Said) -> Json:
        tokens = [self.logprob(token) for token in said.tokens] if said.body.get("logprobs") else []
        logprobs = {"logprobs": tokens} if tokens else {}
        return {**self.about(said), "message": self.message(said), **logprobs, **self._done(said)}

    def _frames(self, said: Said, fault: Fault | None) -> Iterator[bytes | Cut]:
        for number, line in enumerate(self._lines(said)):
            if number == 2 and said.model in ("truncated", "cut"):
                if said.model == "cut":
                    yield Cut()
                return
            yield _line({**self.about(said), **line})
            if number == 2 and fault is not None:
                yield fault.data + b"\n"
                return

    def _lines(self, said: Said) -> Iterator[Json]:
        for thought in pieces(said.answer.reasoning):
            yield self._piece({"content": "", "thinking": thought})
        for token in pieces(self._written(said)):
            logprobs = {"logprobs": [self.logprob(token)]} if said.body.get("logprobs") else {}
            yield {**self._piece({"content": token}), **logprobs}
        while said.model == "endless":
            time.sleep(0.005)  # or it is all that this machine does until the client has left
            yield self._piece({"content": " and on"})
        calls = self._calls(said).get("tool_calls", [])
        if self.variant != "2026-engine":
            yield from (self._piece({"content": "", "tool_calls": [call]}) for call in calls)
            calls = []
        at_the_end = {"tool_calls": calls} if calls else {}
        yield {"message": {"role": "assistant", "content": "", **at_the_end}, **self._done(said)}

    def _piece(self, message: Json) -> Json:
        return {"message": {"role": "assistant", **message}, "done": False}

    # --- lists and vectors ---

    def listing(self) -> Json:
        return {"models": [self.entry(listed) for listed in self.models]}

    def entry(self, listed: ListedModel) -> Json:
        details = {"format": "gguf", "family": "llama", "parameter_size": "8.0B", "quantization_level": "Q4_K_M"}
        return {
            "name": listed.id,
            "model": listed.id,
            "modified_at": "2026-08-21T18:48:22-07:00",
            "size": 4_920_753_328,
            "digest": "46e0c10c039e",
            "details": {**details, "context_length": listed.context_window},
            "capabilities": ["completion", "tools"],
        }
