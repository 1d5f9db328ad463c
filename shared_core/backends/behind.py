"""What stands behind a backend: of a route its targets, of any other itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shared_core.backends.base import Backend


def targets(backend: object) -> Sequence[Backend]:
    """List a route's targets; any other backend has none."""
    return getattr(backend, "backends", ())


def places(backend: Backend) -> Iterator[Backend]:
    """Go through all places behind a backend, those of routes in routes too."""
    inner = targets(backend)
    if not inner:
        yield backend
    for target in inner:
        yield from places(target)


def as_names(given: Backend | Sequence[str | Backend], *, with_model: bool) -> list[str]:
    """Write a route, or the list it is made from, as names that make one like it; policy and settings are not kept.

    The names in a list keep their own form; `with_model` says whether those of a route have a model.
    """
    if isinstance(given, Sequence):
        return [
            name for item in given for name in ([item] if isinstance(item, str) else as_names(item, with_model=True))
        ]
    return [f"{place.name}/{place.model}" if with_model else place.name for place in places(given)]
