"""Writes the package's data on models from its sources: python scripts/build_models.py.

`scripts/model_sources.json` is edited by hand and says where each row comes from; what users need of it goes into
`shared_core/models/models.json`. A row that could lead to a wrong model is refused.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from shared_core.models.spelling import Key, key

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "scripts" / "model_sources.json"
DATA = ROOT / "shared_core" / "models" / "models.json"

Json = dict[str, Any]
_NUMBERS = {"context_window", "max_output", "dimensions", "input_price", "output_price", "cached_price"}
_FIELDS = _NUMBERS | {"id", "kind", "path", "retired", "flags", "source"}
_NOTE = (
    "Written by scripts/build_models.py from scripts/model_sources.json. Canonical name -> id at each place, with "
    "windows and outputs in tokens, prices in USD per million tokens, and the date it was retired; unknown values are "
    "left out."
)


def build(sources: Json) -> Json:
    """The data of the package. Raises `ValueError` for sources that contradict themselves."""
    date.fromisoformat(sources["date"])
    places = {name: _entry(name, entry, sources) for name, entry in sources["places"].items()}
    _check_spellings([models for _, models in _tables(places)])
    return {"note": _NOTE, "date": sources["date"], "vendors": sources["vendors"], "places": places}


def render(data: Json) -> str:
    """JSON with a line for each model."""
    return _render(data, 0) + "\n"


def _entry(name: str, entry: Json, sources: Json) -> Json:
    built = {**entry, "models": _models(name, entry["models"], sources)}
    if "surfaces" in entry:
        built["surfaces"] = {surface: _entry(surface, inner, sources) for surface, inner in entry["surfaces"].items()}
    return built


def _models(place: str, models: Json, sources: Json) -> Json:
    _check_ids(place, models)
    return {name: _row(f"{place}: {name}", row, sources) for name, row in models.items()}


def _row(where: str, row: Json, sources: Json) -> Json:
    if unknown := row.keys() - _FIELDS:
        raise ValueError(f"{where} has unknown fields: {sorted(unknown)}")
    if row["source"] not in sources["sources"]:
        raise ValueError(f"{where} names no known source: {row['source']!r}")
    if wrong := [name for name in _NUMBERS & row.keys() if not 0 <= row[name] < 100_000_000]:
        raise ValueError(f"{where} has impossible numbers: {sorted(wrong)}")
    date.fromisoformat(row.get("retired") or sources["date"])
    built = {name: value for name, value in row.items() if name != "source"}
    return {**built, "confirmed": False} if row["source"] in sources["unconfirmed"] else built


def _check_ids(place: str, models: Json) -> None:
    """No id stands for two models, nor is the canonical name of another one."""
    ids = {name: row["id"] for name, row in models.items()}
    if twice := [model_id for model_id, count in Counter(ids.values()).items() if count > 1]:
        raise ValueError(f"{place} has ids of two models: {twice}")
    if taken := [name for name, model_id in ids.items() if model_id in ids and model_id != name]:
        raise ValueError(f"{place} has ids that are other models' names: {taken}")


def _check_spellings(tables: list[Json]) -> None:
    """No two names are spellings of each other, and so are no two ids, be it of a place or of different models."""
    names: dict[Key, str] = {}
    for name in (name for models in tables for name in models):
        if names.setdefault(key(name), name) != name:
            raise ValueError(f"{name!r} and {names[key(name)]!r} are the same name in two spellings")
    meant: dict[Key, str] = {}
    for models in tables:
        keys = {key(row["id"]): name for name, row in models.items()}
        if len(keys) < len(models):
            raise ValueError(f"ids of one place are the same in two spellings: {sorted(models.keys() - keys.values())}")
        for found, name in keys.items():
            if found not in names and meant.setdefault(found, name) != name:
                raise ValueError(f"{name!r} and {meant[found]!r} have the same id in two spellings")


def _tables(places: Json) -> Iterator[tuple[str, Json]]:
    for name, entry in places.items():
        yield name, entry["models"]
        yield from _tables(entry.get("surfaces", {}))


def _render(value: object, depth: int) -> str:
    if not isinstance(value, dict) or not any(isinstance(inner, dict) for inner in value.values()):
        return json.dumps(value)
    pad = " " * depth
    lines = ",\n".join(f"{pad} {json.dumps(name)}: {_render(inner, depth + 1)}" for name, inner in value.items())
    return f"{{\n{lines}\n{pad}}}"


if __name__ == "__main__":
    DATA.write_text(render(build(json.loads(SOURCES.read_text(encoding="utf-8")))), encoding="utf-8")
