"""What is told of a route: its targets, where another backend has its place."""

from __future__ import annotations

from typing import Any

from shared_core import Backend, as_names, harmless_url, places, targets


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
    """Write a route, or the list it is made from, as names; leave anything else as it is."""
    return as_names(value, with_model=with_model) if isinstance(value, list | tuple) or targets(value) else value
