"""Loopback places that answer by script, and what is asked of them, for tests of routes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from shared_core import ChatBackend, ChatRequest, Event, Message, TextDelta, connect
from tests.halves import Half
from tests.raw_server import CLOSE, RawServer, Received, Script, Step, completion, delta, serving, sse, whole

HI = ChatRequest(messages=(Message(role="user", parts="Hi"),))


def says(*pieces: str, finish: str = "stop") -> Callable[[Received], list[Step]]:
    """Answers with this text, one event a piece."""

    def script(request: Received) -> list[Step]:
        if not request.json.get("stream"):
            return [whole(completion(finish=finish, content="".join(pieces)))]
        return sse(delta(role="assistant", content=""), *(delta(content=piece) for piece in pieces), delta(finish))

    return script


def breaks_off(*pieces: str) -> Callable[[Received], list[Step]]:
    """Streams this much, and goes away."""
    return lambda request: [*says(*pieces)(request)[: 2 + len(pieces)], CLOSE]


def refuses(status: int, message: str = "as asked for") -> Callable[[Received], list[Step]]:
    return lambda _: [whole({"error": {"message": message}}, status)]


@contextmanager
def places(*scripts: Script) -> Iterator[list[RawServer]]:
    if not scripts:
        yield []
        return
    with serving(scripts[0]) as first, places(*scripts[1:]) as others:
        yield [first, *others]


def vllm(server: RawServer, model: str = "m", **settings: Any) -> Any:
    return connect("vllm", model=model, base_url=server.url, **settings)


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def text(half: Half, route: ChatBackend, request: ChatRequest, mode: str) -> str:
    return half.chat(route, request).text if mode == "chat" else text_of(half.events(route, request))
