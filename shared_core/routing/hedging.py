"""Asks a second target when the first token is late, and takes whichever answer begins first."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Any, Self

from shared_core.backends.base import AsyncStream, Backend, Stream
from shared_core.errors import BackendError
from shared_core.folding import Fold
from shared_core.routing.lateness import Lateness
from shared_core.routing.picture import picture
from shared_core.routing.racing import Heat, arace, race
from shared_core.routing.router import Router
from shared_core.routing.target import TargetStatus
from shared_core.types import Capabilities, ChatRequest, ChatResponse, EmbedRequest, EmbedResponse


class Hedged:
    """A route that asks a second target when the first token is late: a backend that costs more and waits less.

    The token is late `after` so many seconds, or after a percentile ("p95") of the recent waits. The answer that begins
    first is taken, and the other call is ended: cancelled at once where it is async; where it is sync, its connection
    is closed with its next piece, or when reading it times out, because nothing else ends a read. At most `budget` of
    the calls are made twice. Once an answer has begun, no other takes its place. Whole answers are read as streams, so
    that their first token is seen too. Embeddings are handed on to the route.

    An answer that was waited for twice says so in its `Finish.metadata`, under "hedged": the seconds after which the
    second target was asked, and which of the two won.

    Raises `ConfigurationError` for settings and targets that make no route.
    """

    def __init__(
        self,
        targets: Router | Sequence[Backend | str],
        *,
        after: float | str = "p95",
        budget: float = 0.1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._route = targets if isinstance(targets, Router) else Router(targets, clock=clock)
        self._settings = after, budget
        self._clock = clock
        self._lateness = Lateness(after, budget)

    # --- what it is ---

    @property
    def name(self) -> str:
        """The route."""
        return "hedged"

    @property
    def model(self) -> str:
        """The targets' model; if they differ, all of them."""
        return self._route.model

    @property
    def backends(self) -> tuple[Backend, ...]:
        """What the route is made of, in the order given."""
        return self._route.backends

    @property
    def capabilities(self) -> Capabilities:
        """What all targets can do."""
        return self._route.capabilities

    def status(self) -> list[TargetStatus]:
        """How each target is, at this moment."""
        return self._route.status()

    def with_model(self, model: str) -> Self:
        """The same route with another model everywhere; it has learned nothing of how long that takes."""
        return self._over(self._route.with_model(model), Lateness(*self._settings))

    def without_retries(self) -> Self:
        """The same route that tries each target once: for use within another one."""
        return self._over(self._route.without_retries(), self._lateness)

    def _over(self, route: Router, lateness: Lateness) -> Self:
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, _route=route, _lateness=lateness)
        return other

    # --- calls ---

    def chat(self, request: ChatRequest) -> ChatResponse:
        """Answer, whole. Raises a `BackendError`."""
        heat, whole = self._heat(), Fold()
        try:
            for event in race(heat, request):
                whole.add(event)
            return whole.response()
        except BackendError as error:
            if not (heat.is_won and error.failover):
                raise
        # Nobody has seen the piece that came, so other targets may still take its place.
        return heat.rest().chat(request)

    async def achat(self, request: ChatRequest) -> ChatResponse:
        """Answer, whole. Raises a `BackendError`."""
        heat, whole = self._heat(), Fold()
        try:
            async for event in arace(heat, request):
                whole.add(event)
            return whole.response()
        except BackendError as error:
            if not (heat.is_won and error.failover):
                raise
        return await heat.rest().achat(request)

    def stream(self, request: ChatRequest) -> Stream:
        """Answer, as it comes. Raises a `BackendError`."""
        yield from race(self._heat(), request)

    async def astream(self, request: ChatRequest) -> AsyncStream:
        """Answer, as it comes. Raises a `BackendError`."""
        async with aclosing(arace(self._heat(), request)) as events:
            async for event in events:
                yield event

    def embed(self, request: EmbedRequest) -> EmbedResponse:
        """Vectors in the order of the texts, of the route. Raises a `BackendError`."""
        return self._route.embed(request)

    async def aembed(self, request: EmbedRequest) -> EmbedResponse:
        """Vectors in the order of the texts, of the route. Raises a `BackendError`."""
        return await self._route.aembed(request)

    def _heat(self) -> Heat:
        return Heat(self._route, self._lateness, self._clock)

    # --- copies and pictures ---

    def __repr__(self) -> str:
        return f"<hedged {self._route!r}>"

    def _repr_html_(self) -> str:
        return picture(self.status())

    def __copy__(self) -> Self:
        return self._over(self._route.__copy__(), Lateness(*self._settings))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.__copy__()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_lateness"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lateness = Lateness(*self._settings)
