"""Keeps the two halves of a hedged call off each other's targets, and stops the one that lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from shared_core.errors import BackendError
from shared_core.routing.target import Target


@dataclass(slots=True, eq=False)
class Lane:
    """One half of a call: it takes no target that the half `beside` it has, and none at all once it is called off.

    Its fields change under the lock of the route, or from false to true.
    """

    beside: Lane | None = None
    is_hedge: bool = False
    is_off: bool = False
    taken: set[str] = field(default_factory=set)

    def admit(self, targets: list[Target], is_ready: Callable[[Target], bool]) -> list[Target]:
        """Those that the other half does not have; for a hedge, of the ready ones: it is no time to try others out.

        Raises `BackendError`, which nobody waits for, once it is called off.
        """
        if self.is_off:
            raise BackendError("the call has its answer from another target")
        if self.beside is None:
            return targets
        free = [target for target in targets if target.name not in self.beside.taken]
        return [target for target in free if is_ready(target)] if self.is_hedge else free
