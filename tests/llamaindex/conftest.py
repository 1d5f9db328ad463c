"""A loopback server, and LlamaIndex's defaults put back after every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from llama_index.core import Settings

from tests.openai_server import OpenAIServer

KEY = "sk-loopback-0123456789"
SIZE = 512


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(key=KEY, dimensions=SIZE) as running:
        yield running


@pytest.fixture
def clean_settings() -> Iterator[None]:
    yield
    Settings._llm = Settings._embed_model = Settings._prompt_helper = None


FILTERS = (
    # The workflows package looks at every attribute of an agent.
    "ignore::pydantic.warnings.PydanticDeprecatedSince211",
    # LlamaIndex's default memory leaves its in-memory SQLite connection to the garbage collector, and that one's
    # thread outlives the event loop.
    "ignore:.*aiosqlite.core.Connection.*:ResourceWarning",
    "ignore:Exception in thread .*_connection_worker_thread:pytest.PytestUnhandledThreadExceptionWarning",
    # LlamaIndex's asyncio_run makes an event loop for the main thread that nobody closes; family 1 is its self-pipe.
    "ignore:unclosed event loop:ResourceWarning",
    "ignore:unclosed <socket.socket fd=.*, family=1,:ResourceWarning",
)


def pytest_configure(config: pytest.Config) -> None:
    for line in FILTERS:
        config.addinivalue_line("filterwarnings", line)
