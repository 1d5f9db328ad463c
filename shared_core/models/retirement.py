"""Says what to do about a model that its place no longer offers."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from datetime import date

from shared_core.models.table import ModelInfo, places, table_of

_SIZE = re.compile(r"(?<![\d.a-z])(\d+(?:\.\d+)?)b(?![a-z])")
_FAR = 8
"""A model of more than this many times the parameters is none of the same use."""


class RetiredModelWarning(UserWarning):
    """A place no longer offers the model that was asked for."""


def retirement(place: str, info: ModelInfo, *, today: date | None = None, base_url: str | None = None) -> str:
    """One message: since when, where the model still is, and what the place has that comes close."""
    elsewhere = [other for other in places() if _offers(other, info.name, today)]
    still = f"{info.name} is still offered by: {', '.join(elsewhere)}. " if elsewhere else ""
    offers = ", ".join(instead_of(place, info, today=today, base_url=base_url)) or "see its list of models"
    return f"{place} retired {info.id!r} on {info.retired}. {still}{place} offers instead: {offers}."


def instead_of(place: str, info: ModelInfo, *, today: date | None = None, base_url: str | None = None) -> list[str]:
    """Canonical names of models that the place offers, the likest first."""
    models = table_of(place, base_url).models.values()
    return _nearest(info.name, (other.name for other in models if other.kind == info.kind and _is_sure(other, today)))


def _offers(place: str, name: str, today: date | None) -> bool:
    info = table_of(place).models.get(name)
    return info is not None and _is_sure(info, today)


def _is_sure(info: ModelInfo, today: date | None) -> bool:
    return info.confirmed and not info.is_retired(today)


def _nearest(name: str, offered: Iterable[str]) -> list[str]:
    """Not of quite another size, then of the same family, then the most alike."""
    family = name.partition("-")[0]

    def distance(other: str) -> tuple[bool, bool, float, str]:
        return _is_other_size(name, other), other.partition("-")[0] != family, -_likeness(name, other), other

    return sorted(offered, key=distance)[:5]


def _is_other_size(one: str, other: str) -> bool:
    sizes = [float(found[1]) for found in map(_SIZE.search, (one, other)) if found]
    return len(sizes) == 2 and max(sizes) > _FAR * min(sizes)  # noqa: PLR2004 - both tell their size


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()
