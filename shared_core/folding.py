"""Turns the events of a stream into the whole answer; the only accumulator there is."""

from __future__ import annotations

from collections.abc import Iterable

from shared_core.types import (
    ChatResponse,
    Event,
    Finish,
    ReasoningDelta,
    TextDelta,
    TokenLogprob,
    ToolCall,
    ToolCallDelta,
)


class Fold:
    """The only accumulator of stream events: `add` every event, then read `response()`."""

    __slots__ = ("_arguments", "_calls", "_finish", "_logprobs", "_reasoning", "_text")

    def __init__(self) -> None:
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[int, ToolCall] = {}
        self._arguments: dict[int, list[str]] = {}
        self._logprobs: list[TokenLogprob] | None = None
        self._finish: Finish | None = None

    def add(self, event: Event) -> None:
        """Take the next event of the stream."""
        match event:
            case TextDelta():
                self._text.append(event.text)
                if event.logprobs is not None:
                    self._logprobs = (self._logprobs or []) + event.logprobs
            case ReasoningDelta():
                self._reasoning.append(event.text)
            case ToolCallDelta():
                self._add_call(event)
            case _:
                self._finish = event

    def _add_call(self, delta: ToolCallDelta) -> None:
        call = self._calls.setdefault(delta.index, ToolCall("", "", ""))
        call.id = delta.id or call.id
        call.name = delta.name or call.name
        self._arguments.setdefault(delta.index, []).append(delta.arguments)

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The tool calls so far, in order; until the stream ends, the arguments of each may be partial."""
        return [
            ToolCall(call.id, call.name, "".join(self._arguments[index])) for index, call in sorted(self._calls.items())
        ]

    def response(self) -> ChatResponse:
        """The whole answer. Raises `ValueError` if no `Finish` came: such a stream is not an answer."""
        if self._finish is None:
            message = "the stream has no Finish: it is not whole"
            raise ValueError(message)
        return ChatResponse(
            text="".join(self._text),
            finish=self._finish,
            reasoning="".join(self._reasoning),
            tool_calls=self.tool_calls,
            logprobs=self._logprobs,
        )


def fold(events: Iterable[Event]) -> ChatResponse:
    """Turn a whole stream into the response that `chat` would have given. Raises `ValueError` without a `Finish`."""
    accumulator = Fold()
    for event in events:
        accumulator.add(event)
    return accumulator.response()
