"""Decides which target a call tries next, and what a failure means for it; nothing else does."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Generic, TypeVar, cast

from shared_core.errors import (
    AllBackendsFailedError,
    BackendError,
    BackendTimeoutError,
    ContentFilteredError,
    ContextLengthError,
    UnsupportedError,
)
from shared_core.routing.fitness import Needs
from shared_core.routing.kinds import fit_for, is_only_too_long, overflowed
from shared_core.routing.policies import Policy
from shared_core.routing.resuming import Resumption
from shared_core.routing.room import Room, no_room
from shared_core.routing.state import RouteState, Rules
from shared_core.routing.target import Target
from shared_core.routing.verdict import is_all, judge, may_pass, told
from shared_core.types import ChatRequest, EmbedRequest, Finish

_BACKOFF, _LONGEST_BACKOFF = 0.5, 8.0
_MINUTE = 60.0
"""Seconds a target may be full for all, if longer waits are not allowed: by the minute is how most places count."""
_POLL = 0.05
"""Seconds between two looks at whether a probe of another call has ended."""
_MOMENT = 0.001
"""Seconds with which a call cannot begin anything any more."""
_DOUBT = 1.5
"""Where all windows look too small, they are taken to be larger by this: prompts are only estimated."""

_Request = TypeVar("_Request", bound=ChatRequest | EmbedRequest)


class Call(Generic[_Request]):
    """One call on its way over the targets: rounds, each over those that may still help."""

    def __init__(self, state: RouteState, policy: Policy, rules: Rules, request: _Request) -> None:
        self.state = state
        self.told: list[dict[str, object]] = []
        self._policy = policy
        self.rules = rules
        self.request = request
        self._until = None if rules.deadline is None else state.clock() + rules.deadline
        self._errors: list[BackendError] = []
        self._room = Room(request)
        self._taken: Target | None = None
        self._among = 1  # calls at the target when this one began
        self._counted = 0
        self._last: Target | None = None
        self._again: list[Target] = []
        self._round = 0
        self._waited = 0.0
        self._window = 0  # the largest context window that was too small
        self._overflow, self._filtered = state.fallbacks.overflow, state.fallbacks.filtered  # until they are used
        self._fit = self._fitting()
        with state.lock:
            state.budget.earn()
        self._queue = list(policy(request, self._fit))
        self.resumption = Resumption(request) if rules.resume and isinstance(request, ChatRequest) else None

    def _fitting(self) -> Sequence[Target]:
        if isinstance(self.request, EmbedRequest):
            return self.state.targets
        needs = Needs.of(self.request)
        self._room.prompt = needs.prompt
        fit = [target for target in self.state.targets if needs.unmet_by(target.capabilities) is None]
        if not fit and self._overflow and is_only_too_long(needs, self.state.targets):
            fit, self._overflow = fit_for(self.request, self._overflow), ()
        if not fit:
            fit = [target for target in self.state.targets if needs.unmet_by(target.capabilities, doubt=_DOUBT) is None]
        if not fit:
            asked = [*self.state.targets, *self.state.fallbacks.overflow]
            reasons = (f"{target.name}: {needs.unmet_by(target.capabilities)}" for target in asked)
            raise UnsupportedError(f"no target of the route can serve this request: {'; '.join(reasons)}")
        return fit

    # --- what comes next ---

    def next(self) -> tuple[Target | None, float]:
        """The next target, if any, and the seconds to wait before. Raises the error of a route that has none left."""
        if self.rules.lane is not None:
            self._queue = self.rules.lane.admit(self._queue, self._is_ready)
        if self.resumption is not None and self.is_resuming:
            self._queue = [target for target in self._queue if self.resumption.can_continue(target)]
        if not self._queue:
            self._begin_round()
        if self.is_over:
            raise self._late()
        if self.rules.max_attempts is not None and self._counted >= self.rules.max_attempts:
            raise self._failure()
        with self.state.lock:
            target, wait = self._choose()
            if target is not None:
                wait = max(wait, self._backoff())
                self._take(target, wait)
        if target is None:
            self._waited += wait
            return None, wait
        self._waited = 0.0
        self._announce(target)
        return target, wait

    def _take(self, target: Target, wait: float) -> None:
        """Begin a call there. Raises where there is no time or no budget for it.

        The first try at a target in order costs no budget, since others would have been routed there anyway. Nor does
        `max_attempts` count it where it is to find out whether a target that failed is back: it was not the caller's.
        """
        left, in_order = self.time_left(), self._round == 0 and self._is_ready(target)
        if left is not None and wait >= left:
            raise self._late()
        if self._errors and not in_order and not self.state.budget.spend():
            raise self._failure("and the budget for further attempts is used up")
        self._counted += not in_order or target.is_trusted
        self._taken = target
        if self.rules.lane is not None:
            self.rules.lane.taken.add(target.name)
        target.breaker.enter(self)
        self._room.take(target, self.state.clock() + wait)
        target.in_flight += 1
        self._among = target.in_flight
        target.calls += 1
        self.state.turns += 1
        target.last_turn = self.state.turns
        self._queue.remove(target)

    def _begin_round(self) -> None:
        self._round += 1
        if self._round > self.rules.retries or not self._again:
            raise self._failure()
        again, self._again = self._again, []
        self._queue = list(self._policy(self.request, again))

    def _choose(self) -> tuple[Target | None, float]:
        """The first that may be called, else the one whose turn is nearest: trying is better than failing untried.

        Where all are being probed by other calls, there is nothing better than to wait for what comes of it.
        """
        for target in self._queue:
            if self._is_ready(target) and self._room.ready_in(target) == 0.0:
                return target, 0.0
        now = self.state.clock()
        free = [target for target in self._queue if not target.breaker.is_probing]
        if not free and self._waited < self._longest_wait():
            return None, _POLL
        rooms = {target: self._room.ready_in(target) for target in free or self._queue}
        nearest = min(rooms, key=lambda one: max(one.paused_until - now, one.breaker.ready_in(), rooms[one]))
        if rooms[nearest] > 0.0:
            return None, self._wait_for_room(nearest, rooms[nearest])
        wait = max(0.0, nearest.paused_until - now)
        if wait <= self._longest_wait():
            return nearest, wait
        if self._round:  # it asked this very call
            raise self._failure(f"and {nearest.name} asked for a wait of {wait:.0f} s")
        return nearest, 0.0

    def _wait_for_room(self, target: Target, seconds: float) -> float:
        """Get in the target's line. Raises where that would take too long for this call, or for any."""
        left = self.time_left()
        if target.limits.opens_in() <= max(_MINUTE, self.rules.longest_wait) and (left is None or seconds < left):
            return self._room.wait(target, seconds)
        full = no_room(target, seconds)
        if not self._errors:
            raise full
        tried = [str(one["target"]) for one in self.told]
        raise AllBackendsFailedError.of([*self._errors, full], [*tried, target.name])

    def _is_ready(self, target: Target) -> bool:
        return target.breaker.is_ready and target.paused_until <= self.state.clock()

    def _longest_wait(self) -> float:
        left = self.time_left()
        return self.rules.longest_wait if left is None else min(self.rules.longest_wait, left)

    def time_left(self) -> float | None:
        """Seconds until the deadline of the whole call."""
        return None if self._until is None else max(0.0, self._until - self.state.clock())

    def _backoff(self) -> float:
        """Seconds before a further round; full jitter, so that many callers do not come back at once."""
        if self._round == 0:
            return 0.0
        return random.uniform(0.0, min(_LONGEST_BACKOFF, _BACKOFF * 2 ** (self._round - 1)))  # noqa: S311 - jitter

    @property
    def is_over(self) -> bool:
        """Whether the deadline has passed."""
        left = self.time_left()
        return left is not None and left < _MOMENT

    def overdue(self) -> BackendTimeoutError:
        """The error of a call whose deadline has passed."""
        return BackendTimeoutError(f"the deadline of {self.rules.deadline:g} s for the whole call is over")

    def _late(self) -> BackendError:
        late = self.overdue()
        if all(is_all(error, BackendTimeoutError) for error in self._errors):
            return late
        return self._failure(f"and {late}")

    def _failure(self, why: str = "") -> BackendError:
        if not self._errors:
            asked = ", ".join(target.name for target in self._fit)
            return UnsupportedError(f"the route's policy leaves no target for this request, of {asked}")
        if not why and (len(self._errors) == 1 or all(is_all(one, ContextLengthError) for one in self._errors)):
            return self._errors[-1]  # the largest window's
        return AllBackendsFailedError.of(self._errors, [str(one["target"]) for one in self.told], why)

    def _announce(self, target: Target) -> None:
        listeners, last = self.state.listeners, self._last
        if last is not None and last is not target and listeners.on_failover is not None:
            listeners.on_failover(last.name, target.name)
        if listeners.on_attempt is not None:
            listeners.on_attempt(target.name)

    # --- what became of it ---

    def answered(self, target: Target, first: float) -> None:
        """The target's first piece came, after so many seconds."""
        with self.state.lock:
            self._time(target, first)
            self._room.began(target, first, self.state.clock())
            closed = target.breaker.answer(self)
        self._tell_of_close(target, closed=closed)

    def succeeded(self, target: Target, seconds: float, finish: Finish, *, answered: bool) -> None:
        """The target's answer is whole, after so many seconds; of one that came in pieces, the first was told."""
        with self.state.lock:
            if not answered:
                self._time(target, seconds)
            self._room.answered(target, seconds, self.state.clock(), finish)
            target.is_limited = False
            closed = target.breaker.succeed(self)
        self._tell_of_close(target, closed=closed)

    def _time(self, target: Target, first: float) -> None:
        target.latency.add(first)
        target.pace.add(first / self._among)

    def _tell_of_close(self, target: Target, *, closed: bool) -> None:
        if closed and self.state.listeners.on_close is not None:
            self.state.listeners.on_close(target.name)

    def left(self, target: Target) -> None:
        """The caller is through with the target: it has its answer, or went away."""
        with self.state.lock:
            if self._taken is None:
                return
            self._taken = None
            target.in_flight -= 1
            target.breaker.forget(self)
            self._room.left(target, self.state.clock())

    def close(self) -> None:
        """Give back what an attempt holds that was interrupted before it began, and the place in a line."""
        with self.state.lock:
            self._room.leave_line()
        if (taken := self._taken) is not None:
            self.left(taken)

    def failed(self, target: Target, seconds: float, error: BackendError, *, answered: bool) -> None:
        """Keep what the failure says of the target, and of this call's others."""
        self._errors.append(error)
        self.told.append(told(target, seconds, error))
        self._last = target
        with self.state.lock:
            self._taken = None
            target.in_flight -= 1
            target.failures += 1
            target.last_error = f"{type(error).__name__}: {error}"
            is_fair = not self._is_callers_impatience(seconds, error, answered=answered)
            opened = is_fair and judge(target, self, error, self.state.clock())
            target.breaker.forget(self)
            self._room.failed(target, error)
        if isinstance(error, ContextLengthError):
            self._keep_larger(target, error)
        elif isinstance(error, ContentFilteredError):
            self._leave_filter()
        elif may_pass(error) and (error.retry_after or 0.0) <= self.rules.longest_wait:
            self._again.append(target)
        listeners = self.state.listeners
        if listeners.on_failure is not None:
            listeners.on_failure(target.name, error)
        if opened and listeners.on_open is not None:
            listeners.on_open(target.name)

    def _is_callers_impatience(self, seconds: float, error: BackendError, *, answered: bool) -> bool:
        """Whether the deadline ended what the target was about, or had not much time for."""
        if self.rules.deadline is None or not self.is_over or not is_all(error, BackendTimeoutError):
            return False
        return answered or seconds < self.rules.deadline / 2

    def _keep_larger(self, target: Target, error: ContextLengthError) -> None:
        """A prompt that is too long here is too long wherever the window is known to be no larger."""
        window = error.context_window or target.capabilities.context_window or 0
        self._window = max(self._window, window, (error.prompt_tokens or 0) - 1)
        self._queue = [one for one in self._queue if self._is_larger(one)]
        self._again = [one for one in self._again if self._is_larger(one)]
        if self._overflow and isinstance(self.request, ChatRequest):
            larger = [one for one in fit_for(self.request, self._overflow) if self._is_larger(one)]
            self._queue, self._overflow = overflowed(self._queue, larger), ()

    def _is_larger(self, target: Target) -> bool:
        window = target.capabilities.context_window
        return window is None or window > self._window

    @property
    def is_resuming(self) -> bool:
        """Whether a target is to go on with what another began."""
        return self.resumption is not None and self.resumption.is_under_way

    def resume(self, target: Target) -> bool:
        """Whether another target may go on with what this one began; then only such are left."""
        if self.resumption is None:
            return False
        self._queue, self._again = (
            [one for one in targets if self.resumption.can_continue(one)] for targets in (self._queue, self._again)
        )
        if not self._queue and (not self._again or self._round >= self.rules.retries):
            return False
        request = self.resumption.broke_off(target)
        self.request = cast("_Request", request or self.request)
        return request is not None

    def has_unfiltered(self) -> bool:
        """Whether there is a fallback for an answer that was filtered away."""
        if not isinstance(self.request, ChatRequest) or self.is_resuming:
            return False
        return bool(fit_for(self.request, self._filtered))

    def _leave_filter(self) -> None:
        """Only the fallbacks are left: what one place filters, its replicas do."""
        request = cast("ChatRequest", self.request)
        self._queue, self._again, self._filtered = fit_for(request, self._filtered), [], ()
