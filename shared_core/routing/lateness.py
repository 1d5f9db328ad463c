"""Says when a first token is late, and how often something may be done about it."""

from __future__ import annotations

import math
import re
import threading
from collections import deque

from shared_core.errors import ConfigurationError

_KEPT = 200
_ENOUGH = 20
"""Samples without which nothing is known of a distribution's tail."""
_SAVED = 10.0
"""Hedges that may be saved up for a bad time."""
_ROUNDING = 1e-9


class Lateness:
    """The seconds after which a first token is late, and the budget for asking elsewhere then; locked by itself.

    `after` is in seconds, or a percentile ("p95") of the last 200 waits for a first token: then nothing is late before
    there are 20. Each call adds `budget` to what hedges may spend, each of which costs 1.

    Raises `ConfigurationError` for values that are none of these.
    """

    def __init__(self, after: float | str, budget: float) -> None:
        self._fixed, self._share = _read(after)
        if not 0.0 <= budget <= 1.0:
            raise ConfigurationError(f"a hedging budget is a share of the calls, from 0 to 1, not {budget!r}")
        self._budget = budget
        self._tokens = 0.0
        self._waits: deque[float] = deque(maxlen=_KEPT)
        self._lock = threading.Lock()

    def begin(self) -> float | None:
        """A call begins: the seconds after which its first token is late, if that is known."""
        with self._lock:
            self._tokens = min(_SAVED, self._tokens + self._budget)
            if self._fixed is not None or len(self._waits) < _ENOUGH:
                return self._fixed
            return sorted(self._waits)[math.ceil(self._share * len(self._waits)) - 1]

    def spend(self) -> bool:
        """Take one hedge from the budget. False: it is used up."""
        with self._lock:
            if self._tokens < 1.0 - _ROUNDING:
                return False
            self._tokens -= 1.0
            return True

    def add(self, seconds: float) -> None:
        """A call had its first token."""
        with self._lock:
            self._waits.append(seconds)


def _read(after: float | str) -> tuple[float | None, float]:
    if isinstance(after, str):
        if (match := re.fullmatch(r"p([1-9]\d?(?:\.\d+)?)", after)) is None:
            raise ConfigurationError(f"hedging starts after seconds, or a percentile such as 'p95', not {after!r}")
        return None, float(match[1]) / 100
    if not 0.0 <= after < math.inf:
        raise ConfigurationError(f"hedging starts after a number of seconds, not {after!r}")
    return after, 0.0
