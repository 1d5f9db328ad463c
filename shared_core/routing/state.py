"""What the calls over one route share, under one lock that is never held over I/O or a yield."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from shared_core.errors import BackendError, ConfigurationError
from shared_core.routing.budget import RetryBudget
from shared_core.routing.kinds import Fallbacks
from shared_core.routing.lanes import Lane
from shared_core.routing.shadow import Shadow
from shared_core.routing.target import Target


@dataclass(frozen=True, slots=True)
class Rules:
    """What a route does about failures; seconds.

    `retries` is how often a target may be tried again after all others were, `max_attempts` bounds the attempts of one
    call in all, and `longest_wait` the wait for a place that asked for one. `answer_timeout` bounds one attempt at an
    answer that is asked for whole. A `lane` is one half of a hedged call;
    with `resume`, another target goes on with a stream that broke off.
    """

    deadline: float | None = None
    retries: int = 1
    max_attempts: int | None = None
    longest_wait: float = 10.0
    first_token_timeout: float | None = None
    chunk_timeout: float | None = None
    answer_timeout: float | None = None
    lane: Lane | None = None
    resume: bool = False

    def __post_init__(self) -> None:
        for name, least in (("retries", 0), ("max_attempts", 1), ("longest_wait", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigurationError(f"{name} must be at least {least}, not {value!r}")
        for name in ("deadline", "first_token_timeout", "chunk_timeout", "answer_timeout"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigurationError(f"{name} must be a number of seconds above 0, not {value!r}")


@dataclass(frozen=True, slots=True)
class Listeners:
    """Called as things happen, in the thread of the call; what they raise is raised there.

    `on_attempt` gets the target's name; `on_failure` the name and the error; `on_failover` the names that failed and
    that is next; `on_open` and `on_close` the name of a target whose breaker opened, or closed again.
    `on_shadow_failure` gets the shadow's name and what was raised there, in the thread or task of the copy.
    """

    on_attempt: Callable[[str], object] | None = None
    on_failure: Callable[[str, BackendError], object] | None = None
    on_failover: Callable[[str, str], object] | None = None
    on_open: Callable[[str], object] | None = None
    on_close: Callable[[str], object] | None = None
    on_shadow_failure: Callable[[str, Exception], object] | None = None


@dataclass(slots=True)
class RouteState:
    """The targets of a route, its budget and its clock."""

    targets: Sequence[Target]
    budget: RetryBudget
    clock: Callable[[], float]
    listeners: Listeners
    # Reentrant: the garbage collector may end an abandoned call in the midst of what a thread does under the lock.
    lock: threading.RLock = field(default_factory=threading.RLock)
    turns: int = 0
    fallbacks: Fallbacks = field(default_factory=Fallbacks)
    shadow: Shadow | None = None

    @property
    def all_targets(self) -> Sequence[Target]:
        """Those of the fallbacks too, and the shadow."""
        shadows = [] if self.shadow is None else [self.shadow.target]
        return [*self.targets, *self.fallbacks.overflow, *self.fallbacks.filtered, *shadows]
