"""Embeds any number of texts over a backend that takes some at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Protocol, TypeAlias, runtime_checkable

from shared_core.backends.base import EmbedBackend
from shared_core.backends.embed_job import Job, Plan
from shared_core.backends.embed_options import EmbedOptions
from shared_core.types import EmbedRequest, EmbedResponse

Send: TypeAlias = Callable[[EmbedRequest], EmbedResponse]
AsyncSend: TypeAlias = Callable[[EmbedRequest], Awaitable[EmbedResponse]]


def embed_all(send: Send, request: EmbedRequest, plan: Plan) -> EmbedResponse:
    """Embed the texts by as many calls as it takes. Raises the first error, with `partial`."""
    job = Job(request, plan)

    def work() -> None:
        while piece := job.next_piece():
            with piece:
                piece.answer(send(piece.request))

    if job.workers == 1:
        work()
    else:
        _run(work, job)
    return job.response()


def _run(work: Callable[[], None], job: Job) -> None:
    pool = ThreadPoolExecutor(job.workers, "embed")
    try:
        for future in [pool.submit(copy_context().run, work) for _ in range(job.workers)]:
            future.result()
    finally:
        job.stop()
        pool.shutdown(wait=False)  # an interrupt need not wait for the calls under way


async def aembed_all(send: AsyncSend, request: EmbedRequest, plan: Plan) -> EmbedResponse:
    """Embed the texts by as many calls as it takes. Raises the first error, with `partial`."""
    job = Job(request, plan)

    async def work() -> None:
        while piece := job.next_piece():
            with piece:
                piece.answer(await send(piece.request))

    if job.workers == 1:
        await work()
    else:
        async with asyncio.TaskGroup() as group:
            for _ in range(job.workers):
                group.create_task(work())
    return job.response()


@runtime_checkable
class TakesEmbedOptions(Protocol):
    """A backend that embeds in batches by itself."""

    def with_embed_options(self, options: EmbedOptions) -> EmbedBackend:
        """The same model; what `options` say goes before what was said earlier."""
        ...


def embedder(backend: EmbedBackend, options: EmbedOptions) -> EmbedBackend:
    """The same model, any number of texts at a time, as `options` say; over any backend, also one of your own."""
    return backend.with_embed_options(options) if isinstance(backend, TakesEmbedOptions) else Batched(backend, options)


class Batched:
    """A backend that embeds as many texts as it is given, made to embed any number."""

    def __init__(self, backend: EmbedBackend, options: EmbedOptions) -> None:
        self._backend = backend
        self._options = options

    @property
    def name(self) -> str:
        """The place."""
        return self._backend.name

    @property
    def model(self) -> str:
        """The model's id at that place."""
        return self._backend.model

    def with_model(self, model: str) -> Batched:
        """The same place and options with another model."""
        return Batched(self._backend.with_model(model), self._options)

    def with_embed_options(self, options: EmbedOptions) -> Batched:
        """The same model; what `options` say goes before what was said earlier."""
        return Batched(self._backend, options.over(self._options))

    def embed(self, request: EmbedRequest) -> EmbedResponse:
        """Vectors in the order of the texts. Raises the first error, with `partial`."""
        return embed_all(self._backend.embed, request, self._plan())

    async def aembed(self, request: EmbedRequest) -> EmbedResponse:
        """Vectors in the order of the texts. Raises the first error, with `partial`."""
        return await aembed_all(self._backend.aembed, request, self._plan())

    def _plan(self) -> Plan:
        return Plan(self._options, self.model, self.name)
