"""Decodes one answer at a time."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter

from shared_core.local.cancellation import Cancellation
from shared_core.local.generation import Generation
from shared_core.local.model import Model
from shared_core.types import ChatRequest, Event, Timings


def answer(model: Model, request: ChatRequest, template: str | None, cancellation: Cancellation) -> Iterator[Event]:
    """The events of the answer, `Finish` last. Runs on the model's thread."""
    started = perf_counter()
    context = model.chat_context
    generation = Generation(model, request, template)
    try:
        with context.sequence(cancellation):
            logits = context.read(generation.prompt)
            read = perf_counter()
            yield from generation.take(logits)
            while generation.reason is None:
                yield from generation.take(context.read([generation.token]))
        written = perf_counter()
        yield generation.finish(Timings(prompt=read - started, completion=written - read, total=written - started))
    finally:
        generation.close()
