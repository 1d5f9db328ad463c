"""Reads Ollama's answers; a whole one and a line of a streamed one go through the same mapping."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import uuid4

from pydantic_core import to_json

from shared_core.errors import (
    BackendError,
    InvalidRequestError,
    ProtocolError,
    StreamInterruptedError,
    UnsupportedError,
)
from shared_core.folding import fold
from shared_core.types import (
    ChatResponse,
    Event,
    Finish,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    Timings,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)
from shared_core.wire.base import Decoder, Json, Reply
from shared_core.wire.bodies import read_object, understood
from shared_core.wire.faults import read_error, read_stream_error, request_id
from shared_core.wire.framing import JSONLinesDecoder
from shared_core.wire.ollama.forcing import WrittenCall
from shared_core.wire.ollama.window import Window
from shared_core.wire.rate_limits import read_rate_limits
from shared_core.wire.thinking import TagSplitter

_REASONS: dict[str, FinishReason] = {"stop": "stop", "length": "length"}
_NO_ANSWER = ("load", "unload")
_NANOSECONDS = 1e9
_CANNOT = re.compile(r"does not support \w+", re.IGNORECASE)


def count(value: object) -> int | None:
    """A number of tokens; the server leaves it out, or says 0, where it read all from its cache."""
    return value if isinstance(value, int) and value > 0 else None


def name_error(error: BackendError) -> BackendError:
    """What a model cannot is an `UnsupportedError`: another model may."""
    if type(error) is not InvalidRequestError or not _CANNOT.search(str(error)):
        return error
    return UnsupportedError(str(error), model=error.model, response=error.response, request_id=error.request_id)


def read_reply_error(reply: Reply, model: str) -> BackendError:
    """What a reply with an error status means."""
    return name_error(read_error(reply, model))


def raise_error_in(body: Json, headers: Mapping[str, str], model: str) -> None:
    """Raise what an error in a body or a line says, where the HTTP status was 200."""
    if body.get("error"):
        raise name_error(read_stream_error(body, headers, model))


class Answer:
    """One answer as it comes together: pieces in, events out, everything said beside them kept for the `Finish`."""

    __slots__ = ("_finish", "_held", "_ids", "_reason", "_said", "_splitter", "_written")

    def __init__(self, finish: Finish, written: WrittenCall | None) -> None:
        self._finish = finish
        self._written = written
        self._held: list[str] = []
        self._ids: set[str] = set()
        self._splitter = TagSplitter()
        self._reason: str | None = None
        self._said = False

    def add(self, body: Json) -> Iterable[Event]:
        """The events of a whole body, or of one line."""
        for event in self._events(body.get("message") or {}, _logprobs(body.get("logprobs"))):
            self._said = True
            yield event
        if body.get("done"):
            self._note(body)

    def _events(self, message: Json, tokens: list[TokenLogprob] | None) -> Iterable[Event]:
        if thought := message.get("thinking"):
            yield ReasoningDelta("" + thought)  # what is no text is no answer
        pieces = self._splitter.feed(message.get("content") or "")
        if tokens is not None:
            # The tokens of a piece stay together, in front of what the piece was split into.
            first = self._let_through(pieces.pop(0)) if pieces and isinstance(pieces[0], TextDelta) else []
            yield TextDelta("".join(piece.text for piece in first), tokens)
        for piece in pieces:
            yield from self._let_through(piece)
        for call in message.get("tool_calls") or ():
            yield self._call(call)

    def _let_through(self, piece: TextDelta | ReasoningDelta) -> list[TextDelta | ReasoningDelta]:
        """Text that is to be a call is held back until it is whole."""
        if self._written is None or isinstance(piece, ReasoningDelta):
            return [piece]
        self._held.append(piece.text)
        return []

    def _call(self, call: Json) -> ToolCallDelta:
        function = call["function"]
        arguments = function.get("arguments") or {}
        said = call.get("id") or ""
        unique = said if said and said not in self._ids else f"call_{uuid4().hex[:24]}"
        self._ids.add(unique)
        text = arguments if isinstance(arguments, str) else to_json(arguments).decode()
        return ToolCallDelta(len(self._ids) - 1, unique, "" + function["name"], text)

    def _note(self, body: Json) -> None:
        self._reason = body.get("done_reason")
        finish = self._finish
        finish.model = body.get("model") or finish.model
        finish.usage = Usage(count(body.get("prompt_eval_count")), count(body.get("eval_count")))
        finish.timings = _timings(body)
        finish.metadata |= {key: body[key] for key in ("remote_model", "remote_host") if body.get(key)}

    def finish(self) -> Iterable[Event]:
        """The last events, the `Finish` included."""
        for piece in self._splitter.close():
            yield from self._let_through(piece)
        if self._written is not None:
            yield from self._read_written(self._written)
        if self._reason in _NO_ANSWER and not self._said and not self._held:
            raise ProtocolError(f"the server gave no answer, and says {self._reason!r}: it only moved the model")
        self._finish.reason = self._why()
        yield self._finish

    def _read_written(self, written: WrittenCall) -> Iterable[Event]:
        text = "".join(self._held)
        if self._ids:  # a server that can be made to call has done so, and what it said beside that is text
            yield from [TextDelta(text)] if text else []
            return
        for event in written.read(text):
            if isinstance(event, ToolCallDelta):
                self._ids.add(str(event.id))
            yield event

    def _why(self) -> FinishReason:
        reason = _REASONS.get(self._reason or "", "unknown")
        if reason == "unknown" and self._reason:
            self._finish.metadata["finish_reason"] = self._reason
        # Calls end with "stop" here.
        return "tool_calls" if self._ids and reason != "length" else reason


def _timings(body: Json) -> Timings | None:
    names = ("prompt_eval_duration", "eval_duration", "total_duration", "load_duration")
    prompt, completion, total, load = ((body[name] / _NANOSECONDS if body.get(name) else None) for name in names)
    timings = Timings(prompt=prompt, completion=completion, total=total, load=load)
    return None if timings == Timings() else timings


def _logprobs(entries: list[Json] | None) -> list[TokenLogprob] | None:
    return [_logprob(entry) for entry in entries] if entries else None


def _logprob(entry: Json) -> TokenLogprob:
    top = [_logprob(other) for other in entry.get("top_logprobs") or ()]
    return TokenLogprob(entry["token"], entry["logprob"], entry.get("bytes"), top)


@dataclass(frozen=True, slots=True)
class OllamaReader:
    """Reads the answers to one request: what its window was, and whether a text is to be a call."""

    window: Window = Window()  # noqa: RUF009 - frozen
    written: WrittenCall | None = None

    def decode_chat(self, reply: Reply, model: str) -> ChatResponse:
        """The answer in a whole reply. Raises `ProtocolError`, or what an error in it says."""
        decoder = LinesDecoder(self, reply.headers, model)
        return fold([*decoder.read(reply.body), *decoder.close()])

    def decoder(self, headers: Mapping[str, str], model: str) -> Decoder:
        """A decoder for one streamed answer."""
        return LinesDecoder(self, headers, model)


class LinesDecoder:
    """Lines of JSON, to our events; the last line is the one that says it is done."""

    __slots__ = ("_answer", "_headers", "_lines", "_model", "_window", "done")

    def __init__(self, reader: OllamaReader, headers: Mapping[str, str], model: str) -> None:
        finish = Finish("unknown", request_id=request_id(headers), rate_limits=read_rate_limits(headers))
        self._answer = Answer(finish, reader.written)
        self._window = reader.window
        self._lines = JSONLinesDecoder()
        self._headers = headers
        self._model = model
        self.done = False

    def feed(self, chunk: bytes) -> list[Event]:
        """The events in the next bytes. Raises what an error among the lines says."""
        return [event for line in self._lines.feed(chunk) for event in self.read(line)]

    def close(self) -> list[Event]:
        """What is left. Raises `StreamInterruptedError` if no line said that the answer is done."""
        events = [event for line in self._lines.close() for event in self.read(line)]
        if not self.done:
            raise StreamInterruptedError("the stream ended before the answer did", model=self._model)
        return events

    def read(self, line: bytes) -> list[Event]:
        """The events of one line, or of a body that is an answer by itself."""
        if self.done:
            return []
        body = read_object(line)
        raise_error_in(body, self._headers, self._model)
        with understood(line):
            events = [*self._answer.add(body)]
            return [*events, *self._end(body)] if body.get("done") else events

    def _end(self, body: Json) -> Iterable[Event]:
        self._window.check_count(count(body.get("prompt_eval_count")))
        events = [*self._answer.finish()]
        self.done = True
        return events
