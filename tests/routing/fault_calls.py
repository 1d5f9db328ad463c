"""Calls over targets that fail, and what their caller sees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from shared_core import (
    Backend,
    BackendError,
    BackendTimeoutError,
    ChatRequest,
    Event,
    Finish,
    Message,
    TextDelta,
    connect,
    fold,
)
from tests.halves import Half
from tests.routing.fault_server import Fault, FaultServer, Mode

HI = ChatRequest(messages=(Message(role="user", content="Hi"),))
SHORT = 0.3
"""Seconds, of a target that is to be given up."""
LONG = 60.0
"""Seconds, of a target that answers: however busy the machine is."""


@contextmanager
def playing(*faults: Fault) -> Iterator[list[FaultServer]]:
    """A target for each."""
    with ExitStack() as stack:
        yield [stack.enter_context(FaultServer(fault)) for fault in faults]


def target(server: FaultServer, mode: Mode = "chat", place: str = "openai_compatible") -> Backend:
    """A backend that gives its target up soon only where nothing else ends the call."""
    timeout = SHORT if server.fault.error.get(mode) is BackendTimeoutError else LONG
    return connect(place, model="m", base_url=server.url, api_key="sk-test", timeout=timeout)


def targets(servers: Iterable[FaultServer], mode: Mode) -> list[Backend]:
    return [target(server, mode) for server in servers]


@dataclass
class Came:
    """What a caller saw: the text, and the error after it."""

    text: str
    error: BackendError | None = None


@dataclass
class Clock:
    """Stands still, unless it is moved."""

    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


def ask(half: Half, route: Backend, mode: Mode) -> Came:
    events: list[Event] = []
    try:
        if mode == "chat":
            return Came(half.chat(route, HI).text)
        half.events(route, HI, events)
    except BackendError as error:
        return Came(text_of(events), error)
    assert [type(event) for event in events].index(Finish) == len(events) - 1
    assert fold(events).text == text_of(events)
    return Came(text_of(events))


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))
