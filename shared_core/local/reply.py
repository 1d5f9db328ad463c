"""Hands results from a model's thread to the thread or the task that waits for them."""

from __future__ import annotations

import asyncio
import os
import queue
import time
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from shared_core.errors import BackendTimeoutError, StreamInterruptedError
from shared_core.local.cancellation import Cancellation

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is loaded: from now on the timeout counts."""


@dataclass(frozen=True, slots=True)
class Done:
    """The work ended well."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The work ended with `error`."""

    error: Exception


Signal: TypeAlias = Ready | Done | Failure


class _Wait:
    """Follows the signals of one call, and how long it may still wait."""

    def __init__(self, timeout: float | None) -> None:
        self._timeout = timeout
        self._end: float | None = None
        self._process = os.getpid()
        self.over = False

    @property
    def left(self) -> float | None:
        """Seconds, `None` for ever. Raises in a process that was forked meanwhile: no thread works for it."""
        if os.getpid() != self._process:
            raise StreamInterruptedError(
                "this process was forked in the middle of the call, and its model's thread stayed behind",
                backend="llama_cpp",
            )
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def take(self, signal: Signal) -> None:
        """Note `signal`; raises the error of a `Failure`."""
        if isinstance(signal, Failure):
            raise signal.error
        self.over = isinstance(signal, Done)
        if isinstance(signal, Ready) and self._timeout is not None:
            self._end = time.monotonic() + self._timeout

    def expired(self) -> BackendTimeoutError:
        return BackendTimeoutError(f"no answer within timeout={self._timeout:g} s", backend="llama_cpp")


class Reply(Generic[T]):
    """What a thread waits for. `put` is called by the model's thread, with a `Failure` or `Done` last."""

    def __init__(self, timeout: float | None) -> None:
        self.cancellation = Cancellation()
        self._timeout = timeout
        self._items: queue.SimpleQueue[T | Signal] = queue.SimpleQueue()

    def put(self, item: T | Signal) -> None:
        """Hand over the next result. Never blocks."""
        self._items.put(item)

    def results(self) -> Generator[T, None, None]:
        """The results as they come; leaving early, for whatever reason, stops the work."""
        wait = _Wait(self._timeout)
        try:
            while not wait.over:
                try:
                    item = self._items.get(timeout=wait.left)
                except queue.Empty:
                    raise wait.expired() from None
                if isinstance(item, Ready | Done | Failure):
                    wait.take(item)
                else:
                    yield item
        finally:
            self.cancellation.cancel()


class AsyncReply(Generic[T]):
    """What a task of the running event loop waits for; like `Reply` otherwise."""

    def __init__(self, timeout: float | None) -> None:
        self.cancellation = Cancellation()
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._items: asyncio.Queue[T | Signal] = asyncio.Queue()

    def put(self, item: T | Signal) -> None:
        """Hand over the next result. Never blocks."""
        try:
            self._loop.call_soon_threadsafe(self._items.put_nowait, item)
        except RuntimeError:  # the loop is closed, and nobody waits
            self.cancellation.cancel()

    async def results(self) -> AsyncGenerator[T, None]:
        """The results as they come; leaving early, for whatever reason, stops the work."""
        wait = _Wait(self._timeout)
        try:
            while not wait.over:
                try:
                    async with asyncio.timeout(wait.left):
                        item = await self._items.get()
                except TimeoutError:
                    raise wait.expired() from None
                if isinstance(item, Ready | Done | Failure):
                    wait.take(item)
                else:
                    yield item
        finally:
            self.cancellation.cancel()
