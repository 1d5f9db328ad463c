"""A loopback server for every test that wants a place."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.openai_server import OpenAIServer

KEY = "sk-loopback-0123456789"


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(key=KEY) as running:
        yield running


@pytest.fixture(scope="session")
def shared_server() -> Iterator[OpenAIServer]:
    with OpenAIServer(key=KEY) as running:
        yield running


@pytest.fixture
def other() -> Iterator[OpenAIServer]:
    """A second place."""
    with OpenAIServer(key=KEY) as running:
        yield running
