"""Tells text, reasoning and tool calls apart while a model writes them."""

from __future__ import annotations

from collections.abc import Callable

from shared_core.local.call_reader import CallReader
from shared_core.local.stops import first_mark, partial_end
from shared_core.local.tool_syntax import ToolSyntax
from shared_core.types import Event, ReasoningDelta, TextDelta

THINK_BEGIN, THINK_END = "<think>", "</think>"


class AnswerParser:
    """Feed it the text of an answer; it gives events. `syntax` is how tool calls look, `None` if none may come.

    `thinking` says that the prompt has begun the reasoning. `new_id` makes the ids of calls.
    """

    def __init__(self, syntax: ToolSyntax | None, *, thinking: bool, new_id: Callable[[], str]) -> None:
        self._marks = syntax.marks if syntax else ()
        self._list_begin = syntax.list_begin if syntax else ""
        self._end = syntax.end if syntax else ""
        self._separator = (syntax.separator or "").strip() if syntax else ""
        self._unmarked = syntax is not None and not syntax.begin
        self._new_id = new_id
        self._pending = ""
        self._events: list[Event] = []
        self._mark = ""
        self._fresh = not thinking  # nothing but blanks so far: only now may reasoning, or an unmarked call, begin
        self._strip = thinking  # blanks between parts belong to none of them
        self._step: Callable[[], bool] = self._read_reasoning if thinking else self._read_text
        self._reader = CallReader(0, "")
        self.calls = 0

    @property
    def in_text(self) -> bool:
        """Whether what comes next is taken for text."""
        return self._step == self._read_text

    @property
    def in_reasoning(self) -> bool:
        """Whether what comes next is taken for reasoning."""
        return self._step == self._read_reasoning

    def feed(self, text: str) -> list[Event]:
        """Read on; gives the events that are certain now."""
        self._pending += text
        while self._step():
            pass
        return self._drain()

    def close(self) -> list[Event]:
        """Give what was held back, at the end of the answer."""
        if self._step == self._read_list_begin:
            self._add(TextDelta, self._mark)
            self._step = self._read_text
        if self._step == self._read_call and not self._reader.begun:
            self._give_up_call()
        if self.in_reasoning:
            self._add(ReasoningDelta, self._pending.rstrip())
        elif self.in_text and not (self._strip and not self._pending.strip()):
            self._add(TextDelta, self._pending)
        self._pending = ""
        return self._drain()

    def _drain(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _add(self, kind: type[TextDelta | ReasoningDelta], text: str) -> None:
        if text:
            self._fresh = self._strip = False
            self._events.append(kind(text))

    # Each step reads what it can from the beginning of the pending text, and says whether another may go on.

    def _read_text(self) -> bool:
        if self._strip:
            self._pending = self._pending.lstrip()
        if self._fresh:
            begins = self._read_beginning()
            if begins is not None:
                return begins
        hit = first_mark(self._pending, self._marks)
        if hit is None:
            self._pass_on(TextDelta, self._marks, blanks_too=not self._marks)
            return False
        at, mark = hit
        self._add(TextDelta, self._pending[:at].rstrip())
        return self._begin_call(mark, at + len(mark))

    def _read_beginning(self) -> bool | None:
        """Look for what only an answer's beginning can be; `None` if it is none of that."""
        start = self._pending.lstrip()
        if start.startswith(THINK_BEGIN):
            self._pending = start.removeprefix(THINK_BEGIN)
            self._strip, self._fresh, self._step = True, False, self._read_reasoning
            return True
        if THINK_BEGIN.startswith(start):
            return False
        if self._unmarked and start.startswith("{"):
            return self._begin_call("", 0)
        return None

    def _read_reasoning(self) -> bool:
        if self._strip:
            self._pending = self._pending.lstrip()
        thought, end, rest = self._pending.partition(THINK_END)
        if not end:
            self._pass_on(ReasoningDelta, (THINK_END,), blanks_too=False)
            return False
        self._add(ReasoningDelta, thought.rstrip())
        self._pending, self._strip, self._step = rest, True, self._read_text
        return True

    def _pass_on(self, kind: type[TextDelta | ReasoningDelta], marks: tuple[str, ...], *, blanks_too: bool) -> None:
        """Give the pending text, without an end that may belong to a mark or to the blanks before one."""
        certain = self._pending[: len(self._pending) - partial_end(self._pending, marks)]
        certain = certain if blanks_too else certain.rstrip()
        self._pending = self._pending[len(certain) :]
        self._add(kind, certain)

    def _begin_call(self, mark: str, length: int) -> bool:
        self._mark, self._pending, self._fresh = mark, self._pending[length:], False
        self._reader = CallReader(self.calls, self._new_id())
        self._step = self._read_list_begin if mark and self._list_begin else self._read_call
        return True

    def _read_list_begin(self) -> bool:
        start = self._pending.lstrip()
        if start.startswith(self._list_begin):
            blanks = len(self._pending) - len(start)
            self._mark += self._pending[: blanks + len(self._list_begin)]
            self._pending = start.removeprefix(self._list_begin)
        if start:
            self._step = self._read_call
        return bool(start)

    def _read_call(self) -> bool:
        reader, text, self._pending = self._reader, self._pending, ""
        self._events += reader.feed(text)
        if reader.done:
            self.calls += 1
            self._pending, self._step = reader.rest, self._read_between
        elif reader.failed:
            self._give_up_call()
        return reader.done or reader.failed

    def _give_up_call(self) -> None:
        """Take for text what looked like a call."""
        self._step, self._pending = self._read_text, self._reader.rest
        self._add(TextDelta, self._mark)

    def _read_between(self) -> bool:
        """After a call: its end mark, the next call, or text."""
        self._pending = self._pending.lstrip()
        if not self._pending or (self._pending != self._end and self._end.startswith(self._pending)):
            return False
        if self._separator and self._pending.startswith(self._separator):
            return self._begin_call("", len(self._separator))
        if self._unmarked and self._pending.startswith("{"):
            return self._begin_call("", 0)
        self._pending = self._pending.removeprefix(self._end)
        self._strip, self._step = True, self._read_text
        return True
