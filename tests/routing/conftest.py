"""What the tests of routes share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared_core import CATALOG
from tests.halves import Half, half_named


@pytest.fixture(params=["sync", "async"])
def half(request: pytest.FixtureRequest) -> Iterator[Half]:
    with half_named(request.param) as half:
        yield half


@pytest.fixture(autouse=True)
def nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No keys and addresses of the machine."""
    for place in CATALOG.values():
        for variable in (place.key, place.url_variable, "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            if variable:
                monkeypatch.delenv(variable, raising=False)
