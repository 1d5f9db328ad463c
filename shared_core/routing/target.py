"""One backend of a route, and how it has fared so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from shared_core.backends.base import Backend
from shared_core.backends.catalog import CATALOG
from shared_core.models import Price, find_price
from shared_core.routing.breaker import Breaker, BreakerRule, State
from shared_core.routing.latency import PeakEwma
from shared_core.routing.limits import Limits, LimitStatus, TargetLimits
from shared_core.routing.reach import reachable
from shared_core.types import Capabilities


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """A target at one moment; seconds, and what became of its calls. A shadow has `skipped` copies besides."""

    name: str
    state: State
    ready_in: float
    in_flight: int
    calls: int
    failures: int
    first_token: float | None
    last_error: str | None
    limits: LimitStatus = field(default_factory=LimitStatus)
    skipped: int = 0


class Target:
    """A backend with its `weight`, its breaker and its figures; a route's lock guards all that changes.

    Policies read `in_flight`, `latency` (to the first token), `pace` (the same, for each call that was on its way with
    it: what serves one call at a time is not taken for slow when it is busy) and `last_turn`, the number of the route's
    attempt that was last its. Until `paused_until` the place has asked to be left alone.
    """

    def __init__(
        self,
        backend: Backend,
        name: str,
        *,
        weight: float,
        rule: BreakerRule,
        clock: Callable[[], float],
        limits: Limits | None = None,
    ) -> None:
        self.backend = backend
        self.name = name
        self.weight = weight
        self.breaker = Breaker(rule, clock)
        self.latency = PeakEwma(clock)
        self.pace = PeakEwma(clock)
        place = CATALOG.get(backend.name)
        self.limits = TargetLimits(limits or Limits(), clock, hosted=place is not None and not place.server)
        self.in_flight = 0
        self.last_turn = 0
        self.calls = 0
        self.failures = 0
        self.skipped = 0
        self.paused_until = 0.0
        self.is_limited = False
        self.last_error: str | None = None

    @property
    def is_trusted(self) -> bool:
        """Whether its last call said nothing against another one."""
        return self.breaker.is_trusted and not self.is_limited

    @cached_property
    def capabilities(self) -> Capabilities:
        """What the backend can do; asked for once, because a backend is immutable and a decision must be cheap."""
        return reachable(self.backend)

    @cached_property
    def price(self) -> Price | None:
        """What the backend says it costs, else its list price; `None` is unknown."""
        own: Price | None = getattr(self.backend, "price", None)
        return own or find_price(self.backend.name, self.backend.model)

    def status(self, now: float) -> TargetStatus:
        """How it is."""
        return TargetStatus(
            name=self.name,
            state=self.breaker.state,
            ready_in=max(self.breaker.ready_in(), self.paused_until - now, 0.0),
            in_flight=self.in_flight,
            calls=self.calls,
            failures=self.failures,
            first_token=self.latency.seconds or None,
            last_error=self.last_error,
            limits=self.limits.status(),
            skipped=self.skipped,
        )

    def __repr__(self) -> str:
        return f"<target {self.name}, {self.breaker.state}>"
