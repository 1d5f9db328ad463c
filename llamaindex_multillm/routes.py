"""What is told of a route: its targets, where another backend has its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from shared_core import Backend, Capabilities


def targets(backend: object) -> Sequence[Backend]:
    """A route's targets; any other backend has none."""
    return getattr(backend, "backends", ())


def places(backend: Backend) -> Iterator[Backend]:
    """All places behind a backend, those of routes in routes too."""
    inner = targets(backend)
    if not inner:
        yield backend
    for target in inner:
        yield from places(target)


def by_name(value: Any, *, with_model: bool) -> list[str]:  # noqa: ANN401 - a list of names and backends, or a route
    """A list of names that makes a route like it; its policy and its settings are not kept."""
    if isinstance(value, Sequence):
        return [name for item in value for name in _names(item, with_model=True)]
    return list(_names(value, with_model=with_model))


def _names(value: str | Backend, *, with_model: bool) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    else:
        yield from (f"{place.name}/{place.model}" if with_model else place.name for place in places(value))


def askable(backend: Backend) -> Capabilities:
    """What a request may ask for: of a route what any target can do, since the others are skipped for it."""
    from shared_core import reachable  # here, because it loads the HTTP library

    return reachable(backend)


def shared_or_any(backend: Backend) -> Capabilities:
    """What all targets of a route can do; if they share no way to an object, what any can."""
    shared = backend.capabilities
    is_barred = shared.json_schema is False and (shared.tools is False or shared.tool_choice is False)
    return askable(backend) if is_barred else shared
