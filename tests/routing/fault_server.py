"""The ways in which a place fails, each as the bytes it sends, played over real sockets with a count of what came in."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Literal, Self, TypeAlias

from shared_core import (
    AuthenticationError,
    BackendConnectionError,
    BackendError,
    BackendTimeoutError,
    BillingError,
    ModelNotFoundError,
    ProtocolError,
    RateLimitError,
    ServerError,
    StreamInterruptedError,
)
from tests.raw_server import CLOSE, STREAM_END, Cut, RawServer, Received, Step, chunk, whole
from tests.routing.fault_speech import (
    OLLAMA,
    OPENAI,
    SAID,
    Speech,
    begun,
    dripped,
    gzipped_half,
    gzipped_stream,
    half,
    stream_head,
    streamed,
    trickled,
    until_closed,
    whole_head,
)

Mode: TypeAlias = Literal["chat", "stream"]

WAIT = 60
"""Seconds after which a 429 says to come back: longer than any test waits."""

HOLD = threading.Event()
"""A step that never ends: the server says nothing more, until the client has gone."""


# --- what can go wrong ---------------------------------------------------------------------------------------------

Write: TypeAlias = Callable[[Speech], Iterable[Step]]


@dataclass(frozen=True, eq=False)
class Fault:
    """One way to fail: what is sent in each mode, and what should come of it.

    `error` is what a route over this target alone raises in each mode; a mode without one brings the whole answer all
    the same. `said` is the text that a stream has brought before it breaks. `refused` means that nobody listens.
    """

    name: str
    chat: Write | None
    stream: Write | None
    error: Mapping[Mode, type[BackendError]] = field(default_factory=dict)
    said: str = ""
    refused: bool = False

    @property
    def modes(self) -> list[Mode]:
        """In which this fault exists."""
        scripts: dict[Mode, Write | None] = {"chat": self.chat, "stream": self.stream}
        return [mode for mode, script in scripts.items() if script is not None]

    def script(self, request: Received) -> Iterable[Step]:
        """What is sent to this request."""
        speech = OLLAMA if request.path == "/api/chat" else OPENAI
        write = self.stream if request.json.get("stream") else self.chat
        return [] if write is None else write(speech)


def _both(error: type[BackendError], stream: type[BackendError] | None = None) -> dict[Mode, type[BackendError]]:
    return {"chat": error, "stream": stream or error}


def _refusal(name: str, status: int, error: type[BackendError], said: str, **headers: str) -> Fault:
    """An HTTP error, the same in both modes."""
    body = {"error": {"message": said, "type": "error", "param": None, "code": status}}
    reply: list[Step] = [whole(body, status, {name.replace("_", "-"): value for name, value in headers.items()})]
    return Fault(name, lambda _: reply, lambda _: reply, _both(error))


def _throttled(style: str, headers: Callable[[], Mapping[str, str]]) -> Fault:
    """A 429 that says in one place's way when to come back, reckoned from the moment it is sent."""
    body = {"error": {"message": "Rate limit reached", "type": "requests", "param": None, "code": "rate_limited"}}

    def write(_: Speech) -> list[Step]:
        return [whole(body, 429, dict(headers()))]

    return Fault(f"429_{style}", write, write, _both(RateLimitError))


def _later() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=WAIT)


_GROQ = {
    "retry-after": str(WAIT),
    "x-ratelimit-limit-requests": "14400",
    "x-ratelimit-remaining-requests": "0",
    "x-ratelimit-reset-requests": "1m0.5s",
    "x-ratelimit-limit-tokens": "18000",
    "x-ratelimit-remaining-tokens": "17997",
    "x-ratelimit-reset-tokens": "7.66s",
}
_CEREBRAS = {
    "x-ratelimit-limit-requests-day": "1000",
    "x-ratelimit-remaining-requests-day": "990",
    "x-ratelimit-reset-requests-day": "33011.382867097855",
    "x-ratelimit-limit-tokens-minute": "60000",
    "x-ratelimit-remaining-tokens-minute": "0",
    "x-ratelimit-reset-tokens-minute": "58.382867097854614",
}
_TOGETHER = {
    "x-ratelimit-limit": "10",
    "x-ratelimit-remaining": "0",
    "x-ratelimit-reset": "1",
    "x-tokenlimit-limit": "3000",
    "x-tokenlimit-remaining": "2900",
}


def _openrouter() -> dict[str, str]:
    moment = str(int(_later().timestamp() * 1000))
    return {"x-ratelimit-limit": "20", "x-ratelimit-remaining": "0", "x-ratelimit-reset": moment}


def _bad_gateway(_: Speech) -> list[Step]:
    page = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>nginx</body>\r\n</html>\r\n"
    return [whole(page, 502, {"content-type": "text/html"})]


def _bytes_of(reply: bytes) -> list[Step]:
    return [bytes([byte]) for byte in reply]


HEALTHY = Fault(
    "healthy",
    lambda speech: [whole(speech.whole)],
    lambda speech: [*streamed(speech, *speech.lines), STREAM_END],
)
"""No fault: the whole answer."""


DRIP = Fault(
    "drip",
    lambda speech: dripped(whole_head(10 * len(speech.whole)), b" "),
    lambda speech: dripped(stream_head(speech), chunk(b": still there\n\n" if speech is OPENAI else b"\n")),
    _both(BackendTimeoutError),
)
"""Waits for the next byte never end it, only a bound on the whole."""

DONE_ALONE = Fault(
    "done_alone",
    lambda _: [whole({"choices": []})],
    lambda speech: [*streamed(speech, speech.opening, speech.done), STREAM_END],
    _both(ProtocolError, StreamInterruptedError),
)
"""The end of an answer that never was: no text, and no reason why there is none."""

REFUSED = Fault("connection_refused", lambda _: [], lambda _: [], _both(BackendConnectionError), refused=True)

FAULTS: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        REFUSED,
        Fault("black_hole", lambda _: [HOLD], lambda _: [HOLD], _both(BackendTimeoutError)),
        _refusal("401", 401, AuthenticationError, "Incorrect API key provided"),
        _refusal("402", 402, BillingError, "Insufficient credits"),
        _refusal("404", 404, ModelNotFoundError, "The model `m` does not exist"),
        _throttled("groq", lambda: _GROQ),
        _throttled("cerebras", lambda: _CEREBRAS),
        _throttled("together", lambda: _TOGETHER),
        _throttled("openrouter", _openrouter),
        _throttled("retry_after_seconds", lambda: {"retry-after": str(WAIT)}),
        _throttled("retry_after_date", lambda: {"retry-after": format_datetime(_later(), usegmt=True)}),
        _throttled("retry_after_ms", lambda: {"retry-after-ms": str(WAIT * 1000)}),
        _throttled("bare", dict),
        _refusal("500", 500, ServerError, "the engine fell over"),
        Fault("502_html", _bad_gateway, _bad_gateway, _both(ServerError)),
        _refusal("503", 503, ServerError, "overloaded"),
        Fault(
            "slow_first_token",
            lambda speech: [whole_head(len(speech.whole)), HOLD],
            lambda speech: [*streamed(speech, speech.opening), HOLD],
            _both(BackendTimeoutError),
        ),
        Fault(
            "stall",
            lambda speech: [*half(speech), HOLD],
            lambda speech: [*begun(speech), HOLD],
            _both(BackendTimeoutError),
            said=SAID,
        ),
        Fault(
            "cut",
            lambda speech: [*half(speech), CLOSE],
            lambda speech: [*begun(speech), chunk(speech.pieces[2])[:-9], CLOSE],
            _both(BackendConnectionError, StreamInterruptedError),
            said=SAID,
        ),
        Fault(
            "cut_before_text",
            None,
            lambda speech: [*streamed(speech, speech.opening), chunk(speech.pieces[0])[:-9], CLOSE],
            _both(StreamInterruptedError),
        ),
        Fault(
            "reset_before_text",
            lambda _: [Cut()],
            lambda _: [Cut()],
            _both(BackendConnectionError),
        ),
        Fault(
            "malformed_line",
            lambda speech: [whole(speech.malformed)],
            lambda speech: [*begun(speech), chunk(speech.malformed), *map(chunk, speech.ending), STREAM_END],
            _both(ProtocolError),
            said=SAID,
        ),
        Fault(
            "malformed_first_line",
            None,
            lambda speech: [*streamed(speech, speech.opening, speech.malformed, *speech.lines[2:]), STREAM_END],
            _both(ProtocolError),
        ),
        Fault(
            "error_frame",
            lambda speech: [whole(speech.error.removeprefix(b"data: "))],
            lambda speech: [*streamed(speech, speech.opening, speech.error, speech.done), STREAM_END],
            _both(ServerError),
        ),
        Fault(
            "error_frame_after_text",
            None,
            lambda speech: [*begun(speech), *streamed(speech, speech.error, speech.done)[1:], STREAM_END],
            _both(ServerError),
            said=SAID,
        ),
        Fault(
            "empty_200",
            lambda _: [whole(b"")],
            lambda speech: [*streamed(speech), STREAM_END],
            _both(ProtocolError, StreamInterruptedError),
        ),
        Fault(
            "clean_end",
            lambda speech: until_closed(speech.whole[: len(speech.whole) // 2]),
            lambda speech: [*begun(speech), STREAM_END],
            _both(ProtocolError, StreamInterruptedError),
            said=SAID,
        ),
        Fault(
            "clean_end_before_text",
            lambda _: until_closed(b""),
            lambda speech: [*streamed(speech, speech.opening), STREAM_END],
            _both(ProtocolError, StreamInterruptedError),
        ),
        Fault("trickle", lambda speech: _bytes_of(whole(speech.whole)), trickled),
        Fault("gzip_cut", gzipped_half, gzipped_stream, _both(ProtocolError, StreamInterruptedError), said=SAID),
        DONE_ALONE,
    )
}  # fmt: skip


# --- the servers ---------------------------------------------------------------------------------------------------


class FaultServer:
    """A target that plays `fault` while entered; another may be set at any time."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._closed_port = socket.socket()
        self._server: RawServer | None = None

    def __enter__(self) -> Self:
        if self.fault.refused:
            # Bound and not listening: connections are refused, and nobody else gets the port.
            self._closed_port.bind(("127.0.0.1", 0))
        else:
            self._server = RawServer(self._script)
        return self

    def _script(self, request: Received) -> Iterable[Step]:
        return self.fault.script(request)

    def __exit__(self, *_: object) -> None:
        self._closed_port.close()
        if self._server is not None:
            self._server.close()

    @property
    def url(self) -> str:
        """Where its OpenAI API lies; Ollama's own lies above it."""
        if self._server is not None:
            return self._server.url
        return f"http://127.0.0.1:{self._closed_port.getsockname()[1]}/v1"

    @property
    def requests(self) -> int:
        """How many were sent to it; those that nobody heard do not count."""
        return 0 if self._server is None else len(self._server.received)
