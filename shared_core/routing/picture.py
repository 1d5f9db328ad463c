"""Shows a route in a notebook: a line for each target, and nothing in it that is not text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from shared_core.routing.target import TargetStatus

_HEADINGS = ("target", "state", "calls", "failures", "in flight", "first token", "last error")
_TEXTS = frozenset({"target", "state", "last error"})
_LONGEST = 200
_ROW = '<tr style="vertical-align: top">'


def picture(targets: Sequence[TargetStatus]) -> str:
    """An HTML table of how the targets are; texts are escaped, and long errors are cut."""
    heads = "".join(f"<th{_aligned(name)}>{name}</th>" for name in _HEADINGS)
    body = "".join(f"{_ROW}{''.join(_cells(target))}</tr>" for target in targets)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def _cells(target: TargetStatus) -> Iterable[str]:
    first = "" if target.first_token is None else f"{target.first_token:.3g} s"
    numbers = (target.calls, target.failures, target.in_flight)
    values = (target.name, _state(target), *numbers, first, _cut(target.last_error or ""))
    return (f"<td{_aligned(name)}>{escape(str(value))}</td>" for name, value in zip(_HEADINGS, values, strict=True))


def _state(target: TargetStatus) -> str:
    """The state of its breaker, and for how long it is left alone, which a place may also have asked for."""
    state = "paused" if target.state == "closed" and target.ready_in > 0 else target.state
    return f"{state} for {target.ready_in:.3g} s" if target.ready_in > 0 else state


def _aligned(name: str) -> str:
    return f' style="text-align: {"left" if name in _TEXTS else "right"}"'


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
