"""Holds the data file: for each place, what is known of its models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from pydantic_core import from_json

from shared_core.types import Capabilities


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One model at one place: windows and outputs in tokens, prices in USD per million tokens, `None` if unknown.

    `name` is canonical, the same at all places, and `id` the place's own. `confirmed` is false where the sources show
    an id but not that the place still offers it. `path` is there if the model lies below another path than the rest.
    """

    name: str
    id: str
    kind: Literal["chat", "embedding"] = "chat"
    context_window: int | None = None
    max_output: int | None = None
    dimensions: int | None = None
    input_price: float | None = None
    output_price: float | None = None
    cached_price: float | None = None
    retired: date | None = None
    confirmed: bool = True
    path: str | None = None
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

    def is_retired(self, today: date | None = None) -> bool:
        """Whether the place has stopped to offer it by `today`, in UTC."""
        return self.retired is not None and self.retired <= (today or datetime.now(UTC).date())

    def _says(self, flag: str) -> bool | None:
        return True if flag in self.flags else None


@dataclass(frozen=True, slots=True)
class Table:
    """The models of a place by canonical name, and what its ids are like.

    An id without a tag means the `default_tag`. A prefix of `id_prefixes` picks where a model runs, not which one.
    `price_source` is what genai-prices calls the place.
    """

    models: Mapping[str, ModelInfo] = field(default_factory=dict)
    price_source: str | None = None
    default_tag: str = ""
    id_prefixes: tuple[str, ...] = ()

    def with_id(self, model_id: str) -> ModelInfo | None:
        """The model that has this id, tagged and prefixed as the place's ids may be."""
        plain = next((prefix for prefix in self.id_prefixes if model_id.startswith(prefix)), "")
        bare = model_id.removeprefix(plain).removesuffix(self.default_tag)
        return next((info for info in self.models.values() if info.id in {model_id, bare}), None)


@dataclass(frozen=True, slots=True)
class _Place:
    table: Table
    surfaces: Mapping[str, Table]
    """By what their URL holds: other APIs of the place, with ids of their own."""


def table_of(place: str, base_url: str | None = None) -> Table:
    """The table of a place, as it holds for the API at `base_url`; an empty one if nothing is known."""
    known = _places().get(place)
    if known is None:
        return Table()
    return next((table for mark, table in known.surfaces.items() if mark in (base_url or "")), known.table)


def places() -> Iterable[str]:
    """The places that something is known of."""
    return _places()


def all_tables() -> Iterable[Table]:
    """The tables of all places and of all their surfaces."""
    for place in _places().values():
        yield place.table
        yield from place.surfaces.values()


def as_of() -> date:
    """The day on which the data was true."""
    return date.fromisoformat(_data()["date"])


def vendors() -> Mapping[str, list[str]]:
    """The organisations, by family of models, in whose name the originals are published."""
    vendors: Mapping[str, list[str]] = _data()["vendors"]
    return vendors


@cache
def _data() -> dict[str, Any]:
    data: dict[str, Any] = from_json(files(__package__).joinpath("models.json").read_bytes())
    return data


@cache
def _places() -> dict[str, _Place]:
    return {name: _place(entry) for name, entry in _data()["places"].items()}


def _place(entry: dict[str, Any]) -> _Place:
    source = entry.get("prices")
    surfaces = {
        surface["url"]: Table(_models(surface), source, id_prefixes=tuple(surface["id_prefixes"]))
        for surface in entry.get("surfaces", {}).values()
    }
    return _Place(Table(_models(entry), source, entry.get("default_tag", "")), surfaces)


def _models(entry: dict[str, Any]) -> dict[str, ModelInfo]:
    return {name: _info(name, row) for name, row in entry["models"].items()}


def _info(name: str, row: dict[str, Any]) -> ModelInfo:
    known = {
        **row,
        "retired": date.fromisoformat(row["retired"]) if "retired" in row else None,
        "flags": frozenset(row.get("flags", ())),
    }
    return ModelInfo(name=name, **known)
