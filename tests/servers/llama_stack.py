"""Llama Stack as it was (0.2.12) and as it is called now (OGX 1.x), in front of other servers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.environments import PINS, Environment, python_of
from tests.servers.processes import clean_environ, free_port, running

# The newest for Python 3.11. SQLAlchemy's asyncio needs greenlet, which the server does not ask for.
OLD = Environment(
    "llama_stack",
    "0.2.12",
    (
        *("llama-stack==0.2.12", "uvicorn", "aiosqlite", "sqlalchemy[asyncio]"),
        *("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"),
    ),
    ("python3.11",),
    PINS / "llama_stack.txt",
)
NEW = Environment("ogx", "1.5.0", ("ogx==1.5.0",), ("python3.12", "python3.13"), PINS / "ogx.txt")

UPSTREAM_MODELS = ("small", "context-overflow", "error-503", "stream-error")


@dataclass(frozen=True)
class Provider:
    """A server behind the stack, and the models that the stack is told of."""

    name: str
    url: str
    key: str
    chat: tuple[str, ...] = ()
    embedding: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stack:
    """A running server: its address without a path, and how it spells the ids of its models."""

    name: str
    url: str
    has_prefixes: bool

    def id_of(self, model: str, provider: str = "up") -> str:
        """The id that the server lists for a model of the provider's."""
        return f"{provider}/{model}" if self.has_prefixes else model


# Both log tracebacks with all local variables: 600 kB for each error, and for seconds nobody else is answered.


@contextmanager
def llama_stack(providers: Sequence[Provider], folder: Path) -> Iterator[Stack]:
    """Llama Stack 0.2.12. Raises `CannotInstallError`, `ServerFailedError`."""
    python, port = python_of(OLD), free_port()
    config = folder / "run.yaml"
    config.write_text(json.dumps(_old_config(providers, folder)))  # JSON is YAML
    command = [str(python), "-m", "llama_stack.distribution.server.server", "--config", str(config)]
    command += ["--port", str(port)]
    environ = clean_environ(folder, LLAMA_STACK_LOGGING="all=critical")
    with running(command, port=port, ready="/v1/health", folder=folder, environ=environ):
        yield Stack("llama_stack", f"http://127.0.0.1:{port}", has_prefixes=False)


@contextmanager
def ogx(providers: Sequence[Provider], folder: Path) -> Iterator[Stack]:
    """OGX 1.x. Raises `CannotInstallError`, `ServerFailedError`."""
    python, port = python_of(NEW), free_port()
    config = folder / "config.yaml"
    config.write_text(json.dumps(_new_config(providers, folder)))
    command = [str(python.with_name("ogx")), "run", str(config), "--port", str(port), "--insecure"]
    environ = clean_environ(folder, OGX_LOG_FORMAT="json")
    with running(command, port=port, ready="/v1/health", folder=folder, environ=environ):
        yield Stack("ogx", f"http://127.0.0.1:{port}", has_prefixes=True)


def _models(providers: Sequence[Provider]) -> list[dict[str, Any]]:
    chat = [_model(provider, name, "llm") for provider in providers for name in provider.chat]
    embedding = [
        _model(provider, name, "embedding", embedding_dimension=384)
        for provider in providers
        for name in provider.embedding
    ]
    return [*chat, *embedding]


def _model(provider: Provider, name: str, kind: str, **metadata: int) -> dict[str, Any]:
    ids = {"model_id": name, "provider_model_id": name, "provider_id": provider.name}
    return {**ids, "model_type": kind, "metadata": metadata}


def _rows(providers: Sequence[Provider], url: str, **more: Any) -> dict[str, Any]:
    """`url` is the name that this version has for it."""
    return {
        "inference": [
            {
                "provider_id": provider.name,
                "provider_type": "remote::vllm",
                "config": {url: provider.url, "api_token": provider.key, **more},
            }
            for provider in providers
        ]
    }


def _old_config(providers: Sequence[Provider], folder: Path) -> dict[str, Any]:
    return {
        "version": "2",
        "image_name": "tested",
        "apis": ["inference"],
        "providers": _rows(providers, "url", tls_verify=False),
        "metadata_store": {"type": "sqlite", "db_path": str(folder / "registry.db")},
        "inference_store": {"type": "sqlite", "db_path": str(folder / "inference.db")},
        "models": _models(providers),
    }


def _new_config(providers: Sequence[Provider], folder: Path) -> dict[str, Any]:
    keys = {"type": "kv_sqlite", "db_path": str(folder / "keys.db")}
    tables = {"type": "sql_sqlite", "db_path": str(folder / "tables.db")}
    return {
        "version": 2,
        "distro_name": "tested",
        "apis": ["inference"],
        "providers": _rows(providers, "base_url"),
        "registered_resources": {"models": _models(providers)},
        "storage": {
            "backends": {"kv_default": keys, "sql_default": tables},
            "stores": {
                "metadata": {"namespace": "registry", "backend": "kv_default"},
                "inference": {"table_name": "inference", "backend": "sql_default"},
                "conversations": {"table_name": "conversations", "backend": "sql_default"},
                "prompts": {"table_name": "prompts", "backend": "sql_default"},
            },
        },
    }
