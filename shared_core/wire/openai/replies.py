"""Reads answers of the OpenAI API; a whole message and a streamed delta go through the same mapping."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared_core.errors import ProtocolError, StreamInterruptedError
from shared_core.types import (
    Event,
    Finish,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
)
from shared_core.wire.base import Json
from shared_core.wire.bodies import beginning, read_object, understood
from shared_core.wire.faults import read_stream_error
from shared_core.wire.framing import ServerSentEvent, SSEDecoder
from shared_core.wire.openai.accounts import note_accounts, note_choice
from shared_core.wire.openai.logprobs import read_logprobs
from shared_core.wire.openai.tool_calls import ToolCallAssembler
from shared_core.wire.thinking import TagSplitter

_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}

LARGEST_ANSWER = 64 * 1024 * 1024
"""Bytes of a whole answer where a stream was asked for; log-probabilities of 20 tokens each take a kilobyte or two."""


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of an answer before its body: the model asked, the headers, and the `Finish` they begin."""

    model: str
    headers: Mapping[str, str]
    finish: Finish


class Answer:
    """One answer as it comes together: pieces in, events out, everything said beside them kept for the `Finish`."""

    __slots__ = ("_calls", "_finish", "_reason", "_splitter", "has_said")

    def __init__(self, finish: Finish) -> None:
        self._calls = ToolCallAssembler()
        self._splitter = TagSplitter()
        self._reason: str | None = None
        self._finish = finish
        self.has_said = False
        """Whether anything came that is an answer: text, reasoning, a call or a refusal."""

    @property
    def has_reason(self) -> bool:
        """Whether the place said why the answer ended."""
        return self._reason is not None

    def add(self, body: Json, piece_key: str) -> Iterable[Event]:
        """The events of one body, whose choice holds a "message" or a "delta"."""
        self._note(body)
        for choice in body.get("choices") or ():
            if choice.get("index"):
                continue  # with `n` above 1 the others' text must not run into the first one's
            note_choice(self._finish, choice)
            self._reason = choice.get("finish_reason") or self._reason
            yield from self._events(choice.get(piece_key) or {}, choice.get("logprobs"))

    def _events(self, piece: Json, logprobs: Json | None) -> Iterable[Event]:
        self.has_said = self.has_said or _says(piece)
        thought = piece.get("reasoning_content") or piece.get("reasoning") or piece.get("thinking")
        if thought and isinstance(thought, str):
            yield ReasoningDelta(thought)
        yield from self._texts(_content(piece.get("content")), read_logprobs(logprobs))
        if piece.get("refusal"):
            self._finish.metadata["refusal"] = self._finish.metadata.get("refusal", "") + piece["refusal"]
        for call in piece.get("tool_calls") or ():
            event = self._calls.add(call)
            if isinstance(event, ToolCallDelta) or event.text:
                yield event

    def _texts(self, text: str, tokens: list[TokenLogprob] | None) -> Iterable[Event]:
        events = self._splitter.feed(text)
        if tokens is not None:
            # The tokens of a piece stay together, in front of what the piece was split into.
            yield TextDelta(events.pop(0).text if events and isinstance(events[0], TextDelta) else "", tokens)
        yield from events

    def _note(self, body: Json) -> None:
        finish = self._finish
        finish.id = body.get("id") or finish.id
        finish.model = body.get("model") or finish.model
        for key in ("system_fingerprint", "service_tier", "provider"):
            if body.get(key):
                finish.metadata[key] = body[key]
        note_accounts(finish, body)

    def finish(self) -> Iterable[Event]:
        """The last events, the `Finish` included."""
        yield from self._splitter.close()
        yield from self._calls.close()
        reason = _REASONS.get(self._reason or "", "unknown")
        if reason == "unknown" and self._reason:
            self._finish.metadata["finish_reason"] = self._reason
        if self._calls.has_final and reason in ("tool_calls", "unknown"):
            reason = "stop"
        # A forced call ends with "stop" at OpenAI and with "tool_calls" elsewhere: one meaning, one word.
        self._finish.reason = "tool_calls" if len(self._calls) and reason in ("stop", "unknown") else reason
        yield self._finish


_SPOKEN = ("content", "reasoning_content", "reasoning", "thinking", "refusal", "tool_calls")


def _says(piece: Json) -> bool:
    return any(piece.get(key) for key in _SPOKEN)


def _content(content: str | list[Json] | None) -> str:
    if isinstance(content, list):
        return "".join(part.get("text") or "" for part in content)
    return content or ""


def decode_whole(body: bytes, head: Head) -> list[Event]:
    """The events of a whole answer. Raises `ProtocolError`, or what an error inside a 200 says."""
    value = read_object(body)
    if value.get("error"):
        raise read_stream_error(value, head.headers, head.model)
    if not value.get("choices"):
        raise ProtocolError(f"the answer has no choices: {beginning(body)}", model=head.model)
    answer = Answer(head.finish)
    with understood(body):
        return [*answer.add(value, "message"), *answer.finish()]


class StreamDecoder:
    """Server-sent events of chat completion chunks, to our events."""

    __slots__ = ("_answer", "_head", "_sse", "done")

    def __init__(self, head: Head) -> None:
        self._sse = SSEDecoder()
        self._answer = Answer(head.finish)
        self._head = head
        self.done = False

    def feed(self, chunk: bytes) -> list[Event]:
        """The events in the next bytes; the last of them at the place's [DONE]."""
        return [event for message in self._sse.feed(chunk) for event in self._events(message)]

    def close(self) -> list[Event]:
        """What is left. Raises `StreamInterruptedError` if there was neither a finish reason nor a [DONE]."""
        events = [event for message in self._sse.close() for event in self._events(message)]
        if self.done:
            return events
        if not self._answer.has_reason:
            said = self._head.finish.metadata.get("error")
            why = f": {said}" if said else ""
            raise StreamInterruptedError(f"the stream ended before the answer did{why}", model=self._head.model)
        return [*events, *self._end()]

    def _events(self, message: ServerSentEvent) -> list[Event]:
        events: list[Event] = []
        for data in _pieces(message.data):
            if self.done or not data:
                break
            events += self._end() if data == b"[DONE]" else self._read(data, message.type)
        return events

    def _read(self, data: bytes, kind: str) -> list[Event]:
        body = read_object(data)
        if kind == "error" or body.get("error"):
            raise read_stream_error(body, self._head.headers, self._head.model)
        with understood(data):
            return [*self._answer.add(body, "delta")]

    def _end(self) -> Iterable[Event]:
        if not (self._answer.has_reason or self._answer.has_said):
            raise StreamInterruptedError("the stream ended with nothing in it", model=self._head.model)
        self.done = True
        return self._answer.finish()


def _pieces(data: bytes) -> list[bytes]:
    """The data of one event; of several, where a place ends its events with one line end instead of two."""
    data = data.strip()
    if b"\n" not in data:
        return [data]
    lines = [line.strip() for line in data.split(b"\n") if line.strip()]
    each_is_one = all(line == b"[DONE]" or (line.startswith(b"{") and line.endswith(b"}")) for line in lines)
    return lines if each_is_one else [data]


class WholeDecoder:
    """A whole JSON answer where a stream was asked for: some places ignore `stream`, and errors may come so."""

    __slots__ = ("_body", "_head", "done")

    def __init__(self, head: Head) -> None:
        self._head = head
        self.done = False
        self._body = bytearray()

    def feed(self, chunk: bytes) -> list[Event]:
        """Nothing yet: the answer is read when it is whole. Raises `ProtocolError` for one without an end."""
        self._body += chunk
        if len(self._body) > LARGEST_ANSWER:
            raise ProtocolError(f"an answer of more than {LARGEST_ANSWER:,} bytes", model=self._head.model)
        return []

    def close(self) -> list[Event]:
        """All the events."""
        return decode_whole(bytes(self._body), self._head)


class AnswerDecoder:
    """Whichever of the two the first byte calls for: content types are not always told right."""

    __slots__ = ("_decoder", "_head")

    def __init__(self, head: Head) -> None:
        self._head = head
        self._decoder: StreamDecoder | WholeDecoder | None = None

    @property
    def done(self) -> bool:
        """Whether the answer is whole, its `Finish` handed out."""
        return self._decoder is not None and self._decoder.done

    def feed(self, chunk: bytes) -> list[Event]:
        """The events in the next bytes."""
        if self._decoder is None:
            start = chunk.lstrip()
            if not start:
                return []
            self._decoder = (WholeDecoder if start[:1] in b"{[<" else StreamDecoder)(self._head)
        return self._decoder.feed(chunk)

    def close(self) -> list[Event]:
        """The last events. Raises `StreamInterruptedError` if the answer is not whole."""
        return (self._decoder or StreamDecoder(self._head)).close()
