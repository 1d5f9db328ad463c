"""Runs one call on two lanes of a route until one of them has a first piece; the other is ended then."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import closing
from contextvars import copy_context
from functools import partial
from queue import Empty, SimpleQueue
from typing import TypeAlias

from shared_core.backends.base import AsyncStream, Stream
from shared_core.routing.lanes import Lane
from shared_core.routing.lateness import Lateness
from shared_core.routing.router import Router
from shared_core.types import ChatRequest, Event, Finish


class Heat:
    """One call: its lanes, when it began, and after how long it is late (`wait`, `None`: never)."""

    __slots__ = ("_began", "_clock", "_lanes", "_lateness", "_route", "is_won", "wait")

    def __init__(self, route: Router, lateness: Lateness, clock: Callable[[], float]) -> None:
        self._route = route
        self._lateness = lateness
        self._clock = clock
        self._began = clock()
        self._lanes: list[Lane] = []
        self.is_won = False
        self.wait = lateness.begin() if len(route.backends) > 1 else None

    def enter(self) -> Router:
        """The route for one more lane, with what is left of its deadline."""
        lane = Lane(beside=self._lanes[0], is_hedge=True) if self._lanes else Lane()
        for other in self._lanes:
            other.beside = lane
        self._lanes.append(lane)
        return self._route.on_lane(lane, self._clock() - self._began)

    def rest(self) -> Router:
        """The route for what comes after the lanes."""
        return self._route.on_lane(None, self._clock() - self._began)

    def may_hedge(self) -> bool:
        """Whether a second lane may be entered; that it was late is paid for then."""
        return self._lateness.spend()

    def won(self, number: int) -> None:
        """This lane has the first piece, and the other is called off."""
        self._lateness.add(self._clock() - self._began)
        self.is_won = True
        for other, lane in enumerate(self._lanes):
            lane.is_off = other != number

    def is_off(self, number: int) -> bool:
        """Whether nobody waits for this lane any more."""
        return self._lanes[number].is_off

    def stop(self) -> None:
        """Call off all lanes."""
        for lane in self._lanes:
            lane.is_off = True

    def signed(self, event: Event, number: int) -> Event:
        """The event; the last one tells of the race, if there was one."""
        if isinstance(event, Finish) and len(self._lanes) > 1:
            event.metadata["hedged"] = {"after": self.wait, "won": ("first", "second")[number]}
        return event


# --- sync: a thread for each lane, because a blocked read cannot be left otherwise ---------------------------------

_Item: TypeAlias = tuple[int, Event | BaseException | None]


def race(heat: Heat, request: ChatRequest) -> Stream:
    """The events of the lane that has the first one. Raises a `BackendError`."""
    items: SimpleQueue[_Item] = SimpleQueue()
    try:
        _start(heat, request, 0, items)
        number, item = _first(heat, request, items)
        heat.won(number)
        while item is not None:
            if isinstance(item, BaseException):
                raise item
            yield heat.signed(item, number)
            item = _next(items, number)
    finally:
        heat.stop()


def _start(heat: Heat, request: ChatRequest, number: int, items: SimpleQueue[_Item]) -> None:
    run = partial(copy_context().run, _pump, heat, heat.enter(), request, number, items)
    threading.Thread(target=run, name=f"hedged-{number}", daemon=True).start()


def _pump(heat: Heat, route: Router, request: ChatRequest, number: int, items: SimpleQueue[_Item]) -> None:
    try:
        with closing(route.stream(request)) as events:
            for event in events:
                if heat.is_off(number):
                    return
                items.put((number, event))
        items.put((number, None))
    except BaseException as error:  # noqa: BLE001 - it is raised where the answer is read
        items.put((number, error))


def _first(heat: Heat, request: ChatRequest, items: SimpleQueue[_Item]) -> _Item:
    """The first piece, and whose it is. Raises the first lane's error if none has one."""
    running = 1
    try:
        got = items.get(timeout=heat.wait)
    except Empty:
        if heat.may_hedge():
            running = 2
            _start(heat, request, 1, items)
        got = items.get()
    failures: dict[int, BaseException] = {}
    while isinstance(got[1], BaseException):
        failures[got[0]] = got[1]
        if len(failures) == running:
            raise failures[0]
        got = items.get()
    return got


def _next(items: SimpleQueue[_Item], number: int) -> Event | BaseException | None:
    while True:
        whose, item = items.get()
        if whose == number:
            return item


# --- async -------------------------------------------------------------------------------------------------------


async def arace(heat: Heat, request: ChatRequest) -> AsyncStream:
    """The events of the lane that has the first one. Raises a `BackendError`."""
    lanes = _Lanes(heat, request)
    try:
        number, event = await lanes.first()
        await lanes.end(but=number)
        while event is not None:
            yield heat.signed(event, number)
            event = await anext(lanes.streams[number], None)
    finally:
        await lanes.end()


class _Lanes:
    """The streams of one call, and the task that waits for the first piece of each."""

    def __init__(self, heat: Heat, request: ChatRequest) -> None:
        self._heat = heat
        self._request = request
        self.streams: list[AsyncStream] = []
        self._tasks: list[asyncio.Task[Event | None]] = []

    def _enter(self) -> None:
        stream = self._heat.enter().astream(self._request)
        self.streams.append(stream)
        self._tasks.append(asyncio.create_task(_first_of(stream)))

    async def first(self) -> tuple[int, Event | None]:
        """The first piece, and whose it is. Raises the first lane's error if none has one."""
        self._enter()
        done, _ = await asyncio.wait(self._tasks, timeout=self._heat.wait)
        if not done and self._heat.may_hedge():
            self._enter()
        while waiting := [task for task in self._tasks if not _has_failed(task)]:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for number, task in enumerate(self._tasks):
                if task.done() and not _has_failed(task):
                    self._heat.won(number)
                    return number, task.result()
        return 0, self._tasks[0].result()

    async def end(self, *, but: int | None = None) -> None:
        """Cancel what is still waited for, and close the streams; `but` is the lane that goes on."""
        for number, (task, stream) in enumerate(zip(self._tasks, self.streams, strict=True)):
            if number != but:
                task.cancel()
                await asyncio.wait([task])
                _has_failed(task)  # looked at, so that nobody is warned of it
                await stream.aclose()


async def _first_of(stream: AsyncStream) -> Event | None:
    return await anext(stream, None)


def _has_failed(task: asyncio.Task[Event | None]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
