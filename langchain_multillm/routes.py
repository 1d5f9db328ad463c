"""What is told of a route: its targets, where another backend has its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from shared_core import (
    Backend,
    harmless_url,
)


def targets(backend: Backend) -> Sequence[Backend]:
    """List a route's targets; any other backend has none."""
    return getattr(backend, "backends", ())


def places(backend: Backend) -> Iterator[Backend]:
    """Go through all places behind a backend, those of routes in routes too."""
    inner = targets(backend)
    if not inner:
        yield backend
    for target in inner:
        yield from places(target)


def placed(backend: Backend, base_url: str | None = None) -> dict[str, Any]:
    """Say where a backend is, without secrets; of a route, where each of its targets is, in order."""
    url = harmless_url(base_url or getattr(backend, "base_url", None))
    told = {"backend": backend.name, "base_url": url, "model": backend.model}
    inner = [placed(target) for target in targets(backend)]
    return {**told, "targets": inner} if inner else told


def provider_of(backend: Backend) -> str:
    """Name the place that answers, as far as that is known before it did: a route over one place, or the route."""
    names = {place.name for place in places(backend)}
    return names.pop() if len(names) == 1 else backend.name


def by_name(value: Any, *, with_model: bool) -> Any:  # noqa: ANN401 - whatever stands for a backend
    """Write a route down as a list of names that makes one like it; its policy and its settings are not kept."""
    if isinstance(value, list | tuple):
        return [name for item in value for name in _names(item, with_model=True)]
    return list(_names(value, with_model=with_model)) if not isinstance(value, str) and targets(value) else value


def _names(value: str | Backend, *, with_model: bool) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    else:
        yield from (f"{place.name}/{place.model}" if with_model else place.name for place in places(value))
