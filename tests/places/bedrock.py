"""Amazon Bedrock over its OpenAI API (mantle): padding on every choice, calls in fragments only with logprobs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace

from shared_core import (
    AuthenticationError,
    ContextLengthError,
    Finish,
    InvalidRequestError,
    ListedModel,
    ModelNotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)
from tests.places.brain import RefusedError
from tests.places.checks import OPENAI, Rules
from tests.places.faults import Fault
from tests.places.instances import Json
from tests.places.simulator import OwnOption, Said, Simulator


def _error(message: str, code: str = "validation_error", kind: str = "invalid_request_error") -> Json:
    return {"error": {"code": code, "message": message, "param": None, "type": kind}}


_TWICE = {"error": {"message": json.dumps(_error("Invalid 'top_p'")), "type": "invalid_request_error", "code": "400"}}
"""Its older endpoint has the error as text in its own."""


class Bedrock(Simulator):
    name = "bedrock"
    variants = ("strict", "lenient")
    rules = Rules(
        fields=OPENAI - {"n"},
        # Samplers are taken by vLLM, which is thought to be behind it; nothing is written about them.
        unclear=frozenset(
            {"top_k", "min_p", "repetition_penalty", "n", "user", "seed", "reasoning_effort", "input_audio", "file"}
        ),
    )
    models = (ListedModel("openai.gpt-oss-120b"), ListedModel("openai.gpt-oss-20b"), ListedModel("google.gemma-4-31b"))
    own: Mapping[str, OwnOption] = {"region": OwnOption("eu-west-1", url="bedrock-mantle.eu-west-1.api.aws")}
    vision_model = "google.gemma-4-31b"

    thought = "reasoning"
    limits: Mapping[str, str] = {
        "x-amzn-usage-reservation-quota": "100000",
        "x-amzn-usage-reservation-remaining-quota": "99000",
        "x-amzn-requestid": "amzn-1",
    }
    faults: Mapping[str, Fault] = {
        "validation": Fault(400, _error("Invalid 'top_p'"), InvalidRequestError, code="validation_error"),
        "twice-encoded": Fault(
            400, _TWICE, InvalidRequestError, says="HTTP 400: Invalid 'top_p'", code="validation_error"
        ),
        "overflow": Fault(
            400,
            _error("This model's maximum context length is 131072 tokens, and you requested 140000 tokens."),
            ContextLengthError,
            windows=(140000, 131072),
        ),
        "no-images": Fault(400, _error("openai.gpt-oss-120b does not take image input"), InvalidRequestError),
        "bad-key": Fault(401, _error("Invalid bearer token", "invalid_api_key"), AuthenticationError),
        "forbidden": Fault(403, _error("Not authorized", "access_denied"), PermissionDeniedError),
        "native": Fault(
            403, {"message": "The security token is invalid."}, PermissionDeniedError, says="security token"
        ),
        "gone": Fault(404, _error("The model 'x' does not exist", "not_found_error"), ModelNotFoundError),
        "model": Fault(424, _error("The model failed", "model_error"), ServerError),
        "throttled": Fault(429, _error("Too many tokens, please wait before trying again."), RateLimitError),
        "not-ready": Fault(429, _error("Model is not ready for inference", "model_not_ready"), RateLimitError),
        "busy": Fault(503, _error("Service unavailable", "service_unavailable"), ServerError),
        "streamed": Fault(200, _error("Internal failure", "internal_error", "server_error"), ServerError, event=""),
    }

    def vary(self, variant: str) -> None:
        if variant == "lenient":
            self.rules = replace(self.rules, strict=False)

    def head(self, said: Said | None = None) -> dict[str, str]:
        headers = super().head(said)
        return {k: v for k, v in headers.items() if k != "x-request-id"} if self.variant == "lenient" else headers

    def check(self, body: Json) -> None:
        super().check(body)
        if body.get("n", 1) > 1:
            raise RefusedError("n must be 1", code="validation_error")
        if self._serves(str(body["model"])) and body["model"] != self.vision_model and _has_image(body["messages"]):
            raise RefusedError(f"{body['model']} does not take image input", code="validation_error")

    def envelope(self, refusal: RefusedError) -> Json:
        return _error(refusal.message, refusal.code or "validation_error")

    def wrong_key(self, given: str) -> RefusedError:
        return RefusedError("Invalid bearer token", 401, "invalid_api_key")

    def no_model(self, model: str) -> RefusedError:
        return RefusedError(f"The model '{model}' does not exist", 404, "not_found_error")

    def call_id(self, unique: str) -> str:
        return f"chatcmpl-tool-{unique}"

    def about(self, said: Said, kind: str) -> Json:
        return {**super().about(said, kind), "service_tier": "default"}

    def told(self, said: Said) -> Finish:
        known = "amzn-1" if self.variant == "lenient" else "req_played"
        return replace(super().told(said), request_id=known, metadata={"service_tier": "default"})

    def choice(self, delta: Json, finish: str | None) -> Json:
        return {**super().choice(delta, finish), "obfuscation": "a1B2c3D4e5F6"[: 3 + len(str(delta)) % 9]}

    def chunks(self, said: Said) -> Iterator[Json]:
        self.calls = "fragments" if said.body.get("logprobs") else "whole"
        for chunk in super().chunks(said):
            for choice in chunk["choices"]:
                calls = choice["delta"].get("tool_calls", ())
                for call in calls:
                    call["type"] = "function"
                if calls and said.body.get("logprobs"):
                    choice["logprobs"] = {"content": [self.logprob("{"), self.logprob('"')]}  # the same on each
            yield chunk


def _has_image(messages: list[Json]) -> bool:
    parts = [part for turn in messages if isinstance(turn.get("content"), list) for part in turn["content"]]
    return any(part["type"] == "image_url" for part in parts)
