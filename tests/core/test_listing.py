"""Lists of models in the shapes of the places."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared_core import ListedModel, ProtocolError, connect
from tests.raw_server import serving, whole

SHAPES: list[tuple[str, Any, list[ListedModel]]] = [
    ("openai", {"object": "list", "data": [{"id": "a", "object": "model"}]}, [ListedModel("a")]),
    ("vllm", {"data": [{"id": "a", "max_model_len": 8192}]}, [ListedModel("a", 8192)]),
    ("groq", {"data": [{"id": "a", "context_window": 131072, "max_completion_tokens": 65536}]}, [ListedModel("a", 131072, 65536)]),
    ("together", [{"id": "a", "context_length": 4096, "pricing": {"input": 0.2, "output": 0.6}}], [ListedModel("a", 4096, None, 0.2, 0.6)]),
    (
        "openrouter",
        {"data": [{"id": "a", "context_length": 10, "top_provider": {"max_completion_tokens": 5}, "pricing": {"prompt": "0.00000015", "completion": "0.0000006"}}]},
        [ListedModel("a", 10, 5, 0.15, 0.6)],
    ),
    ("llama-server", {"models": [{"name": "x"}], "data": [{"id": "a", "meta": {"n_ctx_train": 2048}}]}, [ListedModel("a", 2048)]),
    ("deepinfra", {"data": [{"id": "a", "metadata": {"context_length": 7, "max_tokens": 3, "pricing": {"input": "x"}}}]}, [ListedModel("a", 7, 3)]),
    ("models", {"models": [{"model": "a"}, {"name": "b"}, {"nothing": 1}, "c"]}, [ListedModel("a"), ListedModel("b")]),
    ("empty", [], []),
]  # fmt: skip


@pytest.mark.parametrize(("body", "models"), [shape[1:] for shape in SHAPES], ids=[shape[0] for shape in SHAPES])
def test_shapes(body: Any, models: list[ListedModel]) -> None:
    with serving(lambda _: [whole(body)]) as server:
        backend = connect("vllm", model="m", base_url=server.url)
        assert backend.models() == models  # type: ignore[attr-defined]
        assert asyncio.run(backend.amodels()) == models  # type: ignore[attr-defined]
        assert [(r.method, r.path) for r in server.received] == [("GET", "/v1/models")] * 2


@pytest.mark.parametrize("body", [b"<html>", b"3", b'{"data": 3}'])
def test_no_list(body: bytes) -> None:
    with serving(lambda _: [whole(body)]) as server, pytest.raises(ProtocolError, match=r"vllm .* a list of models"):
        connect("vllm", model="m", base_url=server.url, max_retries=0).models()  # type: ignore[attr-defined]
