"""Says when a call is tried again at the same place, and how long to wait before."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from shared_core.errors import BackendError

BASE = 0.5
"""Seconds; the first wait is drawn between 0 and this, each next one from twice as much (full jitter)."""
CAP = 8.0
"""Seconds no drawn wait goes beyond."""
LONGEST_RETRY_AFTER = 60.0
"""Seconds a place may ask us to wait; when it asks for more, its error is raised at once."""

_log = logging.getLogger("shared_core")


class Attempt:
    """One try. Its `with` block swallows an error that the next attempt may mend, until `commit` is called."""

    __slots__ = ("_committed", "_last", "_mends", "delay", "error", "mended")

    def __init__(self, delay: float, mends: Callable[[BackendError], bool], *, last: bool) -> None:
        self.delay = delay
        self.error: BackendError | None = None
        self.mended = False
        self._mends = mends
        self._last = last
        self._committed = False

    def commit(self) -> None:
        """The caller has seen a part of the answer: from here on no other try can take its place."""
        self._committed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, BackendError) or self._committed:
            return False
        self.mended = self._mends(error)
        if not self.mended and not self._worth_another(error):
            return False
        self.error = error
        return True

    def _worth_another(self, error: BackendError) -> bool:
        if not error.retry or self._last:
            return False
        return (error.retry_after or 0.0) <= LONGEST_RETRY_AFTER


def attempts(max_retries: int, mends: Callable[[BackendError], bool]) -> Iterator[Attempt]:
    """`max_retries` + 1 attempts at the most; the caller sleeps `delay` seconds before each.

    An error that `mends` says it has mended costs no attempt and no wait.
    """
    number, delay = 0, 0.0
    while True:
        attempt = Attempt(delay, mends, last=number == max_retries)
        yield attempt
        if attempt.error is None:
            return
        delay = 0.0
        if not attempt.mended:
            number += 1
            delay = _wait(number, attempt.error)
            _log.info("%s Trying again in %.1f s (%d of %d).", attempt.error, delay, number, max_retries)


def _wait(number: int, error: BackendError) -> float:
    if error.retry_after is not None:
        return error.retry_after
    return random.uniform(0.0, min(CAP, BASE * 2 ** (number - 1)))  # noqa: S311 - jitter, not a secret
