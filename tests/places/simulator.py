"""A place, played: its paths, keys, rules and faults, each a field or a method that a place of its own overrides."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import httpx

from shared_core import BackendError, Usage
from tests.places.brain import MOODS, Answer, RefusedError, answer_for, count
from tests.places.checks import Rules, check_chat
from tests.places.embedding import Embedding, embed
from tests.places.faults import Fault
from tests.places.instances import Json
from tests.places.serving import Sent, received, response, steps
from tests.places.shapes import DONE, Said, Shapes, comment, frame
from tests.raw_server import RawServer, Received, Step

__all__ = ["DONE", "KEY", "SMALL_WINDOW", "OwnOption", "Said", "Simulator", "comment", "frame"]

KEY = "sk-played-0123456789abcdef"
SMALL_WINDOW = "small-window"
"""A model whose window has 8,192 tokens."""


@dataclass(frozen=True)
class OwnOption:
    """A value for one of a place's own options, and where it arrives: a path in the body, headers, or the URL."""

    value: Any
    body: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    url: str = ""
    as_sent: object = None

    @property
    def arrives(self) -> object:
        return self.value if self.as_sent is None else self.as_sent


class Simulator(Shapes):
    """Plays one variant of one place: the documented one, and one for each way that it may be where nobody knows.

    Entered, it listens at `url`; `client()` reaches it without a socket. `told` is what must be read from an answer.
    """

    title = ""
    """What tests call it, where one row is played as several servers; else it is called by its name."""
    variants: tuple[str, ...] = ("documented",)
    prefix = "/v1"
    keyless = False
    """Whether it answers without a key."""

    # --- what it takes ---
    rules = Rules()
    advised: frozenset[str] = frozenset()
    """Fields that its documentation advises to send always."""
    vision_model: str | None = None
    echo: str | None = None
    """The key under which it wants its reasoning back while it works on a question; elsewhere it wants none."""
    embedding: Embedding | None = None
    small_vectors: str | None = None
    """An embedding model whose vectors may be asked for in fewer dimensions."""
    any_model = False
    window = 131_072
    flags: Mapping[str, bool] = {}
    """Capabilities that its documentation gives to every model, or denies to every one."""

    goes_on: Mapping[str, object] = {}
    """Fields that ask for the rest of an answer whose beginning is the last message, where that flag is "prefill"."""

    own: Mapping[str, OwnOption] = {}
    """Options that it has and others have not."""
    image_limits: str | None = None
    """What its documentation says of images, as errors about them must say it."""
    advises: Mapping[type[BackendError], str] = {}
    """What is to be done about an error here alone."""
    reads_text_alone = False
    """Whether it loses the calls of a turn that has text as well."""
    bills_nothing = False
    """Whether it is a server that its users run themselves, with models of their own."""
    billed: tuple[tuple[str, str], ...] = ()
    """URLs and models of it that are billed all the same."""
    calls_by_format = False
    """A call is forced by a format with its form, because `tool_choice` is ignored."""

    caps_answers = False
    """Whether an answer just ends where the window does, however long a one was asked for."""
    lacks: Mapping[str, type[Exception]] = {}
    """What it does not have and nobody can know before: checks, by name, and the error that each must end with."""

    faults: Mapping[str, Fault] = {}

    def __init__(self, variant: str | None = None, *, key: str | None = KEY) -> None:
        self.variant = variant or self.variants[0]
        self.key = key
        self.received: list[Received] = []
        self.said: list[Said] = []
        self.prompts: set[str] = set()
        self.vary(self.variant)

    def vary(self, variant: str) -> None:
        """Become the variant: set on this object whatever it has different from its class."""

    # --- being reached ---

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}{self.prefix}"

    @property
    def last(self) -> Json:
        """The body of the latest request."""
        body: Json = self.received[-1].json
        return body

    def __enter__(self) -> Self:
        self.server = RawServer(self._script)
        return self

    def __exit__(self, *_: object) -> None:
        self.server.close()

    def client(self) -> httpx.Client:
        """Without a socket, for `http_client`; `base_url` is any with the prefix."""
        return httpx.Client(transport=httpx.MockTransport(lambda request: response(self.answer(received(request)))))

    def _script(self, request: Received) -> Iterable[Step]:
        size = request.headers.get("x-cut")
        return steps(self.answer(request), int(size) if size else None)

    # --- requests ---

    def answer(self, request: Received) -> Sent:
        self.received.append(request)
        try:
            return self._routed(request)
        except RefusedError as refusal:
            return self._json(self.envelope(refusal), refusal.status)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            return self._json(self.envelope(RefusedError(f"malformed request: {error!r}")), 400)

    def _routed(self, request: Received) -> Sent:
        self.authorise(request)
        path = request.path.partition("?")[0]
        match request.method, path.removeprefix(self.prefix) if path.startswith(self.prefix) else None:
            case "GET", "/models":
                return self._json(self.listing())
            case "POST", "/chat/completions":
                return self._chat(json.loads(request.body))
            case "POST", "/embeddings" if self.embedding is not None:
                return self._embeddings(json.loads(request.body), self.embedding)
            case _:
                raise self.no_path(request)

    def authorise(self, request: Received) -> None:
        given = request.headers.get("authorization", "")
        if self.key is not None and not self.keyless and given != f"Bearer {self.key}":
            raise self.wrong_key(given.removeprefix("Bearer "))

    def _embeddings(self, body: Json, embedding: Embedding) -> Sent:
        fault = self.fault(str(body.get("model")))
        return self._faulty(fault) if fault else self._json(embed(body, embedding))

    def _chat(self, body: Json) -> Sent:
        model = str(body.get("model"))
        fault = self.fault(model)
        if fault is not None and fault.event is None:
            return self._faulty(fault)
        if not (fault or self.any_model or model in MOODS or model == SMALL_WINDOW or self._serves(model)):
            raise self.no_model(model)
        self.check(body)
        said = self._say(body)
        if body.get("stream"):
            return Sent(
                200, self._frames(said, fault), {"content-type": "text/event-stream", **self.head(said)}, streamed=True
            )
        return self._json(self.whole(said), said=said)

    def fault(self, model: str) -> Fault | None:
        """The trouble that a model's name asks for."""
        return self.faults.get(model)

    def _serves(self, model: str) -> bool:
        return any(listed.id == model for listed in self.models)

    def _say(self, body: Json) -> Said:
        known = self.rules.fields | self.rules.unclear
        answer = answer_for({name: value for name, value in body.items() if name in known}, begun=self.begun(body))
        said = Said(body, answer, self._usage(body, answer), len(self.said))
        self.said.append(said)
        return said

    def begun(self, body: Json) -> str:
        """The beginning of the answer, where it is to go on with one."""
        last = body["messages"][-1]
        asked = self.flags.get("prefill", False) and self.goes_on.items() <= body.items()
        return str(last["content"]) if asked and last["role"] == "assistant" else ""

    def _usage(self, body: Json, answer: Answer) -> Usage:
        prompt = json.dumps(body["messages"])
        cached = count(prompt) if prompt in self.prompts else 0
        self.prompts.add(prompt)
        thought = count(answer.reasoning)
        spent = count(answer.text) + thought + sum(count(arguments) + 1 for _, arguments in answer.calls)
        return Usage(
            count(prompt),
            spent,
            cached=cached if self.tells_cached else None,
            reasoning=thought if self.tells_thought else None,
        )

    def check(self, body: Json) -> None:
        """Refuse what the place refuses, its context window last."""
        check_chat(body, self.rules)
        window = 8192 if body["model"] == SMALL_WINDOW else self.window
        prompt = count(json.dumps(body["messages"]))
        limit = body.get("max_completion_tokens") or body.get("max_tokens") or 0
        if prompt + limit > window:
            self.check_window(body, prompt, limit, window)

    def takes(self, option: str) -> bool | None:
        """Whether an option of a request has an effect here; `None` where nobody knows."""
        name = self.rules.spellings.get(option, option)
        if name in self.rules.unclear:
            return None
        return name in self.rules.fields and name not in self.rules.ignored

    def carries(self, body: Json, option: str, value: object) -> bool:
        """Whether a request holds this option, under the name that is documented here."""
        return bool(body.get(self.rules.spellings.get(option, option)) == value)

    def check_window(self, body: Json, prompt: int, limit: int, window: int) -> None:
        """Refuse a prompt that, with its answer, is longer than the window."""
        raise RefusedError(
            f"This model's maximum context length is {window} tokens. However, you requested {prompt + limit} tokens "
            f"({prompt} in the messages, {limit} in the completion). Please reduce the length of the messages.",
            code="context_length_exceeded",
            param="messages",
        )

    # --- refusals ---

    def envelope(self, refusal: RefusedError) -> Json:
        """The body of an error."""
        error = {"message": refusal.message, "type": "invalid_request_error", "param": refusal.param}
        return {"error": {**error, "code": refusal.code, **refusal.more}}

    def wrong_key(self, given: str) -> RefusedError:
        return RefusedError("Incorrect API key provided.", 401, "invalid_api_key")

    def no_model(self, model: str) -> RefusedError:
        return RefusedError(f"The model `{model}` does not exist.", 404, "model_not_found")

    def no_path(self, request: Received) -> RefusedError:
        return RefusedError(f"Unknown request URL: {request.method} {request.path}.", 404, "unknown_url")

    # --- embeddings, errors ---

    def input_type(self, kind: str) -> str | None:
        """What it calls a question, or a document, where it makes the difference."""
        return None

    def embedded_tokens(self, texts: Iterable[str]) -> int:
        return sum(count(text) for text in texts)

    def _json(self, body: object, status: int = 200, said: Said | None = None) -> Sent:
        return Sent(status, [self.spelled(body)], {"content-type": "application/json", **self.head(said)})

    def spelled(self, body: object) -> bytes:
        """A whole body, as JSON."""
        return json.dumps(body).encode()

    def _faulty(self, fault: Fault) -> Sent:
        return Sent(fault.status, [fault.data], {"content-type": fault.content_type, **self.head(), **fault.headers})
