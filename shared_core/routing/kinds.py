"""Fallbacks for one kind of failure: where a call goes whose prompt is too long, or whose answer is filtered away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared_core.routing.fitness import Needs
from shared_core.routing.target import Target
from shared_core.types import ChatRequest


@dataclass(frozen=True, slots=True)
class Fallbacks:
    """Targets that no call begins with, in the order in which they are tried when it comes to that."""

    overflow: Sequence[Target] = ()
    filtered: Sequence[Target] = ()


def fit_for(request: ChatRequest, targets: Sequence[Target]) -> list[Target]:
    """Those that may serve the request, as far as that is known."""
    needs = Needs.of(request)
    return [target for target in targets if needs.unmet_by(target.capabilities) is None]


def is_only_too_long(needs: Needs, targets: Sequence[Target]) -> bool:
    """Whether one of them would serve the request if it were shorter."""
    short = replace(needs, tokens=0)
    return any(short.unmet_by(target.capabilities) is None for target in targets)


def overflowed(own: Sequence[Target], fallbacks: Sequence[Target]) -> list[Target]:
    """What is left to try for a prompt that was too long somewhere.

    First the route's own targets that are known to have a larger window, then the fallbacks, and those of which nobody
    knows how large theirs is at last: the caller has said where such prompts go, and they may be replicas.
    """
    known = [target for target in own if target.capabilities.context_window is not None]
    return [*known, *fallbacks, *(target for target in own if target not in known)]
