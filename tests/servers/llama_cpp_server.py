"""llama-cpp-python's own server, with one GGUF file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.environments import PINS, CannotInstallError, Environment, last_lines, python_of
from tests.servers.processes import clean_environ, free_port, running

KEY = "sk-llama-cpp-server-31415"
WINDOW = 512
"""Tokens; small, so that it is soon full."""

_ROOT = Path(__file__).parents[2]
DEMO = _ROOT / "shared_core" / "local" / "demo_model.gguf"
_VERSION = "0.3.36"
# What the extra "server" of llama-cpp-python names.
_SERVER = ("uvicorn", "fastapi", "sse-starlette", "starlette-context", "pydantic-settings")
_PYTHONS = ("python3.12", "python3.11", "python3.13")


@dataclass(frozen=True)
class LlamaCppServer:
    """A running server: where, and under which id it serves its model."""

    url: str
    model: str
    key: str = KEY


@contextmanager
def llama_cpp_server(model: Path, alias: str, folder: Path, *options: str) -> Iterator[LlamaCppServer]:
    """The server, serving the model under the name `alias`. Raises `CannotInstallError`, `ServerFailedError`."""
    python, port = python_of(_environment()), free_port()
    command = [str(python), "-m", "llama_cpp.server", "--model", str(model), "--model_alias", alias]
    command += ["--host", "127.0.0.1", "--port", str(port), "--api_key", KEY, "--n_ctx", str(WINDOW)]
    command += ["--n_threads", "1", "--n_threads_batch", "1", "--verbose", "false", *options]
    with running(command, port=port, ready="/v1/models", folder=folder, environ=clean_environ(folder)):
        yield LlamaCppServer(f"http://127.0.0.1:{port}/v1", alias)


def _environment() -> Environment:
    return Environment("llama_cpp_server", _VERSION, (_wheel(), *_SERVER), _PYTHONS, PINS / "llama_cpp_server.txt")


def _wheel() -> str:
    """The wheel that the development environment was made from; it serves every Python."""
    command = [sys.executable, str(_ROOT / "scripts" / "build_llama_cpp.py")]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode:
        raise CannotInstallError(f"building llama-cpp-python: {last_lines(built.stderr)}")
    return built.stdout.strip()
