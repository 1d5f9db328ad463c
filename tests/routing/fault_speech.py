"""One right answer in each API's words, whole and in pieces, and how far a target gets with it before it fails."""

from __future__ import annotations

import gzip
import json
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.raw_server import CLOSE, STREAM_END, Step, chunk, completion, delta

PIECES = ("The answer ", "is forty-two, ", "and no other.")
TEXT = "".join(PIECES)
"""The whole right answer; no piece of it occurs in it twice."""
SAID = "".join(PIECES[:2])
"""What a stream has brought where it breaks in the middle."""

DRIP_SECONDS = 0.01


# --- how an answer is worded ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Speech:
    """One API: a whole answer, and the lines of a streamed one."""

    content_type: str
    whole: bytes
    opening: bytes
    """A line without text, as many places send first."""
    pieces: tuple[bytes, ...]
    ending: tuple[bytes, ...]
    done: bytes
    """The end mark alone."""
    error: bytes
    malformed: bytes

    @property
    def lines(self) -> tuple[bytes, ...]:
        """A whole streamed answer."""
        return (self.opening, *self.pieces, *self.ending)


def _event(body: object) -> bytes:
    return b"data: " + (body if isinstance(body, bytes) else json.dumps(body).encode()) + b"\n\n"


def _line(body: object) -> bytes:
    return json.dumps(body).encode() + b"\n"


_USAGE = {"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14}
_ERROR = {"message": "the engine fell over", "type": "server_error", "param": None, "code": 500}
_ABOUT = {"id": "chatcmpl-1", "created": 1_700_000_000, "model": "m"}
_CHUNK = {**_ABOUT, "object": "chat.completion.chunk"}

OPENAI = Speech(
    content_type="text/event-stream",
    whole=json.dumps({**completion(content=TEXT, usage=_USAGE), **_ABOUT, "object": "chat.completion"}).encode(),
    opening=_event({**delta(role="assistant", content=""), **_CHUNK}),
    pieces=tuple(_event({**delta(content=piece), **_CHUNK}) for piece in PIECES),
    ending=(_event({**delta("stop"), **_CHUNK}), _event({**_CHUNK, "choices": [], "usage": _USAGE}), _event(b"[DONE]")),
    done=_event(b"[DONE]"),
    error=_event({"error": _ERROR}),
    malformed=b'data: {"id": "chatcmpl-1", "choices": [{"index": 0, "delta": {"cont\n\n',
)


def _said(content: str, **more: object) -> dict[str, object]:
    message = {"role": "assistant", "content": content}
    return {"model": "m", "created_at": "2026-11-20T12:00:00Z", "message": message, "done": False, **more}


_END = {"done": True, "done_reason": "stop", "prompt_eval_count": 5, "eval_count": 9}

OLLAMA = Speech(
    content_type="application/x-ndjson",
    whole=_line(_said(TEXT, **_END)),
    opening=_line(_said("")),
    pieces=tuple(_line(_said(piece)) for piece in PIECES),
    ending=(_line(_said("", **_END)),),
    done=b"",
    error=_line({"error": "the engine fell over"}),
    malformed=b'{"model": "m", "message": {"role": "assist\n',
)


# --- how far a target gets with it ---------------------------------------------------------------------------------


def _head(headers: Mapping[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode()


def stream_head(speech: Speech, **headers: str) -> bytes:
    """The head of a stream."""
    return _head({"content-type": speech.content_type, "transfer-encoding": "chunked", **headers})


def streamed(speech: Speech, *lines: bytes) -> list[Step]:
    """The head and these lines, one HTTP chunk each; the stream is left open."""
    return [stream_head(speech), *(chunk(line) for line in lines if line)]


def begun(speech: Speech) -> list[Step]:
    """A stream up to its second piece."""
    return streamed(speech, speech.opening, *speech.pieces[:2])


def whole_head(size: int, **headers: str) -> bytes:
    """The head of a whole answer of so many bytes."""
    return _head({"content-type": "application/json", "content-length": str(size), **headers})


def half(speech: Speech) -> list[Step]:
    """The first half of a whole answer, which its length announces whole."""
    return [whole_head(len(speech.whole)), speech.whole[: len(speech.whole) // 2]]


def until_closed(body: bytes) -> list[Step]:
    """A body without a length: its end is the end of the connection, and looks the same wherever it comes."""
    return [_head({"content-type": "application/json", "connection": "close"}), *([body] if body else []), CLOSE]


def gzipped_half(speech: Speech) -> list[Step]:
    """The first half of a compressed answer, as if that were all."""
    body = gzip.compress(speech.whole)
    half = body[: len(body) // 2]
    return [whole_head(len(half), **{"content-encoding": "gzip"}), half]


def gzipped_stream(speech: Speech) -> list[Step]:
    """Compressed line by line, and ended after the second piece as if that were all."""
    packer = zlib.compressobj(wbits=31)
    lines = (speech.opening, *speech.pieces[:2])
    packed = [packer.compress(line) + packer.flush(zlib.Z_SYNC_FLUSH) for line in lines]
    return [stream_head(speech, **{"content-encoding": "gzip"}), *(chunk(piece) for piece in packed), STREAM_END]


def trickled(speech: Speech) -> list[Step]:
    """Every byte of the lines in an HTTP chunk of its own."""
    return [stream_head(speech), *(chunk(bytes([byte])) for line in speech.lines for byte in line), STREAM_END]


def dripped(head: bytes, drop: bytes) -> Iterator[Step]:
    """An answer that never begins, from a connection that is never silent."""
    yield head
    while True:
        yield drop
        time.sleep(DRIP_SECONDS)
