"""One place under check: its row, the simulator that plays it, and the half of the methods that is driven."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from shared_core import (
    CATALOG,
    Backend,
    ChatRequest,
    ChatResponse,
    DroppedOptionWarning,
    Finish,
    Message,
    Place,
    Tool,
    connect,
    fold,
)
from shared_core.backends.advice import warn_dropped
from tests.halves import Half
from tests.places.instances import Json
from tests.places.simulator import KEY, Said, Simulator

WEATHER = Tool(
    name="get_weather",
    description="The weather in a city.",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
CLOCK = Tool(
    name="get_time",
    description="The time in a zone.",
    parameters={"type": "object", "properties": {"zone": {"type": "string"}, "hours": {"type": "integer"}}},
)
SCHEMA: Json = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "population": {"type": "integer"}},
    "required": ["city", "population"],
    "additionalProperties": False,
}


@dataclass
class UnderCheck:
    """What a check gets. `client` reaches the simulator without a socket, where that is enough."""

    sim: Simulator
    half: Half
    client: httpx.Client | None = None

    @property
    def place(self) -> Place:
        return CATALOG[self.sim.name]

    @property
    def chat_model(self) -> str:
        """The row's own default where it has one: it must be among those that the place serves."""
        return self.place.chat_model or self.sim.models[0].id

    @property
    def embedding_model(self) -> str | None:
        """The row's own default, or what the operator of a server without one chose."""
        served = self.sim.embedding.models if self.sim.embedding and self.place.server else ()
        return self.place.embedding_model or next(iter(served), None)

    def backend(
        self,
        model: str | None = None,
        key: str | None = KEY,
        headers: Mapping[str, str] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Backend:
        url = f"http://played{self.sim.prefix}" if self.client else self.sim.url
        return connect(
            self.sim.name,
            model=model or self.chat_model,
            api_key=key,
            base_url=url,
            max_retries=0,
            default_headers=headers,
            http_client=self.client,
            **(options or {}),
        )

    def whole(self, request: ChatRequest, model: str | None = None) -> tuple[ChatResponse, Said]:
        """The answer that is not streamed."""
        response = self.half.chat(self.backend(model), request)
        return response, self.sim.said[-1]

    def streamed(self, request: ChatRequest, model: str | None = None, **headers: str) -> tuple[ChatResponse, Said]:
        """The answer that is streamed, folded; it has exactly one `Finish`, last."""
        events = self.half.events(self.backend(model, headers=headers), request)
        assert [isinstance(event, Finish) for event in events].index(True) == len(events) - 1
        return fold(events), self.sim.said[-1]

    def answers(self, request: ChatRequest, model: str | None = None) -> list[ChatResponse]:
        """Whole and streamed, where what the model said may not be what the answer is."""
        return [self.whole(request, model)[0], self.streamed(request, model)[0]]

    def both(self, request: ChatRequest, model: str | None = None) -> list[tuple[ChatResponse, Said]]:
        """Whole and streamed: each must be what the model said, and told of as the place tells it."""
        answers = [self.whole(request, model), self.streamed(request, model)]
        for response, said in answers:
            self.agrees(response, said)
        whole, streamed = (_shown(response, ids=self.sim.tells_ids) for response, _ in answers)
        assert whole == streamed
        return answers

    def agrees(self, response: ChatResponse, said: Said) -> None:
        """Fail unless the answer is what the model said."""
        assert (response.text, response.reasoning) == (said.answer.text, said.answer.reasoning)
        calls = [(call.name, _parsed(call.arguments)) for call in response.tool_calls]
        assert calls == [(name, _parsed(arguments)) for name, arguments in said.answer.calls]
        told, finish = self.sim.told(said), response.finish
        assert (finish.reason, finish.usage, finish.id, finish.model) == (told.reason, told.usage, told.id, told.model)

    def sent(self, request: ChatRequest, model: str | None = None) -> list[Json]:
        """The bodies that went out, for the whole answer and for the streamed one."""
        return [said.body for _, said in self.both(request, model)]


def _parsed(arguments: str) -> Any:
    """What the arguments say: some places send them as an object, which loses the blanks."""
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def _shown(response: ChatResponse, *, ids: bool) -> tuple[object, ...]:
    """All of an answer but its id, and its usage: the second answer reads its prompt from a cache."""
    finish = response.finish
    calls = [(call.id if ids else None, call.name, _parsed(call.arguments)) for call in response.tool_calls]
    return response.text, response.reasoning, calls, response.logprobs, finish.reason, finish.metadata


def ask(*parts: Any, **options: Any) -> ChatRequest:
    """A request with one message of the user's."""
    return ChatRequest(messages=(Message(role="user", parts=parts or ("Hi",)),), **options)


@contextmanager
def drops() -> Iterator[list[str]]:
    """Collects what is said to be dropped, which otherwise fails a test; filled at the end."""
    warn_dropped.cache_clear()
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("error")
        warnings.simplefilter("always", DroppedOptionWarning)
        yield said
    said += [str(warning.message) for warning in caught]
    warn_dropped.cache_clear()


Check = Callable[[UnderCheck], None]
