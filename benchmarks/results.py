"""Keeps what was measured, so that one library can be measured again without the others."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.cases import Case, Pool, cases, pools
from benchmarks.report import Measured, Missed

FILE = Path(__file__).with_name("results.json")


def keep(measured: Iterable[Measured], file: Path = FILE) -> None:
    """Write them down, in place of earlier ones of the same libraries."""
    known = json.loads(file.read_text()) if file.exists() else {}
    known.update({one.title: _written(one) for one in measured})
    file.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


def kept(titles: Iterable[str], file: Path = FILE) -> list[Measured]:
    """What is written down of these libraries; cases that are no more are left out."""
    known = json.loads(file.read_text()) if file.exists() else {}
    return [_read(title, known[title]) for title in titles if title in known]


def _name(case: Case) -> str:
    return f"{case.fault.name}, {case.position}, {case.half} {case.mode}"


def _pool_name(pool: Pool) -> str:
    return f"{pool.title}, {pool.half} {pool.mode}"


def _written(one: Measured) -> dict[str, Any]:
    return {
        "versions": one.versions,
        "day": one.day,
        "lacks": {f"{mode} {half}": error for (mode, half), error in one.lacks.items()},
        "outcomes": {_name(case): " ".join((outcome, *one.errors[case])) for case, outcome in one.outcomes.items()},
        "missed": {_pool_name(pool): asdict(missed) for pool, missed in one.missed.items()},
    }


def _read(title: str, written: dict[str, Any]) -> Measured:
    one = Measured(title, written["versions"], written["day"])
    one.lacks = {tuple(way.split()): error for way, error in written["lacks"].items()}
    for case in cases():
        if found := written["outcomes"].get(_name(case)):
            one.outcomes[case], *one.errors[case] = found.split()
    one.missed = {
        pool: Missed(**written["missed"][_pool_name(pool)]) for pool in pools() if _pool_name(pool) in written["missed"]
    }
    return one
