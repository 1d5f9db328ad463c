"""A moving estimate of how long a target takes, quick to believe the worse and slow to believe the better."""

from __future__ import annotations

import math
from collections.abc import Callable


class PeakEwma:
    """Exponentially weighted mean of seconds that jumps up to a peak at once (Finagle's and Linkerd's peak EWMA).

    A better sample pulls it down by the time since the last one, with the time constant `decay` in seconds. Left
    alone it fades too, ten times slower, so that a target that was slow once is tried again some day.
    """

    __slots__ = ("_at", "_clock", "_decay", "_fading", "_value")

    def __init__(self, clock: Callable[[], float], decay: float = 10.0) -> None:
        self._clock = clock
        self._decay = decay
        self._fading = 10.0 * decay
        self._value = 0.0
        self._at = clock()

    @property
    def seconds(self) -> float:
        """The estimate now; 0 for a target that was never tried."""
        if self._value == 0.0:
            return 0.0
        return self._value * math.exp((self._at - self._clock()) / self._fading)

    def add(self, seconds: float) -> None:
        """Take a sample."""
        now, faded = self._clock(), self.seconds
        weight = math.exp((self._at - now) / self._decay)
        self._value = seconds if seconds > faded else seconds + (faded - seconds) * weight
        self._at = now
