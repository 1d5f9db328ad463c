"""Each place is played once in a session, by a server of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from shared_core import CATALOG
from tests.halves import Half, half_named
from tests.places.registry import SIMULATORS, VARIANTS
from tests.places.simulator import Simulator
from tests.places.under_check import UnderCheck

Running = dict[tuple[str, str], Simulator]


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    with ExitStack() as stack:
        yield {(name, variant): stack.enter_context(SIMULATORS[name](variant)) for name, variant in VARIANTS}


@pytest.fixture(params=VARIANTS, ids="-".join)
def sim(request: pytest.FixtureRequest, running: Running) -> Simulator:
    return running[request.param]


@pytest.fixture(params=["sync", "async"], scope="module")
def half(request: pytest.FixtureRequest) -> Iterator[Half]:
    with half_named(request.param) as half:
        yield half


@pytest.fixture
def at(sim: Simulator, half: Half) -> UnderCheck:
    return UnderCheck(sim, half)


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the keys and addresses of the machine it runs on."""
    for place in CATALOG.values():
        for variable in (place.key, place.url_variable):
            if variable:
                monkeypatch.delenv(variable, raising=False)
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.lower(), raising=False)
