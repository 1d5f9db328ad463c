"""Sends a copy of a route's chats to a place that is to be tried out; nobody waits for it or sees its answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import aclosing, closing, contextmanager
from contextvars import copy_context

from shared_core.routing.kinds import fit_for
from shared_core.routing.target import Target
from shared_core.types import ChatRequest

_MOST = 4
"""Copies on their way at once; while there are so many, calls go without."""


class Shadow:
    """The target that gets the copies, at most four at once, of the requests that it may serve.

    The target's `calls`, `failures` and `in_flight` count them, `skipped` those that were not made. Streams are read to
    their end, also where the caller of the real one leaves. What is raised is told to `on_failure`, and to nobody else.
    """

    def __init__(
        self,
        target: Target,
        lock: threading.RLock,
        clock: Callable[[], float],
        on_failure: Callable[[str, Exception], object] | None,
    ) -> None:
        self.target = target
        self._lock = lock
        self._clock = clock
        self._on_failure = on_failure
        # The event loop alone keeps no task alive.
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, request: ChatRequest, *, stream: bool) -> None:
        """Send a copy, in a thread of its own."""
        if not self._may_start(request):
            return
        send = self._send_stream if stream else self._send
        threading.Thread(target=copy_context().run, args=(send, request), name="shadow", daemon=True).start()

    def astart(self, request: ChatRequest, *, stream: bool) -> None:
        """Send a copy, in a task of its own."""
        if not self._may_start(request):
            return
        task = asyncio.get_running_loop().create_task((self._asend_stream if stream else self._asend)(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(self._ended)

    def _may_start(self, request: ChatRequest) -> bool:
        is_fit = bool(fit_for(request, [self.target]))
        with self._lock:
            if self.target.in_flight >= _MOST or not is_fit:
                self.target.skipped += 1
                return False
            self.target.in_flight += 1
            self.target.calls += 1
            return True

    def _ended(self, _: object = None) -> None:
        with self._lock:
            self.target.in_flight -= 1

    # --- one copy ---

    def _send(self, request: ChatRequest) -> None:
        try:
            with self._watched() as answered:
                self.target.backend.chat(request)
                answered()
        finally:
            self._ended()

    def _send_stream(self, request: ChatRequest) -> None:
        try:
            with self._watched() as answered, closing(self.target.backend.stream(request)) as events:
                for _ in events:
                    answered()
        finally:
            self._ended()

    async def _asend(self, request: ChatRequest) -> None:
        with self._watched() as answered:
            await self.target.backend.achat(request)
            answered()

    async def _asend_stream(self, request: ChatRequest) -> None:
        with self._watched() as answered:
            async with aclosing(self.target.backend.astream(request)) as events:
                async for _ in events:
                    answered()

    @contextmanager
    def _watched(self) -> Iterator[Callable[[], None]]:
        """Tell of an error and go on; gives what is to be called with each piece."""
        began, pieces = self._clock(), 0

        def answered() -> None:
            nonlocal pieces
            pieces += 1
            if pieces == 1:
                with self._lock:
                    self.target.latency.add(self._clock() - began)

        try:
            yield answered
        except Exception as error:  # noqa: BLE001 - whatever it is, the real call is not concerned
            with self._lock:
                self.target.failures += 1
                self.target.last_error = f"{type(error).__name__}: {error}"
            if self._on_failure is not None:
                self._on_failure(self.target.name, error)
