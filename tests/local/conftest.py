"""Small models with random weights, and the two halves of a backend."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared_core.local import LocalBackend, connect_local
from shared_core.local.files import DIRECTORY_VARIABLE
from shared_core.local.options import N_CTX_VARIABLE, N_GPU_LAYERS_VARIABLE, N_THREADS_VARIABLE
from tests.halves import Half, half_named
from tests.local.tiny import write_model


@pytest.fixture(scope="session")
def tiny_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "tiny.gguf")


@pytest.fixture
def tiny(tiny_path: Path) -> LocalBackend:
    return connect_local(str(tiny_path))


@pytest.fixture(params=["sync", "async"])
def half(request: pytest.FixtureRequest) -> Iterator[Half]:
    with half_named(request.param) as half:
        yield half


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (DIRECTORY_VARIABLE, N_CTX_VARIABLE, N_GPU_LAYERS_VARIABLE):
        monkeypatch.delenv(variable, raising=False)
    # Two threads wait for each other, on a busy machine ten times longer than one works.
    monkeypatch.setenv(N_THREADS_VARIABLE, "1")


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[LocalBackend]:
    """A model that no other test has loaded."""
    backend = connect_local(str(write_model(tmp_path / "fresh.gguf")))
    yield backend
    backend.unload()


@pytest.fixture(scope="session")
def large_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """About 130 MB of weights."""
    path = tmp_path_factory.mktemp("large") / "large.gguf"
    return write_model(path, width=1024, hidden=4096, heads=8)
