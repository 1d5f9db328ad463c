"""Turns the tokens of an answer into events: whole characters, stop strings, log-probabilities."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from shared_core.local.answer_parser import AnswerParser
from shared_core.local.stops import StopFilter
from shared_core.types import Event, TextDelta, TokenLogprob


class Answer:
    """An answer while it is written: `add` every token's bytes, then `close`."""

    def __init__(self, parser: AnswerParser, stops: StopFilter) -> None:
        self._parser = parser
        self._stops = stops
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._logprobs: list[TokenLogprob] = []
        self.reasoning_tokens = 0

    @property
    def calls(self) -> int:
        """How many whole tool calls there are so far."""
        return self._parser.calls

    @property
    def stopped(self) -> bool:
        """Whether a stop string has come; it and what follows it is no part of the answer."""
        return self._stops.found

    def add(self, piece: bytes, logprob: TokenLogprob | None = None) -> list[Event]:
        """The events that are certain after the next token."""
        self.reasoning_tokens += self._parser.in_reasoning
        was_text = self._parser.in_text
        events = self._parser.feed(self._decoder.decode(piece))
        if logprob is not None and was_text and self._parser.in_text:
            self._logprobs.append(logprob)
        return list(self._filter(events))

    def close(self) -> list[Event]:
        """What was held back. A character that was cut in the middle is left out."""
        events = [] if self.stopped else list(self._filter(self._parser.close()))
        held = "" if self.stopped else self._stops.flush()
        if held or self._logprobs:
            events.append(self._text(held))
        return events

    def _filter(self, events: list[Event]) -> Iterator[Event]:
        for event in events:
            spoken = isinstance(event, TextDelta)
            text = self._stops.feed(event.text) if isinstance(event, TextDelta) else self._stops.flush()
            if text:
                yield self._text(text)
            if self.stopped:
                return
            if not spoken:
                yield event

    def _text(self, text: str) -> TextDelta:
        logprobs, self._logprobs = self._logprobs, []
        return TextDelta(text, logprobs=logprobs or None)
