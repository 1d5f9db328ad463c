"""What may be asked of a route: what all its targets can do, and what some can."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

from shared_core.backends.base import ChatBackend
from shared_core.backends.behind import targets
from shared_core.types import Capabilities

_SIZES = ("context_window", "max_output")
_FLAGS = tuple(field.name for field in fields(Capabilities) if field.name not in _SIZES)


def common(every: Iterable[Capabilities]) -> Capabilities:
    """What all can do: flags that all have, and the smallest sizes; one that is not known leaves a flag unknown."""
    known = list(every)
    can: dict[str, Any] = {name: _and([getattr(one, name) for one in known]) for name in _FLAGS}
    can |= {name: min(_known(known, name), default=None) for name in _SIZES}
    return Capabilities(**can)


def reachable(backend: ChatBackend) -> Capabilities:
    """What a request may ask of a backend. Of a route that is what any target can do: the others are skipped for it."""
    inner = targets(backend)
    if not inner:
        return backend.capabilities
    known = [reachable(target) for target in inner]
    can: dict[str, Any] = {name: _or([getattr(one, name) for one in known]) for name in _FLAGS}
    can |= {name: _largest(known, name) for name in _SIZES}
    return Capabilities(**can)


def _known(every: Sequence[Capabilities], name: str) -> list[int]:
    return [size for can in every if (size := getattr(can, name)) is not None]


def _largest(every: Sequence[Capabilities], name: str) -> int | None:
    known = _known(every, name)
    return max(known) if len(known) == len(every) else None


def _and(flags: Sequence[bool | None]) -> bool | None:
    if False in flags:
        return False
    return None if None in flags else True


def _or(flags: Sequence[bool | None]) -> bool | None:
    if True in flags:
        return True
    return None if None in flags else False
