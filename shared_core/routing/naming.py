"""Gives each target of a route a name of its own, and says which model it serves."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from urllib.parse import urlsplit

from shared_core.backends.base import ChatBackend
from shared_core.models import find_model, known_places


def names_of(backends: Sequence[ChatBackend]) -> list[str]:
    """Place and model; where several targets have these, with the host if theirs differ, and else with a number."""
    plain = [f"{backend.name}/{backend.model}" for backend in backends]
    hosts = [urlsplit(getattr(backend, "base_url", "")).netloc for backend in backends]
    at = defaultdict(set)
    for name, host in zip(plain, hosts, strict=True):
        at[name].add(host)
    return _numbered(
        [f"{name}@{host}" if len(at[name]) > 1 and host else name for name, host in zip(plain, hosts, strict=True)]
    )


def _numbered(names: Sequence[str]) -> list[str]:
    counts, seen = Counter(names), Counter[str]()
    numbered = []
    for name in names:
        seen[name] += 1
        numbered.append(f"{name}#{seen[name]}" if counts[name] > 1 else name)
    return numbered


def canonical_names(backends: Iterable[ChatBackend]) -> list[str]:
    """The models behind the ids of the places, each once; of routes, those of their targets."""
    found: dict[str, None] = {}
    for backend in backends:
        found |= dict.fromkeys(canonical_names(within) if (within := _within(backend)) else [_canonical(backend)])
    return list(found)


def _within(backend: ChatBackend) -> Sequence[ChatBackend]:
    targets: Sequence[ChatBackend] = getattr(backend, "backends", ())
    return targets


def _canonical(backend: ChatBackend) -> str:
    return _name_of(backend.name, backend.model)


@cache
def _name_of(place: str, model: str) -> str:
    """The canonical name; of an id that nothing is known of at this place, what it means at another."""
    found = (info for one in (place, *known_places()) if (info := find_model(one, model)) is not None)
    return next((info.name for info in found), model)
