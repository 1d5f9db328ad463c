"""A loopback HTTP server that sends exactly the bytes a test scripts, piece by piece, and records what it was sent."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Received:
    """One request as it came over the socket."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Cut:
    """A step of a script: the connection is reset."""


Step = bytes | threading.Event | Cut
Script = Callable[[Received], Iterable[Step]]


@dataclass
class RawServer:
    """Answers each request with the steps of `script`: bytes are sent, events waited for, a `Cut` resets."""

    script: Script
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    hung_up: threading.Event = field(default_factory=threading.Event)
    """Set when a client went away before its answer was whole."""

    def __post_init__(self) -> None:
        # A test that calls 200 times at once fills the usual queue (128) on a busy machine; what is dropped from it hangs.
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._open: set[socket.socket] = set()
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            # Small pieces must go out at once: Nagle's algorithm holds a second one back for 40 ms.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as reader:
            try:
                while (request := _read(reader)) is not None:
                    self.received.append(request)
                    if not self._answer(connection, request):
                        return
            except OSError:
                self.hung_up.set()
            finally:
                self._open.discard(connection)

    def _answer(self, connection: socket.socket, request: Received) -> bool:
        last = b""
        for step in self.script(request):
            if isinstance(step, bytes):
                connection.sendall(step)
                last = step
            elif isinstance(step, Cut):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
                return False
            else:
                self._wait(connection, step)
        return last != CLOSE

    def _wait(self, connection: socket.socket, event: threading.Event) -> None:
        """Wait for the test, and notice if the client goes away meanwhile."""
        connection.settimeout(0.01)
        while not event.is_set():
            try:
                gone = connection.recv(1, socket.MSG_PEEK) == b""
            except TimeoutError:
                continue
            if gone:
                raise ConnectionResetError
        connection.settimeout(None)

    def close(self) -> None:
        if self._socket.fileno() < 0:
            return
        # A thread that waits in accept() would keep the closed socket listening.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in list(self._open):
            connection.close()

    def die(self) -> None:
        """From now on nobody is there, in the middle of an answer too; `close` may follow."""
        for connection in list(self._open):
            connection.shutdown(socket.SHUT_RDWR)  # a thread that reads from it would keep a closed one open
        self.close()


def _read(reader: Any) -> Received | None:
    first = reader.readline()
    if not first:
        return None
    method, path, _ = first.decode("latin-1").split(" ", 2)
    headers = {}
    while (line := reader.readline().strip()) != b"":
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    return Received(method, path, headers, reader.read(int(headers.get("content-length", "0"))))


@contextmanager
def serving(script: Script) -> Iterator[RawServer]:
    server = RawServer(script)
    try:
        yield server
    finally:
        server.close()


def whole(body: object, status: int = 200, headers: dict[str, str] | None = None) -> bytes:
    """A whole reply; anything but bytes is sent as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"content-type": "application/json", "content-length": str(len(data)), **(headers or {})}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"HTTP/1.1 {status} Status\r\n{lines}\r\n".encode() + data


CLOSE = b""
"""A last step after which the connection is closed."""

STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
STREAM_END = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """One HTTP chunk."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def sse(*bodies: object, done: bool = True) -> list[Step]:
    """The steps of a streamed reply, one HTTP chunk an event."""
    events = [b"data: " + (b if isinstance(b, bytes) else json.dumps(b).encode()) + b"\n\n" for b in bodies]
    if done:
        events.append(b"data: [DONE]\n\n")
    return [STREAM_HEAD, *(chunk(event) for event in events), STREAM_END]


def delta(finish: str | None = None, **piece: object) -> dict[str, Any]:
    """One chat completion chunk."""
    return {"id": "c1", "model": "m", "choices": [{"index": 0, "delta": piece, "finish_reason": finish}]}


def completion(finish: str = "stop", usage: dict[str, Any] | None = None, **message: Any) -> dict[str, Any]:
    """One whole chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return {"id": "c1", "model": "m", "choices": [choice], "usage": usage}
