"""Bounds the waits of a call: for its whole answer, for the first piece of a stream, and between two."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, wait
from contextlib import aclosing, closing
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import TypeAlias, TypeVar

from shared_core.backends.base import AsyncStream, Stream
from shared_core.routing.attempts import Attempt
from shared_core.types import ChatRequest, ChatResponse, EmbedRequest, EmbedResponse, Event

_NOT_WHOLE = "the answer was not whole after"
_Item: TypeAlias = Event | BaseException | None
_Request = TypeVar("_Request", ChatRequest, EmbedRequest)
_Answer = TypeVar("_Answer", ChatResponse, EmbedResponse)


# --- whole answers -------------------------------------------------------------------------------------------------


def bounded(call: Callable[[_Request], _Answer], attempt: Attempt[_Request]) -> _Answer:
    """The answer. Raises `BackendTimeoutError` when it takes too long, also where it trickles in.

    A thread waits for it then, because a blocked read cannot be left otherwise; it ends with the read.
    """
    left = attempt.time_for_answer()
    if left is None:
        return call(attempt.request)
    future: Future[_Answer] = Future()
    threading.Thread(target=copy_context().run, args=(_settle, future, call, attempt.request), daemon=True).start()
    if not wait([future], left).done:
        raise attempt.late(left, _NOT_WHOLE)
    return future.result()


def _settle(future: Future[_Answer], call: Callable[[_Request], _Answer], request: _Request) -> None:
    try:
        future.set_result(call(request))
    except BaseException as error:  # noqa: BLE001 - it is raised where the answer is read
        future.set_exception(error)


async def abounded(call: Callable[[_Request], Awaitable[_Answer]], attempt: Attempt[_Request]) -> _Answer:
    """The answer. Raises `BackendTimeoutError` when it takes too long, also where it trickles in."""
    left = attempt.time_for_answer()
    if left is None:
        return await call(attempt.request)
    try:
        async with asyncio.timeout(left) as bound:
            return await call(attempt.request)
    except TimeoutError:
        if not bound.expired():
            raise
        raise attempt.late(left, _NOT_WHOLE) from None


# --- streams -------------------------------------------------------------------------------------------------------


def watched(open_stream: Callable[[ChatRequest], Stream], attempt: Attempt[ChatRequest]) -> Stream:
    """The events of a stream. Raises `BackendTimeoutError` when one is late."""
    return _pumped(open_stream, attempt) if attempt.is_bounded else open_stream(attempt.request)


def _pumped(open_stream: Callable[[ChatRequest], Stream], attempt: Attempt[ChatRequest]) -> Stream:
    """A thread waits for the stream, because a blocked read cannot be left otherwise; it ends with the next piece."""
    items: SimpleQueue[_Item] = SimpleQueue()
    unwanted = threading.Event()
    arguments = (_pump, open_stream, attempt.request, items, unwanted)
    threading.Thread(target=copy_context().run, args=arguments, daemon=True).start()
    try:
        while (item := _get(items, attempt)) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        unwanted.set()


def _pump(
    open_stream: Callable[[ChatRequest], Stream],
    request: ChatRequest,
    items: SimpleQueue[_Item],
    unwanted: threading.Event,
) -> None:
    try:
        with closing(open_stream(request)) as events:
            for event in events:
                items.put(event)
                if unwanted.is_set():
                    return
        items.put(None)
    except BaseException as error:  # noqa: BLE001 - it is raised where the stream is read
        items.put(error)


def _get(items: SimpleQueue[_Item], attempt: Attempt[ChatRequest]) -> _Item:
    timeout = attempt.patience()
    try:
        return items.get(timeout=timeout)
    except Empty:
        raise attempt.late(timeout) from None


def awatched(open_stream: Callable[[ChatRequest], AsyncStream], attempt: Attempt[ChatRequest]) -> AsyncStream:
    """The events of a stream. Raises `BackendTimeoutError` when one is late."""
    return _timed(open_stream, attempt) if attempt.is_bounded else open_stream(attempt.request)


async def _timed(open_stream: Callable[[ChatRequest], AsyncStream], attempt: Attempt[ChatRequest]) -> AsyncStream:
    async with aclosing(open_stream(attempt.request)) as events:
        while True:
            timeout = attempt.patience()
            try:
                async with asyncio.timeout(timeout) as bound:
                    event = await anext(events)
            except StopAsyncIteration:
                return
            except TimeoutError:
                if not bound.expired():
                    raise
                raise attempt.late(timeout) from None
            yield event
