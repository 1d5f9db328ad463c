"""DeepInfra: a cost in its usage, tool results as text only; much of it is hearsay, hence its variants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from shared_core import (
    AuthenticationError,
    BillingError,
    ContextLengthError,
    Finish,
    InvalidRequestError,
    ListedModel,
    ModelNotFoundError,
    RateLimitError,
    ServerError,
)
from tests.places.brain import RefusedError
from tests.places.checks import CORE, PARTS, SAMPLERS, Rules
from tests.places.embedding import Embedding
from tests.places.faults import Fault
from tests.places.instances import Json
from tests.places.simulator import Said, Simulator

_COST = 0.000025
_TOLD = "Model busy, retry later"


class DeepInfra(Simulator):
    name = "deepinfra"
    variants = ("lenient", "strict", "detail", "only-auto")
    prefix = "/v1/openai"
    rules = Rules(
        fields=CORE | frozenset({"frequency_penalty", "presence_penalty", "logit_bias", "n", "stream_options"}),
        unclear=SAMPLERS
        | frozenset(
            [
                *("seed", "logprobs", "top_logprobs", "user", "reasoning_effort", "parallel_tool_calls"),
                *("service_tier", "max_completion_tokens", "input_audio", "file"),
            ]
        ),
        parts={**PARTS, "tool": frozenset()},
        strict=False,
        status=422,
    )
    models = (
        ListedModel("meta-llama/Llama-3.3-70B-Instruct", 131072, 131072),
        ListedModel("meta-llama/Llama-3.3-70B-Instruct-Turbo", 131072, 131072),
        ListedModel("moonshotai/Kimi-K3", 1048576, 1048576),
    )
    vision_model = "moonshotai/Kimi-K3"
    embedding = Embedding(
        {"BAAI/bge-m3": 1024, "Qwen/Qwen3-Embedding-8B": 4096}, most=1024, form="base64", dimensions=True
    )
    small_vectors = "Qwen/Qwen3-Embedding-8B"

    faults: Mapping[str, Fault] = {
        "bad-key": Fault(401, {"detail": {"error": "User is not authenticated"}}, AuthenticationError),
        "no-money": Fault(402, {"detail": {"error": "Add balance to continue"}}, BillingError, says="Add balance"),
        "gone": Fault(404, {"detail": {"error": "Model not found"}}, ModelNotFoundError),
        "gone-openai": Fault(404, {"error": {"message": "The model `x` does not exist"}}, ModelNotFoundError),
        "method": Fault(405, {"detail": "Method Not Allowed"}, InvalidRequestError),
        "semantic": Fault(
            422,
            {"detail": [{"type": "missing", "loc": ["body", "messages"], "msg": "Field required"}]},
            InvalidRequestError,
            says="body.messages: Field required",
        ),
        "busy": Fault(429, {"detail": {"error": _TOLD}}, RateLimitError, says=_TOLD),
        "busy-openai": Fault(429, {"error": {"message": _TOLD}}, RateLimitError, says=_TOLD),
        "overflow": Fault(
            400,
            {"error": {"message": "This model's maximum context length is 8192 tokens, however you requested 9000."}},
            ContextLengthError,
            windows=(9000, 8192),
        ),
        "broken": Fault(500, {"detail": "inference exception"}, ServerError),
    }

    def vary(self, variant: str) -> None:
        if variant == "strict":
            self.rules = replace(self.rules, strict=True)
        if variant == "only-auto":
            self.rules = replace(self.rules, choices=frozenset({"auto", "none"}), named_tool=False)

    def envelope(self, refusal: RefusedError) -> Json:
        if self.variant == "detail":
            return {"detail": {"error": refusal.message}}
        return {"error": {"message": refusal.message, "type": "invalid_request_error", "code": refusal.code}}

    def told(self, said: Said) -> Finish:
        return replace(super().told(said), cost=_COST)

    def usage(self, said: Said) -> Json:
        return {**super().usage(said), "estimated_cost": _COST}

    def entry(self, listed: ListedModel) -> Json:
        known: Json = {"context_length": listed.context_window, "max_tokens": listed.max_output, "tags": []}
        return {**super().entry(listed), "metadata": {**known, "pricing": {"input_tokens": 0.23, "output_tokens": 0.4}}}
