"""One call's part in the limits of the targets: what it needs, in whose line it waits, what it has reserved."""

from __future__ import annotations

import math

from shared_core.errors import BackendError, RateLimitError
from shared_core.routing.fitness import prompt_tokens
from shared_core.routing.limits import Demand
from shared_core.routing.target import Target
from shared_core.routing.windows import Use
from shared_core.types import ChatRequest, EmbedRequest, Finish

_UNWATCHED = Use(0, -math.inf, 0.0, 0.0)
"""That of a call at a target without limits."""


class Room:
    """A place in a line, and then a share of what a target takes. Not locked: whoever shares targets holds a lock."""

    def __init__(self, request: ChatRequest | EmbedRequest) -> None:
        self._request = request
        self.prompt: int | None = None  # its tokens, where somebody has counted them
        self._needed: Demand | None = None
        self._waits_for: Target | None = None
        self._use = _UNWATCHED
        self._sent_at = 0.0
        self._seen_at: float | None = None

    @property
    def _demand(self) -> Demand:
        if self._needed is None:
            answer = self._request.max_tokens if isinstance(self._request, ChatRequest) else 0
            prompt = prompt_tokens(self._request) if self.prompt is None else self.prompt
            self._needed = Demand(float(prompt), None if answer is None else float(answer))
        return self._needed

    def ready_in(self, target: Target) -> float:
        """Seconds until the target has room for this call, about."""
        return target.limits.ready_in(self, self._demand) if target.limits.is_watching else 0.0

    def wait(self, target: Target, seconds: float) -> float:
        """Get in its line, out of another's. Seconds after which to ask again."""
        if self._waits_for is not target:
            self.leave_line()
            self._waits_for = target
        return target.limits.wait(self, self._demand, seconds)

    def take(self, target: Target, at: float) -> None:
        """The call is sent there at that moment."""
        self.leave_line()
        self._use = target.limits.take(self, self._demand) if target.limits.is_watching else _UNWATCHED
        self._sent_at, self._seen_at = at, None

    def began(self, target: Target, first: float, now: float) -> None:
        """The first piece of the answer came, after `first` seconds; its headers came no later."""
        self._seen_at = now
        if self._use.number:
            target.limits.began(self._use)
            target.limits.paced("first token", first)

    def answered(self, target: Target, seconds: float, now: float, finish: Finish) -> None:
        """The answer is whole, after so many seconds."""
        if not self._use.number and finish.rate_limits is None:
            return
        written = finish.usage.output
        if self._seen_at is None:
            target.limits.paced("token" if written else "answer", seconds / (written or 1))
        seen_at = now if self._seen_at is None else self._seen_at
        target.limits.answered(self._use, finish.usage, finish.rate_limits, seen_at)

    def failed(self, target: Target, error: BackendError) -> None:
        """The call failed."""
        target.limits.failed(self._use, error)
        self._settle(target)

    def left(self, target: Target, now: float) -> None:
        """The caller is through with the target; what it never sent costs nothing."""
        if now < self._sent_at:
            target.limits.give_back(self._use)
        self._settle(target)

    def _settle(self, target: Target) -> None:
        if self._use.number:
            target.limits.settle(self._use)

    def leave_line(self) -> None:
        """Wait no longer."""
        if self._waits_for is not None:
            self._waits_for.limits.leave(self)
            self._waits_for = None


def no_room(target: Target, seconds: float) -> RateLimitError:
    """The error of a call that is not made, because its target would refuse it for so long."""
    return RateLimitError(
        f"{target.name} has no room for another {seconds:.0f} s, by the limits that are set or that it told",
        backend=target.backend.name,
        model=target.backend.model,
        retry_after=seconds,
    )
