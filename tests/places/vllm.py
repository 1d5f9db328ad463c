"""vLLM: three generations of error envelopes and reasoning, four of overflow, tools only where they are switched on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from shared_core import (
    AuthenticationError,
    ContextLengthError,
    Finish,
    InvalidRequestError,
    ListedModel,
    ModelNotFoundError,
    ServerError,
    UnsupportedError,
)
from tests.places.brain import RefusedError
from tests.places.checks import OPENAI, SAMPLERS, Rules
from tests.places.embedding import Embedding
from tests.places.faults import Fault
from tests.places.instances import Json
from tests.places.serving import Sent
from tests.places.simulator import Said, Simulator

_CHAT = "Qwen/Qwen3-VL-8B-Instruct"
_TYPES = {400: "BadRequestError", 401: "AuthenticationError", 404: "NotFoundError", 500: "InternalServerError"}
_NO_AUTO = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
_NEWEST = (
    "This model's maximum context length is {0} tokens. However, you requested {2} output tokens and your prompt "
    "contains at least {1} input tokens, for a total of at least {3} tokens. Please reduce the length of the input "
    "prompt or the number of requested output tokens."
)
_IN_CHARACTERS = (
    "You passed 894 input characters and requested 4096 output tokens. However, the model's context length is only "
    "4096 tokens, resulting in a maximum input length of 0 tokens (at most 0 characters). Please reduce the length of "
    "the input prompt or the number of requested output tokens."
)
_TOO_LARGE = (
    "'max_tokens' or 'max_completion_tokens' is too large: 5000. This model's maximum context length is 4096 tokens "
    "and your request has 300 input tokens (5000 > 4096 - 300)."
)
_OLDEST = (
    "This model's maximum context length is {0} tokens. However, you requested {3} tokens ({1} in the messages, "
    "{2} in the completion). Please reduce the length of the messages or completion."
)
_ENGINE = "The decoder prompt (length 5000) is longer than the maximum model length of 4096."


def _error(message: str, code: int = 400, param: str | None = None, kind: str | None = None) -> Json:
    return {"error": {"message": message, "type": kind or _TYPES[code], "param": param, "code": code}}


def _flat(message: str, code: int = 400) -> Json:
    return {"object": "error", **_error(message, code)["error"]}


class VLLM(Simulator):
    """`bare` was started without a parser for reasoning, and told to count in every chunk; `deaf` has none for tools."""

    name = "vllm"
    bills_nothing = True
    variants = ("2026", "2024", "bare")
    rules = Rules(
        fields=OPENAI
        | SAMPLERS
        | frozenset(
            [
                *("length_penalty", "stop_token_ids", "ignore_eos", "min_tokens", "skip_special_tokens", "priority"),
                *("prompt_logprobs", "truncate_prompt_tokens", "chat_template", "chat_template_kwargs"),
                *("continue_final_message", "add_generation_prompt", "structured_outputs", "include_reasoning"),
            ]
        ),
        unclear=frozenset({"user", "reasoning_effort", "parallel_tool_calls", "service_tier", "file"}),
        strict=False,
        stops=64,
        both_limits=True,
    )
    models = (ListedModel(_CHAT, 131072, owned_by="vllm"),)
    vision_model = _CHAT
    embedding = Embedding({"Qwen/Qwen3-Embedding-8B": 32}, strict=False)
    flags: Mapping[str, bool] = {"json_schema": True, "prefill": True}
    goes_on: Mapping[str, object] = {"continue_final_message": True, "add_generation_prompt": False}

    thought: str | None = "reasoning"
    faults: Mapping[str, Fault] = {
        "overflow": Fault(
            400,
            _error(_NEWEST.format(8192, 5000, 4096, 9096), param="input_tokens"),
            ContextLengthError,
            windows=(5000, 8192),
        ),
        "overflow-characters": Fault(
            400, _error(_IN_CHARACTERS, param="input_text"), ContextLengthError, windows=(None, 4096)
        ),
        "overflow-bound": Fault(400, _error(_TOO_LARGE, param="max_tokens"), ContextLengthError, windows=(300, 4096)),
        "overflow-flat": Fault(
            400, _flat(_OLDEST.format(4096, 300, 5000, 5300)), ContextLengthError, windows=(300, 4096)
        ),
        "overflow-engine": Fault(400, _error(_ENGINE), ContextLengthError, windows=(5000, 4096)),
        "bad-key": Fault(401, {"error": "Unauthorized"}, AuthenticationError, says="Unauthorized"),
        "gone": Fault(404, _error("The model `x` does not exist.", 404, "model"), ModelNotFoundError, code="404"),
        "gone-flat": Fault(404, _flat("The model `x` does not exist.", 404), ModelNotFoundError, code="404"),
        "no-tools": Fault(400, _error(_NO_AUTO), UnsupportedError, says="--enable-auto-tool-choice"),
        "no-tools-flat": Fault(400, _flat(_NO_AUTO), UnsupportedError, says="--enable-auto-tool-choice"),
        "no-images": Fault(400, _error("x is not a multimodal model"), UnsupportedError, says="not a multimodal model"),
        "no-such-image": Fault(
            500,
            _error("404, message='Not Found', url='https://example.org/cat.png'", 500),
            ServerError,
            says="https://example.org/cat.png",
        ),
        "schema": Fault(400, _error('Grammar error: Unimplemented keys: ["format"]'), InvalidRequestError),
        "detail": Fault(
            422, {"detail": [{"loc": ["body", "n"], "msg": "too large"}]}, InvalidRequestError, says="body.n"
        ),
        "dead": Fault(500, _error("EngineCore encountered an issue.", 500), ServerError, code="500"),
        "unhealthy": Fault(503, "", ServerError),
        "dead-streamed": Fault(
            200, _error("EngineCore encountered an issue.", 500), ServerError, event="", done=True, code="500"
        ),
        "dead-streamed-flat": Fault(
            200, {"error": _flat("out of memory", 400)}, InvalidRequestError, event="", done=True, says="out of memory"
        ),
    }

    def vary(self, variant: str) -> None:
        self.thought = {"2024": "reasoning_content", "bare": None}.get(variant, "reasoning")
        self.tells_ids = variant != "2024"
        self.tells_cached = self.tells_thought = variant == "2026"

    def check(self, body: Json) -> None:
        if self.variant == "deaf" and body.get("tools") and body.get("tool_choice", "auto") == "auto":
            raise RefusedError(_NO_AUTO)
        super().check(body)

    def _embeddings(self, body: Json, embedding: Embedding) -> Sent:
        if "dimensions" in body:
            raise RefusedError(
                f'Model "{body["model"]}" does not support matryoshka representation, '
                "changing output dimensions will lead to poor results."
            )
        return super()._embeddings(body, embedding)

    def check_window(self, body: Json, prompt: int, limit: int, window: int) -> None:
        wording = _OLDEST if self.variant == "2024" else _NEWEST
        raise RefusedError(wording.format(window, prompt, limit, prompt + limit), param="input_tokens")

    def envelope(self, refusal: RefusedError) -> Json:
        if refusal.status == 401:
            return {"error": refusal.message}
        body = _error(refusal.message, refusal.status, refusal.param)
        return {"object": "error", **body["error"]} if self.variant == "2024" else body

    def wrong_key(self, given: str) -> RefusedError:
        return RefusedError("Unauthorized", 401)

    def head(self, said: Said | None = None) -> dict[str, str]:
        """A request's id is told only by servers that were asked to."""
        return super().head(said) if self.variant == "2024" else {"server": "uvicorn"}

    def told(self, said: Said) -> Finish:
        told = super().told(said)
        if self._fingerprint:
            told.metadata["system_fingerprint"] = self._fingerprint
        return told if self.variant == "2024" else replace(told, request_id=None)

    @property
    def _fingerprint(self) -> str | None:
        return "vllm-0.20.0-tp1" if self.variant == "2026" else None

    def usage(self, said: Said) -> Json:
        return {"prompt_tokens_details": None, **super().usage(said)}

    def call_id(self, unique: str) -> str:
        return f"chatcmpl-tool-{unique}"

    def message(self, said: Said) -> Json:
        rest: Json = {"refusal": None, "annotations": None, "audio": None, "function_call": None, "tool_calls": []}
        return {**rest, **super().message(said)}

    def whole(self, said: Said) -> Json:
        """A call that was forced by name ends with "stop"."""
        body = super().whole(said)
        choice = {"logprobs": None, **body["choices"][0], "stop_reason": None, "token_ids": None}
        choice["finish_reason"] = self._ended(said)
        nothing = dict.fromkeys(("service_tier", "prompt_logprobs", "kv_transfer_params"))
        return {**body, "choices": [choice], **nothing, "system_fingerprint": self._fingerprint}

    def _ended(self, said: Said) -> str:
        return "stop" if isinstance(said.body.get("tool_choice"), dict) else said.answer.finish

    def choice(self, delta: Json, finish: str | None) -> Json:
        ended = {"stop_reason": None} if finish else {}
        return {**super().choice(delta, finish), "logprobs": None, "token_ids": None, **ended}

    def chunks(self, said: Said) -> Iterator[Json]:
        """With counts from the first on where it was told to, and the last with the fingerprint of the server."""
        counted = self.variant == "bare"
        for number, chunk in enumerate(super().chunks(said)):
            so_far = {"prompt_tokens": said.usage.input, "total_tokens": number, "completion_tokens": number}
            yield {**({"usage": so_far} if counted else {}), **chunk}

    def ending(self, said: Said, about: Json) -> Iterator[Json]:
        *before, last = super().ending(said, about)
        for chunk in (*before, {**last, "system_fingerprint": self._fingerprint}):
            for choice in chunk["choices"]:
                choice["finish_reason"] = self._ended(said)
            yield chunk

    def _call_deltas(self, number: int, call: tuple[str, str]) -> Iterator[Json]:
        """Older versions repeat the name of a tool, and give its call no id, where it was forced by name."""
        forced = self.variant == "2024" and isinstance(self.said[-1].body.get("tool_choice"), dict)
        for delta in super()._call_deltas(number, call):
            function = {"name": call[0], "arguments": delta["tool_calls"][0]["function"]["arguments"]}
            yield {"tool_calls": [{"index": number, "function": function}]} if forced else delta

    def entry(self, listed: ListedModel) -> Json:
        permission = {"id": "modelperm-1", "object": "model_permission", "allow_sampling": True, "is_blocking": False}
        rest = {"root": listed.id, "parent": None, "max_model_len": listed.context_window}
        return {**super().entry(listed), "owned_by": "vllm", **rest, "permission": [permission]}
