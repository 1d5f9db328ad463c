"""No quirk of a row is untested: without it, a check of the contract fails."""

from __future__ import annotations

from functools import cache

import pytest

from shared_core import CATALOG
from tests.halves import SyncHalf
from tests.places.contract import CONTRACT, run
from tests.places.mutations import Mutation, mutations
from tests.places.registry import SIMULATORS
from tests.places.under_check import Check, UnderCheck

_FAILED = (Exception, pytest.fail.Exception)


@cache
def _played(name: str) -> list[UnderCheck]:
    """A row's place in all its variants, without a socket."""
    sims = [kind(variant) for kind in SIMULATORS.values() if kind.name == name for variant in kind.variants]
    return [UnderCheck(sim, SyncHalf(), sim.client()) for sim in sims]


@cache
def _stands(name: str) -> list[tuple[UnderCheck, Check]]:
    """The checks that the row stands as it is: only these can tell that something is missing."""
    return [(at, check) for at in _played(name) for check in CONTRACT if _holds(at, check)]


def _holds(at: UnderCheck, check: Check) -> bool:
    try:
        run(at, check)
    except _FAILED:
        return False
    return True


@pytest.mark.parametrize("mutation", mutations(), ids=lambda mutation: mutation.name)
def test_a_quirk_is_missed(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    name = mutation.place.name
    standing = _stands(name)
    assert standing, f"{name} is not played: add its simulator to tests/places/registry.py"
    monkeypatch.setitem(CATALOG, name, mutation.place)
    assert not all(_holds(at, check) for at, check in standing), f"nothing notices the loss of {mutation.name}"
