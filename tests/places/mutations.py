"""Every row with one of its quirks taken away, found by looking at what differs from a row's defaults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from shared_core import CATALOG, Place

_WHO = frozenset(
    [
        *("name", "title", "base_url", "key", "key_required", "chat_model", "embedding_model", "aliases"),
        *("url_variable", "server", "wire", "capabilities"),
    ]
)
"""Who a place is and where, which are no quirks; and the two fields whose own fields are looked at."""


@dataclass(frozen=True)
class Mutation:
    """A row without one quirk."""

    name: str
    place: Place


def mutations() -> list[Mutation]:
    """All of them: of each row, its wire and its capabilities; one element at a time where a field has several."""
    return [mutation for place in CATALOG.values() for mutation in _of(place)]


def _of(place: Place) -> Iterator[Mutation]:
    for part in ("wire", "capabilities"):
        value: Any = getattr(place, part)
        for said, changed in _without_one(value, type(value)()):
            yield Mutation(f"{place.name}.{part}.{said}", replace(place, **{part: changed}))
    for said, changed in _without_one(place, Place("", "", "")):
        yield Mutation(f"{place.name}.{said}", changed)


def _without_one(value: Any, usual: Any) -> Iterator[tuple[str, Any]]:
    for field in fields(value):
        now, default = getattr(value, field.name), getattr(usual, field.name)
        if now == default or field.name in _WHO:
            continue
        for said, rest in _rests(now, default):
            yield f"{field.name}{said}", replace(value, **{field.name: rest})


def _rests(now: Any, default: Any) -> Iterator[tuple[str, Any]]:
    """What is left without one of several things, or the default."""
    if isinstance(now, frozenset | tuple):
        for element in sorted(now, key=repr):
            yield f"-{element}", type(now)(other for other in now if other != element)
    elif isinstance(now, Mapping):
        for key in now:
            yield f"-{key}", {other: now[other] for other in now if other != key}
    else:
        yield "", default
