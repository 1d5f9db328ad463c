"""Writes what was measured as a page of tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from benchmarks.cases import CALLS, HALVES, MODES, SCRIPTS, Case, Half, Outcome, Pool, Position, pools
from tests.routing.fault_server import Fault, Mode


@dataclass(frozen=True)
class Missed:
    """Of sixty calls: how many the caller saw fail, how many were made, how many of them reached the dead target
    (`None`: nobody was there to count), and the seconds that all took together.
    """

    failures: int
    calls: int
    asked: int | None
    seconds: float


@dataclass
class Measured:
    """One library: what came of each case, with its error; `lacks` are the ways to call that always fail."""

    title: str
    versions: str
    day: str
    outcomes: dict[Case, Outcome] = field(default_factory=dict)
    errors: dict[Case, list[str]] = field(default_factory=dict)
    missed: dict[Pool, Missed] = field(default_factory=dict)
    lacks: dict[tuple[Mode, Half], str] = field(default_factory=dict)


GROUPS = {
    "a healthy target left": "answered",
    "broken off in its text": "error",
    "no target left": "error",
    "slow but right": "answered",
}
"""The questions, with what a caller should see."""

ABOUT = {
    "connection_refused": "nobody listens",
    "black_hole": "the connection is taken, and nothing comes",
    "401": "HTTP 401", "402": "HTTP 402", "404": "HTTP 404",
    "429_groq": "HTTP 429, Groq's headers: `1m0.5s` and `retry-after`",
    "429_cerebras": "HTTP 429, Cerebras' headers: float seconds for each window",
    "429_together": "HTTP 429, Together's headers: limits per second",
    "429_openrouter": "HTTP 429, OpenRouter's headers: a moment in epoch milliseconds",
    "429_retry_after_seconds": "HTTP 429, `retry-after: 60`",
    "429_retry_after_date": "HTTP 429, `retry-after` with an HTTP date",
    "429_retry_after_ms": "HTTP 429, `retry-after-ms: 60000`",
    "429_bare": "HTTP 429 without a word on when",
    "500": "HTTP 500", "502_html": "HTTP 502 with an HTML page", "503": "HTTP 503",
    "slow_first_token": "headers and an empty first chunk, then silence",
    "stall": "silence after two pieces; whole answers: after half the body",
    "cut": "the connection ends within a chunk, after two pieces; whole: after half the body",
    "cut_before_text": "the connection ends within the first chunk that has text",
    "reset_before_text": "the connection is reset before an answer",
    "malformed_line": "a broken line instead of the third piece, then an orderly end; whole: a body that is no JSON",
    "malformed_first_line": "a broken line instead of the first piece, then the rest",
    "error_frame": "an error inside HTTP 200",
    "error_frame_after_text": "an error in the stream, after two pieces",
    "empty_200": "HTTP 200 with nothing in it",
    "clean_end": "an orderly end after two pieces, without finish reason or end mark; whole: half a body, no length",
    "clean_end_before_text": "an orderly end before any text; whole: an empty body without length",
    "trickle": "the right answer, one byte at a time",
    "gzip_cut": "compressed, and ended in an orderly way after two pieces; whole: after half the body",
    "done_alone": "a first chunk without text, then the end mark, without finish reason; whole: no choices",
    "drip": "a byte or a comment every 10 ms, for ever, and no answer",
}  # fmt: skip
"""What each fault is."""

WHERE: dict[Position, str] = {
    "first": "The first of two targets is faulty, the second healthy",
    "second": "The first of three targets answers 500, the second is faulty, the third healthy",
    "all": "Both targets are faulty",
}


def report(measured: Sequence[Measured], *, timeout: float, patience: float) -> str:
    """The whole page."""
    return "\n".join(
        [
            *_introduction(measured, timeout, patience),
            *_summary(measured),
            *_sixty(measured),
            *(line for position in WHERE for line in _table(measured, position)),
            *_faults(),
        ]
    )


def _introduction(measured: Sequence[Measured], timeout: float, patience: float) -> list[str]:
    lacking = [
        f"- {one.title}: {half} {mode} fails on healthy targets too (`{error}`), and is left out."
        for one in measured
        for (mode, half), error in one.lacks.items()
    ]
    return [
        "# What comes of faults",
        "",
        "Written by `python -m benchmarks.faults`, which plays each fault over loopback sockets, byte by byte, to",
        "this project's Router and to what others offer for the same end, each in an environment of its own:",
        "",
        *(f"- {one.title}: {one.versions}; measured on {one.day}" for one in measured),
        "",
        f"Everywhere: timeouts of {timeout:g} s in every option that the library has for them, targets in order, each",
        "tried at most once; beyond that, the library's defaults. A call that has not ended by",
        f"{patience:g} s is a *hang*. *Answered* is the whole right text, once. *Wrong* is text that is cut short or",
        "doubled, and given to the caller as a success. *Error* is an exception. Chat is the whole answer, stream its",
        "pieces; both were called sync and async; where they differ, both outcomes stand in the cell, sync first. What",
        "is not what a caller should get is in bold.",
        "",
        *lacking,
        *([""] if lacking else []),
    ]


def _summary(measured: Sequence[Measured]) -> list[str]:
    rows = []
    for group, best in GROUPS.items():
        cells = [_counts(one, group) for one in measured]
        rows.append([f"{group}: should be {best}", *cells])
    return ["## In sum", "", *_rows(["", *(one.title for one in measured)], rows), ""]


def _counts(one: Measured, group: str) -> str:
    found = Counter(outcome for case, outcome in one.outcomes.items() if case.group == group)
    total = found.total()
    if not total:
        return "-"
    return "<br>".join(f"{outcome} {count} of {total}" for outcome, count in sorted(found.items()))


def _sixty(measured: Sequence[Measured]) -> list[str]:
    rows = [
        [f"{pool.title}, {pool.half} {pool.mode}", *(_cell_of(one.missed.get(pool)) for one in measured)]
        for pool in pools()
        if any(pool in one.missed for one in measured)
    ]
    if not rows:
        return []
    return [
        f"## {CALLS} calls with one dead target of two",
        "",
        "One after the other. This Router (`max_attempts=1`) and LiteLLM's (`num_retries=0`) pool the targets, each",
        "with its default strategy, and make one attempt a call: a call that meets the dead one fails. The other two",
        "have no pools: in every call they try the dead target first, and then the other one. A cell says how many",
        "calls failed for the caller, how many reached the dead target (where it could count), and how long all took.",
        "Routers that draw at random may have more or fewer in another run; LiteLLM's draws begin with seed 0.",
        "",
        *_rows(["dead target", *(one.title for one in measured)], rows),
        "",
    ]


def _cell_of(missed: Missed | None) -> str:
    if missed is None:
        return "-"
    failed = f"{missed.failures} failed" + (f" of {missed.calls}, then hung" if missed.calls < CALLS else "")
    asked = "" if missed.asked is None else f", {missed.asked} asked"
    return f"{failed}{asked}, {missed.seconds:.1f} s"


def _table(measured: Sequence[Measured], position: Position) -> list[str]:
    alike: dict[tuple[str, ...], list[str]] = {}  # faults of which the same came everywhere share a row
    for fault in _met(measured):
        cells = tuple(_cell(one, fault, position, mode) for one in measured for mode in MODES)
        alike.setdefault(cells, []).append(fault.name)
    rows = [[", ".join(names), *cells] for cells, names in alike.items()]
    head = ["fault", *(f"{one.title}: {mode}" for one in measured for mode in MODES)]
    return [f"## {WHERE[position]}", "", *_rows(head, rows), ""]


def _met(measured: Sequence[Measured]) -> list[Fault]:
    met = {case.fault.name for one in measured for case in one.outcomes}
    return [fault for fault in SCRIPTS if fault.name in met]


def _cell(one: Measured, fault: Fault, position: Position, mode: Mode) -> str:
    asked = [Case(fault, position, mode, half) for half in HALVES]
    found = [_marked(case, one.outcomes[case]) for case in asked if case in one.outcomes]
    return "/".join(dict.fromkeys(found)) or "-"


def _marked(case: Case, outcome: Outcome) -> str:
    """What is not what it should be stands out."""
    return outcome if outcome == case.best else f"**{outcome}**"


def _faults() -> list[str]:
    return [
        "## The faults",
        "",
        *_rows(["fault", "what the target does"], [[fault.name, ABOUT[fault.name]] for fault in SCRIPTS]),
        "",
    ]


def _rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
