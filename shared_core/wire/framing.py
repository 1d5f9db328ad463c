"""Cuts a stream of bytes into lines, lines of JSON and server-sent events, wherever the chunks happen to break."""

from __future__ import annotations

from dataclasses import dataclass

from shared_core.errors import ProtocolError

MAX_EVENT = 8 * 1024 * 1024
"""Bytes one line or event may have; no place sends a piece of an answer that long, so it is no answer."""

_BOM = b"\xef\xbb\xbf"


class LineSplitter:
    r"""Splits bytes on `\n` alone.

    Text splitting (`str.splitlines`, httpx's `iter_lines`) also cuts at U+2028, U+2029 and U+0085, which stand
    unescaped inside JSON: https://github.com/encode/httpx/issues/1033.
    """

    __slots__ = ("_limit", "_pieces", "_size")

    def __init__(self, limit: int = MAX_EVENT) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        r"""The lines that end here, without their `\n` or `\r\n`. Raises `ProtocolError` for an endless line."""
        lines = chunk.split(b"\n")
        rest = lines.pop()
        if lines:
            lines[0] = b"".join((*self._pieces, lines[0]))
            self._pieces, self._size = [], 0
        self._keep(rest)
        if max(map(len, lines), default=0) > self._limit:
            raise _too_long(self._limit)
        return [line[:-1] if line.endswith(b"\r") else line for line in lines]

    def _keep(self, rest: bytes) -> None:
        if not rest:
            return
        self._pieces.append(rest)
        self._size += len(rest)
        if self._size > self._limit:
            raise _too_long(self._limit)

    def close(self) -> list[bytes]:
        """What came after the last line end, if anything did."""
        rest = b"".join(self._pieces)
        self._pieces, self._size = [], 0
        return [rest.removesuffix(b"\r")] if rest else []


def _too_long(limit: int) -> ProtocolError:
    return ProtocolError(f"a piece of the stream is longer than {limit:,} bytes")


class JSONLinesDecoder:
    """Lines of one JSON value each (https://jsonlines.org); blank ones mean nothing, the last may lack its end."""

    __slots__ = ("_lines",)

    def __init__(self, limit: int = MAX_EVENT) -> None:
        self._lines = LineSplitter(limit)

    def feed(self, chunk: bytes) -> list[bytes]:
        """The values whose lines end in this chunk."""
        return [line for line in self._lines.feed(chunk) if line.strip()]

    def close(self) -> list[bytes]:
        """The value that the end of the stream ends, if there is one."""
        return [line for line in self._lines.close() if line.strip()]


@dataclass(slots=True)
class ServerSentEvent:
    """One event: its type ("message" if it has none) and its data."""

    type: str
    data: bytes


class SSEDecoder:
    """Server-sent events (WHATWG HTML, section 9.2), except that a last event without its blank line counts."""

    __slots__ = ("_data", "_first", "_limit", "_lines", "_size", "_type")

    def __init__(self, limit: int = MAX_EVENT) -> None:
        self._limit = limit
        self._size = 0
        self._lines = LineSplitter(limit)
        self._data: list[bytes] = []
        self._type = "message"
        self._first = True

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """The events that end in this chunk."""
        return self._events(self._lines.feed(chunk))

    def close(self) -> list[ServerSentEvent]:
        """The event that the end of the stream ends, if there is one."""
        return self._events([*self._lines.close(), b""])

    def _events(self, lines: list[bytes]) -> list[ServerSentEvent]:
        events = []
        for line in lines:
            if line:
                self._field(line)
            elif self._data:
                events.append(ServerSentEvent(self._type, b"\n".join(self._data)))
                self._data, self._type, self._size = [], "message", 0
            else:
                self._type = "message"
        return events

    def _field(self, line: bytes) -> None:
        if self._first:
            line, self._first = line.removeprefix(_BOM), False
        name, _, value = line.partition(b":")
        if name == b"data":
            self._add(value.removeprefix(b" "))
        elif name == b"event":
            self._type = value.removeprefix(b" ").decode("utf-8", "replace")
        elif name == b"error":  # no field of the standard: older llama-servers tell of errors so
            self._type = "error"
            self._add(value.removeprefix(b" "))

    def _add(self, data: bytes) -> None:
        self._data.append(data)
        self._size += len(data) + 1
        if self._size > self._limit:
            raise _too_long(self._limit)
