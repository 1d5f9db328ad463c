"""A route: a backend made of backends, which a policy orders and one generator decides about."""

from shared_core.routing.breaker import BreakerRule
from shared_core.routing.connecting import SkippedTargetWarning, connect_route
from shared_core.routing.hedging import Hedged
from shared_core.routing.limits import Limits, LimitStatus
from shared_core.routing.policies import (
    Policy,
    cheapest,
    fastest,
    in_order,
    least_busy,
    round_robin,
    two_choices,
    weighted,
    where,
)
from shared_core.routing.reach import reachable
from shared_core.routing.router import Router
from shared_core.routing.state import Listeners
from shared_core.routing.sticky import sticky
from shared_core.routing.target import Target, TargetStatus

__all__ = [
    "BreakerRule",
    "Hedged",
    "LimitStatus",
    "Limits",
    "Listeners",
    "Policy",
    "Router",
    "SkippedTargetWarning",
    "Target",
    "TargetStatus",
    "cheapest",
    "connect_route",
    "fastest",
    "in_order",
    "least_busy",
    "reachable",
    "round_robin",
    "sticky",
    "two_choices",
    "weighted",
    "where",
]
