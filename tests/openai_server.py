"""A loopback server that speaks the OpenAI API over real sockets, as strictly as OpenAI, vLLM or Fireworks.

What its model says is decided in `tests/places/brain.py`, where the moods are that a model's name may ask for. Beside
these, a name asks for trouble:

    error-429, error-500, ...   that status, with an error body and a request id (429 also with `retry-after`)
    context-overflow            400, "context_length_exceeded"
    echo-key                    401, with the key in the message, as some servers do
    stream-error                a stream with an error event in it
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass

from shared_core import BackendError, ListedModel
from tests.places.brain import RefusedError
from tests.places.checks import DEVELOPER, OPENAI, PARTS, SAMPLERS, Rules
from tests.places.embedding import Embedding
from tests.places.faults import Fault
from tests.places.instances import Json
from tests.places.serving import Sent
from tests.places.simulator import Said, Simulator
from tests.places.vectors import vector
from tests.raw_server import Received

__all__ = ["OpenAIServer", "Seen", "vector"]


@dataclass
class Seen:
    """One request, as it came."""

    path: str
    headers: dict[str, str]
    body: Json


def _error(message: str, code: str, kind: str = "invalid_request_error") -> Json:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


_OVERFLOW = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."


class OpenAIServer(Simulator):
    """Runs in threads of its own while entered. `key` is the only accepted one; `None` takes any, and none."""

    name = "openai"
    rules = Rules(
        fields=OPENAI | SAMPLERS | {"repeat_penalty", "chat_template_kwargs", "grammar"},
        turns=DEVELOPER,
        parts={**PARTS, "developer": PARTS["system"]},
    )
    any_model = True

    def __init__(
        self, *, key: str | None = None, models: tuple[str, ...] = ("small", "large"), dimensions: int = 32
    ) -> None:
        super().__init__(key=key)
        self.models = tuple(ListedModel(name) for name in models)
        self.embedding = Embedding({}, usual=dimensions, most=2048, dimensions=True)
        self.seen: list[Seen] = []

    @property
    def left(self) -> threading.Event:
        """Set when a client leaves in the middle of a stream."""
        return self.server.hung_up

    def answer(self, request: Received) -> Sent:
        if request.method == "POST":
            self.seen.append(Seen(request.path, request.headers, request.json))
        return super().answer(request)

    def authorise(self, request: Received) -> None:
        if request.method == "POST" and request.json.get("model") == "echo-key":
            given = request.headers.get("authorization", "").removeprefix("Bearer ")
            raise RefusedError(f"Incorrect API key provided: {given}.", 401, "invalid_api_key")
        super().authorise(request)

    def fault(self, model: str) -> Fault | None:
        if match := re.fullmatch(r"error-(\d+)", model):
            headers = {"retry-after": "7"} if match[1] == "429" else {}
            body = _error(f"as asked for: {match[1]}", f"code_{match[1]}")
            return Fault(int(match[1]), body, BackendError, headers)
        if model == "context-overflow":
            return Fault(400, _error(_OVERFLOW, "context_length_exceeded"), BackendError)
        if model == "stream-error":
            body = _error("the engine fell over", "server_error", "server_error")
            return Fault(200, body, BackendError, event="", done=True)
        return None

    def head(self, said: Said | None = None) -> dict[str, str]:
        return {"x-request-id": "req_loopback"}

    def about(self, said: Said, kind: str) -> Json:
        return {**super().about(said, kind), "id": f"chatcmpl-{said.number + 1}", "system_fingerprint": "fp_loopback"}
