"""Answers what is known of a model, by its canonical name or by its id at a place."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from pydantic_core import from_json

from shared_core.types import Capabilities


class RetiredModelWarning(UserWarning):
    """A place no longer offers the model that was asked for."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One model at one place: windows and outputs in tokens, prices in USD per million tokens, `None` if unknown."""

    name: str
    id: str
    context_window: int | None = None
    max_output: int | None = None
    input_price: float | None = None
    output_price: float | None = None
    cached_price: float | None = None
    retired: date | None = None
    flags: frozenset[str] = frozenset()

    @property
    def capabilities(self) -> Capabilities:
        """What the sources say it can do; what they do not say is unknown."""
        return Capabilities(
            tools=self._says("function_calling"),
            tool_choice=self._says("tool_choice"),
            json_schema=self._says("response_schema"),
            images=self._says("vision"),
            reasoning=self._says("reasoning"),
            context_window=self.context_window,
            max_output=self.max_output,
        )

    def _says(self, flag: str) -> bool | None:
        return True if flag in self.flags else None


@cache
def _by_place() -> dict[str, dict[str, ModelInfo]]:
    data = from_json(files(__package__).joinpath("models.json").read_bytes())
    return {place: {name: _info(name, row) for name, row in rows.items()} for place, rows in data["places"].items()}


def _info(name: str, row: dict[str, Any]) -> ModelInfo:
    known = {
        **row,
        "retired": date.fromisoformat(row["retired"]) if "retired" in row else None,
        "flags": frozenset(row.get("flags", ())),
    }
    return ModelInfo(name=name, **known)


def find_model(place: str, name: str) -> ModelInfo | None:
    """What is known of the model with this canonical name or id at this place."""
    rows = _by_place().get(place, {})
    canonical = name.lower().replace("_", "-")
    return rows.get(canonical) or next((info for info in rows.values() if info.id == name), None)


def resolve_model(place: str, name: str, *, today: date | None = None) -> str:
    """The id of a model at a place; an unknown name is its own id.

    Warns with `RetiredModelWarning` for a model that the place has retired, and says what is offered instead.
    """
    info = find_model(place, name)
    if info is None:
        return name
    if info.retired is not None and info.retired <= (today or datetime.now(UTC).date()):
        warnings.warn(_retirement(place, info), RetiredModelWarning, stacklevel=3)
    return info.id


def _retirement(place: str, info: ModelInfo) -> str:
    elsewhere = [other for other, rows in _by_place().items() if info.name in rows and not rows[info.name].retired]
    instead = _nearest(info.name, (name for name, row in _by_place()[place].items() if not row.retired))
    still = f"{info.name} is still offered by: {', '.join(elsewhere)}. " if elsewhere else ""
    offers = ", ".join(instead) or "see its list of models"
    return f"{place} retired {info.id!r} on {info.retired}. {still}{place} offers instead: {offers}."


def _nearest(name: str, offered: Iterable[str]) -> list[str]:
    """The same family first, then the most alike."""
    family = name.partition("-")[0]
    ranked = sorted(offered, key=lambda other: (other.partition("-")[0] != family, -_likeness(name, other), other))
    return ranked[:5]


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()
