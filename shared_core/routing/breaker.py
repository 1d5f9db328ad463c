"""Keeps calls away from a target that fails, and lets exactly one through to see whether it is back."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

State: TypeAlias = Literal["closed", "open", "half-open"]


@dataclass(frozen=True, slots=True)
class BreakerRule:
    """When a breaker opens, and for how long, in seconds.

    It opens at once when a place cannot be reached or does not answer; for other failures after `consecutive` of them,
    or when `share` of the last `window` calls failed. Before that, each failure keeps calls away for `rest`, while
    there is another target. Each time its probe fails it stays open twice as long as before, up to `longest`.
    """

    consecutive: int = 3
    share: float = 0.5
    window: int = 20
    rest: float = 1.0
    shortest: float = 5.0
    longest: float = 300.0


class Breaker:
    """The state of one target. Not locked: whoever shares it holds a lock around each call.

    `who` is the call that asks, whatever object it is: while the breaker is open, only those that it let through can
    close it, open it for longer or make place for the next one. Others began before, and know nothing new.
    """

    __slots__ = ("_clock", "_failures", "_open_for", "_opened_until", "_probes", "_recent", "_rested_until", "_rule")

    def __init__(self, rule: BreakerRule, clock: Callable[[], float]) -> None:
        self._rule = rule
        self._clock = clock
        self._failures = 0
        self._recent: deque[bool] = deque(maxlen=rule.window)
        self._open_for = 0.0
        self._opened_until: float | None = None
        self._rested_until = 0.0
        self._probes: set[object] = set()

    @property
    def state(self) -> State:
        """Closed: calls go through; open: none does; half-open: one may, or is on its way."""
        if self._opened_until is None:
            return "closed"
        return "half-open" if self._probes or self.ready_in() == 0.0 else "open"

    @property
    def is_probing(self) -> bool:
        """Whether the one call that may go through is on its way."""
        return bool(self._probes)

    @property
    def is_trusted(self) -> bool:
        """Whether the target's last call said nothing against it."""
        return self._opened_until is None and not self._failures

    def ready_in(self) -> float:
        """Seconds until the next call may go through, a probe on its way not counted."""
        until = self._rested_until if self._opened_until is None else self._opened_until
        return max(0.0, until - self._clock()) if until else 0.0

    @property
    def is_ready(self) -> bool:
        """Whether a call may go through now. Half-open, that is the one probe."""
        return not self._probes and self.ready_in() == 0.0

    def enter(self, who: object) -> None:
        """A call goes through, ready or not; where the breaker is not closed, it is the probe."""
        if self._opened_until is not None:
            self._probes.add(who)

    def answer(self, who: object) -> bool:
        """The target began to answer: others may come, but the next failure opens it again. Whether it closed."""
        if who not in self._probes:
            return False
        self._close()
        self._failures = self._rule.consecutive - 1
        return True

    def succeed(self, who: object) -> bool:
        """A call succeeded: the target is back. Whether the breaker closed."""
        was_open = self._opened_until is not None
        if was_open and who not in self._probes:
            return False
        self._close()
        self._failures, self._open_for = 0, 0.0
        self._recent.append(False)
        return was_open

    def fail(self, who: object, *, at_once: bool) -> bool:
        """A call failed; `at_once` says that one failure is enough. Whether the breaker opened."""
        was_open = self._opened_until is not None
        if was_open and who not in self._probes:
            return False
        self._failures += 1
        self._recent.append(True)
        if was_open or at_once or self._is_bad():
            return self.open(min(self._rule.longest, max(self._rule.shortest, self._open_for * 2)))
        self._rested_until = self._clock() + self._rule.rest
        return False

    def open(self, seconds: float) -> bool:
        """Let nothing through for about so long; the next call then is the probe. Whether it was closed."""
        was_closed = self._opened_until is None
        self._open_for = seconds
        # Many processes that saw the same failure must not probe at the same moment.
        self._opened_until = self._clock() + seconds * random.uniform(0.9, 1.1)  # noqa: S311 - jitter, not a secret
        self._probes.clear()
        return was_closed

    def forget(self, who: object) -> None:
        """A call ended without saying anything of the target: cancelled, or refused for what it asked."""
        self._probes.discard(who)

    def _close(self) -> None:
        if self._opened_until is not None:
            self._recent.clear()
        self._opened_until, self._rested_until = None, 0.0
        self._probes.clear()

    def _is_bad(self) -> bool:
        full = len(self._recent) == self._rule.window
        return self._failures >= self._rule.consecutive or (
            full and sum(self._recent) >= self._rule.share * self._rule.window
        )
