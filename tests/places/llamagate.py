"""LlamaGate: small models and a short list of parameters; how it answers is not written down, so it has variants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from shared_core import (
    AuthenticationError,
    BillingError,
    InvalidRequestError,
    ListedModel,
    ModelNotFoundError,
    RateLimitError,
    ServerError,
)
from tests.places.brain import RefusedError
from tests.places.checks import CORE, TURNS, Rules, without
from tests.places.embedding import Embedding
from tests.places.faults import BAD_GATEWAY, Fault
from tests.places.instances import Json
from tests.places.simulator import Simulator


class LlamaGate(Simulator):
    name = "llamagate"
    variants = ("lenient", "strict", "as-ollama", "think-tags")
    rules = Rules(
        fields=CORE | frozenset({"frequency_penalty", "presence_penalty", "stream_options"}),
        unclear=frozenset({"input_audio", "file"}),
        strict=False,
    )
    models = (ListedModel("llama-3.1-8b"), ListedModel("qwen3-vl-8b"), ListedModel("gemma3-4b"))
    vision_model = "qwen3-vl-8b"
    embedding = Embedding({"nomic-embed-text": 768, "qwen3-embedding-8b": 4096})

    tells_cached = False
    tells_thought = False
    faults: Mapping[str, Fault] = {
        "bad-key": Fault(401, {"error": {"message": "Invalid API key"}}, AuthenticationError),
        "bad-key-text": Fault(401, {"error": "Invalid API key"}, AuthenticationError),
        "no-credits": Fault(402, {"error": {"message": "Insufficient credits"}}, BillingError),
        "gone": Fault(404, {"error": {"message": "model 'x' not found"}}, ModelNotFoundError),
        "rate-limit": Fault(429, {"error": "too many requests"}, RateLimitError, {"retry-after": "9"}, retry_after=9.0),
        "semantic": Fault(422, {"detail": "Unprocessable"}, InvalidRequestError),
        "broken": Fault(500, {"error": "model runner has unexpectedly stopped"}, ServerError),
        "gateway": Fault(502, BAD_GATEWAY, ServerError),
    }

    def vary(self, variant: str) -> None:
        if variant == "strict":
            self.rules = replace(self.rules, strict=True, turns=without(TURNS, "refusal"))
        if variant == "as-ollama":
            self.calls = "whole"
            self.thought = "reasoning"
        if variant == "think-tags":
            self.thought = None

    def envelope(self, refusal: RefusedError) -> Json:
        return {"error": refusal.message} if self.variant == "as-ollama" else super().envelope(refusal)
