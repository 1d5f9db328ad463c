"""Stopping in the middle: closed streams, cancelled tasks, timeouts, the end of the process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from shared_core.errors import (
    BackendTimeoutError,
    ServerError,
    StreamInterruptedError,
)
from shared_core.local import LocalBackend, connect_local
from shared_core.local.answer_grammar import json_answer
from shared_core.local.cancellation import Cancellation, Cancelled
from shared_core.local.engine import Engine, Job
from shared_core.local.loaded import LOADED, LoadedModels
from shared_core.local.model import Model
from shared_core.local.reply import AsyncReply, Reply
from shared_core.local.serial import answer
from shared_core.types import ChatRequest, Event
from tests.local.asking import PATIENCE, ask, endless, eventually

# --- stopping ------------------------------------------------------------------------------------------------------


class Steps:
    """Chat work that counts the events it has produced."""

    def __init__(self, request: ChatRequest) -> None:
        self.request = request
        self.count = 0
        self.ended = threading.Event()

    def __call__(self, model: Model, cancellation: Cancellation) -> Iterator[Event]:
        try:
            for event in answer(model, self.request, None, cancellation):
                self.count += 1
                yield event
        finally:
            self.ended.set()


def test_closing_a_stream_stops_the_decoding(fresh: LocalBackend) -> None:
    steps = Steps(endless())
    stream = fresh._results(steps, None)
    next(stream)
    stream.close()
    assert steps.ended.wait(PATIENCE)
    assert steps.count < 1500  # of the 2000 that fit the window
    assert fresh.chat(ask(max_tokens=1)).usage.output


async def test_cancelling_a_task_stops_the_decoding(fresh: LocalBackend) -> None:
    steps, started = Steps(endless()), asyncio.Event()

    async def read() -> None:
        async with aclosing(fresh._aresults(steps, None)) as events:
            async for _ in events:
                started.set()

    task = asyncio.create_task(read())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(steps.ended.wait, PATIENCE)
    assert steps.count < 1500


async def test_cancelled_while_waiting_it_never_begins(fresh: LocalBackend) -> None:
    steps = Steps(ask())
    async with aclosing(fresh.astream(endless())) as running:
        await anext(running)
        waiting = asyncio.ensure_future(anext(fresh._aresults(steps, None)))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert (await fresh.achat(ask(max_tokens=1))).usage.output
    assert steps.count == 0


def test_a_closed_loop_stops_the_decoding(fresh: LocalBackend) -> None:
    steps = Steps(endless())
    loop = asyncio.new_event_loop()

    async def begin() -> AsyncReply[Event]:
        return AsyncReply(None)

    reply = loop.run_until_complete(begin())
    loop.close()
    fresh._submit(Job(steps, reply))
    assert eventually(lambda: reply.cancellation.requested)
    assert fresh.chat(ask(max_tokens=1)).usage.output
    assert steps.count < 1500


def test_reading_a_long_prompt_can_be_stopped(large_path: Path) -> None:
    cancellation = Cancellation()
    model = Model(connect_local(str(large_path)).options, PATIENCE, Cancellation())
    try:
        with model.chat_context.sequence(cancellation):
            threading.Timer(0.05, cancellation.cancel).start()
            with pytest.raises(Cancelled):  # within a batch, by llama.cpp's abort callback
                model.chat_context.read(list(b"x" * 512))
            with pytest.raises(Cancelled):  # between two batches
                model.chat_context.read([1])
        with model.chat_context.sequence(Cancellation()):
            assert model.chat_context.read([1]).shape == (model.vocabulary.size,)
    finally:
        model.close()


def test_what_llama_cpp_refuses_is_an_error_and_no_more(tiny_path: Path) -> None:
    model = Model(connect_local(str(tiny_path)).options, PATIENCE, Cancellation())
    stranger = model.vocabulary.size + 7
    try:
        with model.chat_context.sequence(Cancellation()):
            with pytest.raises(ServerError, match="could not decode 1 tokens"):
                model.chat_context.read([stranger])
            assert model.chat_context.read([1]).shape == (model.vocabulary.size,)
        with pytest.raises(ServerError, match="could not embed 1 tokens"):
            model.embedding_context(1).embed([[stranger]])
        constraint = model.schema_compiler.compile(json_answer({"type": "integer"}))
        with pytest.raises(ServerError, match="dead end"):
            constraint.accept(ord("x"))
    finally:
        model.close()


def test_a_call_may_take_only_so_long(fresh: LocalBackend) -> None:
    fresh.chat(ask(max_tokens=1))
    hasty = replace(fresh, timeout=0.01)
    with pytest.raises(BackendTimeoutError, match=r"within timeout=0.01 s"):
        hasty.chat(endless())
    with pytest.raises(BackendTimeoutError, match=r"within timeout=0.01 s"):
        asyncio.run(hasty.achat(endless()))
    assert hasty.chat(ask(max_tokens=1, timeout=PATIENCE)).usage.output


def test_loading_may_take_only_so_long(fresh: LocalBackend) -> None:
    with pytest.raises(BackendTimeoutError, match="more than load_timeout=0 s"):
        replace(fresh, load_timeout=0.0).chat(ask(max_tokens=1))
    assert fresh.chat(ask(max_tokens=1)).usage.output


def test_time_to_load_is_no_time_of_the_call(large_path: Path) -> None:
    large = connect_local(str(large_path))
    with pytest.raises(BackendTimeoutError):
        large.chat(ask("x" * 1500, timeout=0.001))
    with LOADED.borrow(large.options) as model:
        assert model is not None  # it had the time to load
    large.unload()


# --- the end of the process ----------------------------------------------------------------------------------------


def test_everything_stops_at_the_end(fresh: LocalBackend) -> None:
    models = LoadedModels()
    running: Reply[Event] = Reply(None)
    waiting: Reply[Event] = Reply(None)
    steps = Steps(endless())
    for reply, work in ((running, steps), (waiting, Steps(ask()))):
        models.submit(fresh.options, Job(work, reply), keep_alive=None, load_timeout=PATIENCE)
    events = running.results()
    next(events)
    models.close()
    assert steps.ended.is_set()
    assert steps.count < 1500
    for results in (events, waiting.results()):
        with pytest.raises(StreamInterruptedError, match="stopped before its end"):
            list(results)
    models.close()  # again, with nothing left


def test_what_was_told_to_unload_stops_too(fresh: LocalBackend) -> None:
    models = LoadedModels()
    steps, reply = Steps(endless()), Reply[Event](None)
    models.submit(fresh.options, Job(steps, reply), keep_alive=None, load_timeout=PATIENCE)
    events = reply.results()  # kept: a generator that is let go of stops its work
    next(events)
    unloading = threading.Thread(target=models.unload, args=[fresh.options])
    unloading.start()
    assert eventually(lambda: models._engines[fresh.options]._retired)
    successor: Reply[Event] = Reply(None)
    models.submit(fresh.options, Job(Steps(ask()), successor), keep_alive=None, load_timeout=PATIENCE)
    models.close()
    unloading.join(PATIENCE)
    assert steps.ended.is_set()
    assert steps.count < 1500
    with pytest.raises(StreamInterruptedError):
        list(successor.results())


def test_loading_stops_at_the_end(large_path: Path) -> None:
    reply: Reply[Event] = Reply(None)
    engine = Engine(
        connect_local(str(large_path)).options,
        Job(Steps(ask()), reply),
        keep_alive=None,
        load_timeout=PATIENCE,
    )
    engine.abandon()
    engine.join()
    with pytest.raises(StreamInterruptedError):
        list(reply.results())
