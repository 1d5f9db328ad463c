"""Llama Stack 0.2.12, 0.3 and OGX 1.5: another path, other ids and another list of models in each; never a [DONE]."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from shared_core import (
    AuthenticationError,
    BackendTimeoutError,
    ContextLengthError,
    Finish,
    InvalidRequestError,
    ListedModel,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    UnsupportedError,
)
from tests.places.brain import MOODS, RefusedError
from tests.places.checks import DEVELOPER, OPENAI, SAMPLERS, Rules
from tests.places.embedding import Embedding, embed
from tests.places.faults import Fault
from tests.places.instances import Json
from tests.places.serving import Sent
from tests.places.simulator import SMALL_WINDOW, OwnOption, Said, Simulator, frame
from tests.raw_server import Received

_PROVIDER = "up/"
_TRACE = "cea8aea53aa6a9d34568e686c57deaab"
_CHAT = ("small", *sorted(MOODS), SMALL_WINDOW)
_EMBEDDER = "embedder"
_WINDOW = (
    "Error code: 400 - This model's maximum context length is {} tokens. However, your messages resulted in {} tokens."
)
_UNEXPECTED = "Internal server error: An unexpected error occurred."
_MISSING = {"loc": ["body", "messages"], "msg": "Field required", "type": "missing"}


def _list(prefix: str, owner: str, dimensions: int | None) -> tuple[ListedModel, ...]:
    chats = [ListedModel(prefix + name, kind="chat", owned_by=owner) for name in _CHAT]
    return (*chats, ListedModel(prefix + _EMBEDDER, kind="embedding", dimensions=dimensions, owned_by=owner))


class LlamaStack(Simulator):
    """From 0.3 on ids begin with the provider's, except for those that an operator gave."""

    name = "llama_stack"
    variants = ("ogx-1.5", "0.3", "0.2.12")
    rules = Rules(
        fields=OPENAI | {"prompt_cache_key", "safety_identifier"},
        # Handed on to the provider, or left out: as the version has it.
        unclear=SAMPLERS | {"reasoning_effort", "user", "input_audio", "file"},
        strict=False,
        turns=DEVELOPER,
        both_limits=True,
    )
    provider = _PROVIDER
    models = _list(_PROVIDER, "ogx", None)
    vision_model = "small"
    embedding = Embedding({_PROVIDER + _EMBEDDER: 32}, strict=False)
    own: Mapping[str, OwnOption] = {
        "provider_data": OwnOption(
            {"up_api_key": "sk-up"},
            headers=("x-llamastack-provider-data", "x-ogx-provider-data"),
            as_sent='{"up_api_key":"sk-up"}',
        )
    }

    thought: str | None = "reasoning"
    says_done = False
    faults: Mapping[str, Fault] = {
        "overflow": Fault(
            400, {"error": {"message": _WINDOW.format(8192, 9000)}}, ContextLengthError, windows=(9000, 8192)
        ),
        "overflow-detail": Fault(400, {"detail": _WINDOW.format(8192, 9000)}, ContextLengthError, windows=(9000, 8192)),
        "overflow-streamed": Fault(
            200,
            {"error": {"message": f"400: {_WINDOW.format(8192, 9000)}"}},
            ContextLengthError,
            event="",
            windows=(9000, 8192),
        ),
        "invalid": Fault(
            400,
            {"error": {"message": str({"errors": [_MISSING]})}},
            InvalidRequestError,
            says="Field required",
        ),
        "invalid-nested": Fault(
            400,
            {"error": {"detail": {"errors": [_MISSING]}}},
            InvalidRequestError,
            says="body.messages: Field required",
        ),
        "invalid-streamed": Fault(
            200,
            {"error": {"message": "400: " + str({"errors": [_MISSING]})}},
            InvalidRequestError,
            event="",
            says="Field required",
        ),
        "no-auth": Fault(401, {"error": {"message": "Missing or invalid Authorization header"}}, AuthenticationError),
        "no-access": Fault(403, {"error": {"message": "Access denied"}}, PermissionDeniedError),
        "no-tenant": Fault(
            400,
            {"error": {"message": "Model 'up/large' is of type 'llm' rather than the expected type 'embedding'"}},
            InvalidRequestError,
        ),
        "limit": Fault(429, {"error": {"message": "Error code: 429 - slow down"}}, RateLimitError),
        "limit-hidden": Fault(500, {"detail": _UNEXPECTED}, ServerError, says="unexpected error"),
        "limit-hidden-streamed": Fault(200, {"error": {"message": f"500: {_UNEXPECTED}"}}, ServerError, event=""),
        "limit-streamed": Fault(
            200, {"error": {"message": "429: Error code: 429 - slow down"}}, RateLimitError, event=""
        ),
        "behind": Fault(200, {"error": {"message": _UNEXPECTED, "code": "500"}}, ServerError, event="", code="500"),
        "old-client": Fault(426, {"error": {"message": "client version mismatch"}}, InvalidRequestError),
        "not-implemented": Fault(501, {"detail": "Not implemented: "}, UnsupportedError),
        "no-upstream": Fault(502, {"error": {"message": "Could not reach the provider"}}, ServerError),
        "slow": Fault(504, {"error": {"message": "Operation timed out: "}}, BackendTimeoutError),
    }

    def vary(self, variant: str) -> None:
        if variant == "ogx-1.5":
            return
        self.provider = "" if variant == "0.2.12" else _PROVIDER
        self.thought = "reasoning_content"
        self.keyless = True
        self.models = _list(self.provider, "up", 32)
        self.embedding = Embedding({self.provider + _EMBEDDER: 32}, strict=False, usage=variant != "0.2.12")

    def _routed(self, request: Received) -> Sent:
        """The OpenAI API below /v1, or below /v1/openai/v1, or below both."""
        older = "/v1/openai/v1/"
        if request.path.startswith(older) and self.variant != "ogx-1.5":
            return super()._routed(replace(request, path=f"/v1/{request.path.removeprefix(older)}"))
        if self.variant == "0.2.12" and request.path != "/v1/models":
            raise self.no_path(request)
        return super()._routed(request)

    def _chat(self, body: Json) -> Sent:
        """Older versions begin a stream before they look at what was asked."""
        try:
            return super()._chat(body)
        except RefusedError as refusal:
            if not body.get("stream") or self.variant == "ogx-1.5":
                raise
            error = {"error": {"message": f"{refusal.status}: {refusal.message}"}}
            return Sent(200, [frame(error)], {"content-type": "text/event-stream; charset=utf-8"}, streamed=True)

    def _serves(self, model: str) -> bool:
        return super()._serves(model) and not model.endswith(_EMBEDDER)

    def _say(self, body: Json) -> Said:
        said = super()._say({**body, "model": body["model"].removeprefix(self.provider)})
        said.body = body
        return said

    def check(self, body: Json) -> None:
        super().check({**body, "model": body["model"].removeprefix(self.provider)})

    def check_window(self, body: Json, prompt: int, limit: int, window: int) -> None:
        raise RefusedError(_WINDOW.format(window, prompt + limit))

    def envelope(self, refusal: RefusedError) -> Json:
        if self.variant == "0.2.12" or refusal.message == "Not Found":
            return {"detail": refusal.message}
        if self.variant == "0.3":
            return {"error": {"detail": refusal.message}}
        return {"error": {"message": refusal.message}}

    def wrong_key(self, given: str) -> RefusedError:
        return RefusedError("Authentication failed", 401)

    def no_model(self, model: str) -> RefusedError:
        if self.variant == "0.2.12":
            return RefusedError(f"Invalid value: Model '{model}' not found", 400)
        return RefusedError(f"Model '{model}' not found. Use 'client.models.list()' to list available Models.", 404)

    def no_path(self, request: Received) -> RefusedError:
        return RefusedError("Not Found", 404)

    def head(self, said: Said | None = None) -> dict[str, str]:
        return {} if self.variant == "ogx-1.5" else {"x-trace-id": _TRACE}

    def about(self, said: Said, kind: str) -> Json:
        return {
            **super().about(said, kind),
            "system_fingerprint": "fp_upstream",
            "service_tier": None,
            "moderation": None,
        }

    def told(self, said: Said) -> Finish:
        trace = None if self.variant == "ogx-1.5" else _TRACE
        return replace(super().told(said), request_id=trace, metadata={"system_fingerprint": "fp_upstream"})

    def usage(self, said: Said) -> Json:
        """With null for what nobody counted."""
        usage = super().usage(said)
        for details in ("prompt_tokens_details", "completion_tokens_details"):
            usage[details] = {"audio_tokens": None, "text_tokens": None, **usage[details]}
        return usage

    def whole(self, said: Said) -> Json:
        """With null for all that there is not."""
        body = super().whole(said)
        choice = body["choices"][0]
        message = {**_NOTHING, "annotations": None, **choice["message"]}
        return {**body, "choices": [{"logprobs": None, **choice, "message": message}], "metadata": None}

    def chunks(self, said: Said) -> Iterator[Json]:
        """With null for all that has not come."""
        for chunk in super().chunks(said):
            for choice in chunk["choices"]:
                choice["delta"] = {**_NOTHING, **choice["delta"]}
                choice.setdefault("logprobs", None)
                for call in choice["delta"]["tool_calls"] or ():
                    call |= {"id": call.get("id"), "type": call.get("type")}
                    call["function"].setdefault("name", None)
            yield {"usage": None, "obfuscation": None, **chunk}

    def _embeddings(self, body: Json, embedding: Embedding) -> Sent:
        """Version 0.2.12 does not know what was spent, and says -1."""
        if str(body.get("model")) not in embedding.models:
            raise self.no_model(str(body.get("model")))
        answer = embed(body, embedding)
        unknown = {} if embedding.usage else {"usage": {"prompt_tokens": -1, "total_tokens": -1}}
        return self._json({**answer, **unknown, "model": _EMBEDDER})

    def listing(self) -> Json:
        served = [self.entry(listed) for listed in self.models]
        return {"object": "list", "data": served} if self.variant == "ogx-1.5" else {"data": served}

    def entry(self, listed: ListedModel) -> Json:
        """Its own form until OGX, which has OpenAI's."""
        kind = "embedding" if listed.kind == "embedding" else "llm"
        resource = listed.id.removeprefix(self.provider)
        known = {"provider_resource_id": resource, "provider_id": "up", "model_type": kind}
        if self.variant == "ogx-1.5":
            return {**super().entry(listed), "owned_by": "ogx", "custom_metadata": known}
        metadata = {"embedding_dimension": listed.dimensions} if listed.dimensions else {}
        return {"identifier": listed.id, **known, "type": "model", "metadata": metadata}


_NOTHING: Mapping[str, None] = dict.fromkeys(("audio", "content", "function_call", "refusal", "role", "tool_calls"))
