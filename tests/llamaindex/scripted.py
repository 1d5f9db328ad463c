"""Backends that answer from a script: the protocol's methods and a list of events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from shared_core import (
    AsyncStream,
    Capabilities,
    ChatRequest,
    ChatResponse,
    EmbedRequest,
    EmbedResponse,
    Event,
    Finish,
    Stream,
    TextDelta,
    Usage,
    fold,
)


def says(text: str, *, reason: str = "stop") -> list[Event]:
    """The events of an answer in words."""
    pieces: list[Event] = [TextDelta(word) for word in text.replace(" ", " \0").split("\0") if word]
    return [
        *pieces,
        Finish("stop" if reason == "stop" else "length", Usage(7, 3), model="scripted-1", backend="scripted"),
    ]


async def until(true: Callable[[], bool]) -> None:
    """Let the loop run on: core's wrapper leaves the closing of an inner async generator to it."""
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - a generator that closes sets no event
            await asyncio.sleep(0)


Script = list[Event] | BaseException


@dataclass
class Scripted:
    """A backend that gives its `answers` in turn, the last one for ever, and keeps every request."""

    answers: Sequence[Script] | Callable[[ChatRequest], Script] = field(default_factory=lambda: [says("Hello there")])
    capabilities: Capabilities = field(default_factory=Capabilities)
    model: str = "scripted-1"
    name: str = "scripted"
    requests: list[ChatRequest] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    closed: list[bool] = field(default_factory=list)
    pause: float = 0.0

    def with_model(self, model: str) -> Scripted:
        self.models.append(model)
        return replace(self, model=model)

    def _script(self, request: ChatRequest) -> list[Event]:
        self.requests.append(request)
        answer = self.answers(request) if callable(self.answers) else self._in_turn()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _in_turn(self) -> Script:
        assert not callable(self.answers)
        return self.answers[min(len(self.requests), len(self.answers)) - 1]

    def chat(self, request: ChatRequest) -> ChatResponse:
        return fold(self._script(request))

    def stream(self, request: ChatRequest) -> Stream:
        try:
            yield from self._script(request)
        finally:
            self.closed.append(True)

    async def achat(self, request: ChatRequest) -> ChatResponse:
        await asyncio.sleep(self.pause)
        return fold(self._script(request))

    async def astream(self, request: ChatRequest) -> AsyncStream:
        try:
            for event in self._script(request):
                await asyncio.sleep(self.pause)
                yield event
        finally:
            self.closed.append(True)


@dataclass
class Vectors:
    """An embedding backend whose vectors tell the length of the text and how many requests there were."""

    model: str = "vectors-1"
    name: str = "vectors"
    requests: list[EmbedRequest] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    def with_model(self, model: str) -> Vectors:
        return replace(self, model=model)

    def embed(self, request: EmbedRequest) -> EmbedResponse:
        self.requests.append(request)
        return EmbedResponse([[float(len(text)), 1.0] for text in request.texts])

    async def aembed(self, request: EmbedRequest) -> EmbedResponse:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0.01)
        self.at_once -= 1
        return self.embed(request)
