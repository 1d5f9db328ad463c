"""Puts what a played place says on a socket, or hands it over without one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import httpx

from tests.raw_server import STREAM_END, Cut, Received, Step, chunk


@dataclass
class Sent:
    """One HTTP answer of a played place; one with several `pieces` is sent in chunks. A `Cut` loses the connection."""

    status: int
    pieces: Iterable[bytes | Cut]
    headers: Mapping[str, str] = field(default_factory=dict)
    streamed: bool = False


def steps(sent: Sent, size: int | None) -> Iterator[Step]:
    """The bytes on the wire; `size` cuts a stream anywhere, into HTTP chunks of so many bytes."""
    if not sent.streamed:
        body = b"".join(piece for piece in sent.pieces if isinstance(piece, bytes))
        yield _head(sent, f"content-length: {len(body)}") + body
        return
    yield _head(sent, "transfer-encoding: chunked")
    for piece in _recut(sent.pieces, size):
        if isinstance(piece, Cut):
            yield piece
            return
        yield chunk(piece)
    yield STREAM_END


def _recut(pieces: Iterable[bytes | Cut], size: int | None) -> Iterator[bytes | Cut]:
    if size is None:
        yield from pieces
        return
    held = b""
    for piece in pieces:
        if isinstance(piece, Cut):
            yield piece
            return
        held += piece
        while len(held) >= size:
            yield held[:size]
            held = held[size:]
    if held:
        yield held


def _head(sent: Sent, length: str) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.headers.items())
    return f"HTTP/1.1 {sent.status} Status\r\n{lines}{length}\r\n\r\n".encode("latin-1")


def received(request: httpx.Request) -> Received:
    """A request of httpx, as it would have come over a socket."""
    return Received(request.method, request.url.raw_path.decode(), dict(request.headers.items()), request.read())


def response(sent: Sent) -> httpx.Response:
    """An answer without a socket, for checks that are run many times over."""
    body = b"".join(piece for piece in sent.pieces if isinstance(piece, bytes))
    return httpx.Response(sent.status, headers=dict(sent.headers), content=body)
