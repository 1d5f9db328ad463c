"""Drives the sync and the async half of a backend through one interface, so that each test covers both."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from shared_core import (
    ChatBackend,
    ChatRequest,
    ChatResponse,
    EmbedBackend,
    EmbedRequest,
    EmbedResponse,
    Event,
    ListedModel,
)


class ListsModels(Protocol):
    """A backend that can be asked what its place serves."""

    def models(self) -> list[ListedModel]: ...

    async def amodels(self) -> list[ListedModel]: ...


class SyncHalf:
    """The methods without `a`."""

    def chat(self, backend: ChatBackend, request: ChatRequest) -> ChatResponse:
        return backend.chat(request)

    def events(self, backend: ChatBackend, request: ChatRequest, into: list[Event] | None = None) -> list[Event]:
        """All events; those before an error stand in `into`."""
        events = [] if into is None else into
        for event in backend.stream(request):
            events.append(event)
        return events

    def first_event(self, backend: ChatBackend, request: ChatRequest) -> Event:
        """The first event; then the stream is closed."""
        stream = backend.stream(request)
        try:
            return next(stream)
        finally:
            stream.close()

    def embed(self, backend: EmbedBackend, request: EmbedRequest) -> EmbedResponse:
        return backend.embed(request)

    def models(self, backend: ListsModels) -> list[ListedModel]:
        return backend.models()


class AsyncHalf:
    """The methods with `a`, all in one event loop."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner

    def chat(self, backend: ChatBackend, request: ChatRequest) -> ChatResponse:
        return self._runner.run(backend.achat(request))

    def events(self, backend: ChatBackend, request: ChatRequest, into: list[Event] | None = None) -> list[Event]:
        events: list[Event] = [] if into is None else into

        async def collect() -> list[Event]:
            async for event in backend.astream(request):
                events.append(event)  # noqa: PERF401 - what came before an error must be kept
            return events

        return self._runner.run(collect())

    def first_event(self, backend: ChatBackend, request: ChatRequest) -> Event:
        async def first() -> Event:
            stream = backend.astream(request)
            try:
                return await anext(stream)
            finally:
                await stream.aclose()

        return self._runner.run(first())

    def embed(self, backend: EmbedBackend, request: EmbedRequest) -> EmbedResponse:
        return self._runner.run(backend.aembed(request))

    def models(self, backend: ListsModels) -> list[ListedModel]:
        return self._runner.run(backend.amodels())


Half = SyncHalf | AsyncHalf


@contextmanager
def half_named(name: str) -> Iterator[Half]:
    if name == "sync":
        yield SyncHalf()
        return
    with asyncio.Runner() as runner:
        yield AsyncHalf(runner)
