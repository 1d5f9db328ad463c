"""Real servers, each started once a test run; where one cannot be installed, the tests that need it say why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from tests.halves import Half, SyncHalf, half_named
from tests.openai_server import OpenAIServer
from tests.servers.environments import CannotInstallError
from tests.servers.litellm_proxy import LiteLLMProxy, litellm_proxy
from tests.servers.llama_cpp_server import DEMO, LlamaCppServer, llama_cpp_server
from tests.servers.llama_stack import UPSTREAM_MODELS, Provider, Stack, llama_stack, ogx

FIRST_TIME_SECONDS = 900
"""Installing counts for the first test that needs it."""

_Server = TypeVar("_Server")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(FIRST_TIME_SECONDS))


@contextmanager
def _skipped_if_not_installable(server: AbstractContextManager[_Server]) -> Iterator[_Server]:
    """A server that is installed and does not start is a failure, not a skip."""
    with ExitStack() as stack:
        try:
            started = stack.enter_context(server)
        except CannotInstallError as error:
            pytest.skip(f"cannot be installed here: {error}")
        yield started


@pytest.fixture(params=["sync", "async"])
def half(request: pytest.FixtureRequest) -> Iterator[Half]:
    with half_named(request.param) as half:
        yield half


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Fresh folders for servers to work in."""
    return tmp_path_factory.mktemp


@pytest.fixture(scope="session")
def upstream() -> Iterator[OpenAIServer]:
    """What stands behind the gateways."""
    with OpenAIServer(models=UPSTREAM_MODELS) as server:
        yield server


@pytest.fixture(scope="session")
def demo_server(folder: Callable[[str], Path]) -> Iterator[LlamaCppServer]:
    """The bundled demo model."""
    with _skipped_if_not_installable(llama_cpp_server(DEMO, "demo", folder("llama_cpp_server"))) as server:
        yield server


@pytest.fixture(scope="session")
def tool_server(folder: Callable[[str], Path]) -> Iterator[LlamaCppServer]:
    """The demo model in a chat format that makes the server read tool calls."""
    options = ("--chat_format", "chatml-function-calling")
    server = llama_cpp_server(DEMO, "demo", folder("llama_cpp_server_tools"), *options)
    with _skipped_if_not_installable(server) as started:
        yield started


@pytest.fixture(scope="session")
def minilm_server(minilm: Path, folder: Callable[[str], Path]) -> Iterator[LlamaCppServer]:
    """An embedding model."""
    server = llama_cpp_server(minilm, "minilm", folder("llama_cpp_server_minilm"), "--embedding", "true")
    with _skipped_if_not_installable(server) as started:
        yield started


@pytest.fixture(scope="session")
def proxy(upstream: OpenAIServer, demo_server: LlamaCppServer, folder: Callable[[str], Path]) -> Iterator[LiteLLMProxy]:
    with _skipped_if_not_installable(litellm_proxy(upstream.url, demo_server, folder("litellm"))) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def providers(
    upstream: OpenAIServer, demo_server: LlamaCppServer, minilm_server: LlamaCppServer
) -> tuple[Provider, ...]:
    """What stands behind a Llama Stack."""
    return (
        Provider("up", upstream.url, "sk-upstream", chat=UPSTREAM_MODELS),
        Provider("llama", demo_server.url, demo_server.key, chat=(demo_server.model,)),
        Provider("embed", minilm_server.url, minilm_server.key, embedding=(minilm_server.model,)),
    )


@pytest.fixture(scope="session")
def old_stack(providers: tuple[Provider, ...], folder: Callable[[str], Path]) -> Iterator[Stack]:
    with _skipped_if_not_installable(llama_stack(providers, folder("llama_stack"))) as stack:
        yield stack


@pytest.fixture(scope="session")
def new_stack(providers: tuple[Provider, ...], folder: Callable[[str], Path]) -> Iterator[Stack]:
    with _skipped_if_not_installable(ogx(providers, folder("ogx"))) as stack:
        yield stack


@pytest.fixture(params=["old_stack", "new_stack"])
def stack(request: pytest.FixtureRequest) -> Stack:
    """Each version in turn."""
    found: Stack = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def name_of_half(request: pytest.FixtureRequest) -> str:
    """For what the servers keep from one call to the next."""
    return "sync" if isinstance(request.getfixturevalue("half"), SyncHalf) else "async"
