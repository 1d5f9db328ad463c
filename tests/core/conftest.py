"""What the tests of the core share."""

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
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the keys and addresses of the machine it runs on."""
    for place in CATALOG.values():
        for variable in (place.key, place.url_variable):
            if variable:
                monkeypatch.delenv(variable, raising=False)
    for variable in ("AWS_REGION", "AWS_DEFAULT_REGION", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.lower(), raising=False)
