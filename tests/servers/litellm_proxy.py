"""A LiteLLM proxy without a database, in front of other servers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.environments import PINS, Environment, python_of
from tests.servers.llama_cpp_server import LlamaCppServer
from tests.servers.processes import clean_environ, free_port, running

# 1.82.7 and 1.82.8 were malicious; up to 1.83.6 there is CVE-2026-42208.
ENVIRONMENT = Environment(
    "litellm", "1.106.2", ("litellm[proxy]==1.106.2",), ("python3.12", "python3.11", "python3.13"), PINS / "litellm.txt"
)
INPUT_PRICE, OUTPUT_PRICE = 1e-6, 2e-6
"""USD per token of the model `priced`."""

_KEYS = Path(__file__).with_name("litellm_keys.py")


@dataclass(frozen=True)
class LiteLLMProxy:
    """A running proxy."""

    url: str


@contextmanager
def litellm_proxy(upstream: str, demo: LlamaCppServer, folder: Path) -> Iterator[LiteLLMProxy]:
    """The proxy in front of the OpenAI server at `upstream` and of `demo`.

    Raises `CannotInstallError`, `ServerFailedError`.
    """
    python, port = python_of(ENVIRONMENT), free_port()
    config = folder / "config.yaml"
    config.write_text(json.dumps(_config(upstream, demo)))  # JSON is YAML
    (folder / "litellm_keys.py").write_text(_KEYS.read_text())
    command = [str(python.with_name("litellm")), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    # Otherwise it fetches its price list from the internet.
    environ = clean_environ(folder, LITELLM_LOCAL_MODEL_COST_MAP="True", LITELLM_TELEMETRY="False")
    with running(command, port=port, ready="/health/liveliness", folder=folder, environ=environ):
        yield LiteLLMProxy(f"http://127.0.0.1:{port}/v1")


def _config(upstream: str, demo: LlamaCppServer) -> dict[str, Any]:
    prices = {"input_cost_per_token": INPUT_PRICE, "output_cost_per_token": OUTPUT_PRICE}
    same_name = ("small", "context-overflow", "error-429", "error-503", "stream-error", "reasoning")
    names = [*same_name, "anthropic/claude-sonnet-4-5", "gemini/*"]
    models: dict[str, dict[str, Any]] = {
        **{name: {"model": f"openai/{name if name in same_name else 'small'}"} for name in names},
        "gemini/*": {"model": "openai/*"},
        "priced": {"model": "openai/small", **prices},
        "embedder": {"model": "openai/embedder"},
        "demo": {"model": f"openai/{demo.model}", "api_base": demo.url, "api_key": demo.key},
    }
    place: dict[str, Any] = {"api_base": upstream, "api_key": "sk-upstream", "max_retries": 0}
    return {
        "model_list": [{"model_name": name, "litellm_params": {**place, **own}} for name, own in models.items()],
        "litellm_settings": {"num_retries": 0, "telemetry": False},
        "general_settings": {
            "master_key": "sk-master-never-used",
            "custom_auth": "litellm_keys.authorize",
            "custom_auth_run_common_checks": True,
        },
    }
