"""What the libraries are put through, and what should come of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tests.routing.fault_server import DRIP, FAULTS, HEALTHY, REFUSED, Fault, Mode
from tests.routing.fault_speech import TEXT

Half: TypeAlias = Literal["sync", "async"]
Position: TypeAlias = Literal["first", "second", "all"]
Outcome: TypeAlias = Literal["answered", "wrong", "error", "hang"]

HALVES: tuple[Half, ...] = ("sync", "async")
MODES: tuple[Mode, ...] = ("chat", "stream")
POSITIONS: tuple[Position, ...] = ("first", "second", "all")
SCRIPTS = (*FAULTS.values(), DRIP)


@dataclass(frozen=True)
class Case:
    """One call of a chain of targets, one or all of which are faulty."""

    fault: Fault
    position: Position
    mode: Mode
    half: Half

    @property
    def targets(self) -> tuple[Fault, ...]:
        """What each target of the chain plays; the second place is reached because the first one fails."""
        if self.position == "all":
            return self.fault, self.fault
        return (self.fault, HEALTHY) if self.position == "first" else (FAULTS["500"], self.fault, HEALTHY)

    @property
    def best(self) -> Outcome:
        """What a caller should see: the answer wherever one can still be had, else an error."""
        if self.mode not in self.fault.error:
            return "answered"
        broken_off = self.mode == "stream" and self.fault.said
        return "error" if broken_off or self.position == "all" else "answered"

    @property
    def group(self) -> str:
        """The question that this case is one answer to."""
        if self.mode not in self.fault.error:
            return "slow but right"
        if self.mode == "stream" and self.fault.said:
            return "broken off in its text"
        return "no target left" if self.position == "all" else "a healthy target left"


def cases() -> Iterator[Case]:
    """The whole table."""
    for fault in SCRIPTS:
        for position in POSITIONS:
            for mode in fault.modes:
                for half in HALVES:
                    yield Case(fault, position, mode, half)


def outcome_of(text: str, error: str | None) -> Outcome:
    """What a caller saw. Text that is no beginning of the answer is wrong whatever comes after it."""
    if not TEXT.startswith(text):
        return "wrong"
    if error is not None:
        return "error"
    return "answered" if text == TEXT else "wrong"


# --- a dead target of two ------------------------------------------------------------------------------------------

CALLS = 60


@dataclass(frozen=True)
class Pool:
    """Sixty calls, one after the other, over a dead target and a healthy one."""

    title: str
    dead: Fault
    mode: Mode
    half: Half
    ollama: bool = False


def pools() -> Iterator[Pool]:
    """Each kind of dead target in each way to call."""
    kinds = (
        ("connection refused", REFUSED, False),
        ("connection refused, Ollama's own API", REFUSED, True),
        ("never answers", FAULTS["black_hole"], False),
        ("HTTP 500", FAULTS["500"], False),
    )
    for title, dead, ollama in kinds:
        for mode in MODES:
            for half in HALVES:
                yield Pool(title, dead, mode, half, ollama)
