"""Lists of models in the shapes of the places."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from shared_core import BackendError, Capabilities, ListedModel, ProtocolError, ServerError, connect
from shared_core.wire import Reply
from shared_core.wire.listing import decode_models
from tests.raw_server import serving, whole

OPENROUTER = {
    "id": "vendor/a",
    "canonical_slug": "vendor/a-2026",
    "context_length": 10,
    "architecture": {"modality": "text+image->text", "input_modalities": ["text", "image", "audio"], "output_modalities": ["text"]},
    "pricing": {"prompt": "0.00000015", "completion": "0.0000006", "input_cache_read": "0.000000075", "request": "0"},
    "top_provider": {"context_length": 9, "max_completion_tokens": 5, "is_moderated": False},
    "supported_parameters": ["tools", "tool_choice", "response_format", "structured_outputs", "reasoning", 7],
    "reasoning": {"mandatory": True},
    "expiration_date": "2027-01-31",
}  # fmt: skip
LITELLM = {
    "model_name": "alias",
    "litellm_params": {"model": "groq/openai/gpt-oss-20b"},
    "model_info": {
        "id": "5f1d",
        "key": "groq/openai/gpt-oss-20b",
        "mode": "chat",
        "max_tokens": 40,
        "max_input_tokens": 131072,
        "max_output_tokens": 65536,
        "input_cost_per_token": 7.5e-08,
        "output_cost_per_token": 3e-07,
        "cache_read_input_token_cost": None,
        "supports_function_calling": True,
        "supports_vision": False,
        "supports_audio_input": None,
    },
}
CEREBRAS = {
    "id": "gpt-oss-120b",
    "owned_by": "OpenAI",
    "architecture": {"modality": "text", "tokenizer": "o200k"},
    "capabilities": {"function_calling": True, "json_mode": True, "structured_outputs": True, "tool_choice": True, "vision": False, "reasoning": True},
    "limits": {"max_completion_tokens": 40960, "max_context_length": 131072, "requests_per_minute": 30},
    "pricing": {"prompt": "0.00000035", "completion": "0.00000075"},
}  # fmt: skip

SHAPES: list[tuple[str, Any, list[ListedModel]]] = [
    ("openai", {"object": "list", "data": [{"id": "a", "object": "model", "created": 1, "owned_by": "acme"}]}, [ListedModel("a", owned_by="acme")]),
    ("vllm", {"data": [{"id": "a", "max_model_len": 8192, "root": "/m", "parent": None, "permission": [{}]}]}, [ListedModel("a", 8192)]),
    ("groq", {"data": [{"id": "a", "active": True, "context_window": 131072, "max_completion_tokens": 65536}]}, [ListedModel("a", 131072, 65536, active=True)]),
    (
        "together",
        [
            {"id": "a", "type": "chat", "organization": "Meta", "context_length": 4096, "pricing": {"input": 0.2, "output": 0.6, "hourly": 0}},
            {"id": "b", "type": "embedding", "context_length": 512, "pricing": {"input": 0.01, "output": 0}},
            {"id": "c", "type": "image"},
            {"id": "d", "type": "hologram"},
        ],
        [
            ListedModel("a", 4096, None, 0.2, 0.6, kind="chat", owned_by="Meta"),
            ListedModel("b", 512, None, 0.01, 0.0, kind="embedding"),
            ListedModel("c", kind="other"),
            ListedModel("d"),
        ],
    ),
    (
        "fireworks",
        {"data": [{"id": "accounts/fireworks/models/a", "kind": "HF_BASE_MODEL", "supports_chat": True, "supports_image_input": False, "supports_tools": True, "context_length": 131072},
                  {"id": "b", "kind": "EMBEDDING_MODEL", "supports_chat": False},
                  {"id": "c", "kind": "FLUMINA_BASE_MODEL"}]},
        [ListedModel("accounts/fireworks/models/a", 131072, kind="chat", capabilities=Capabilities(tools=True, images=False)),
         ListedModel("b", kind="embedding"),
         ListedModel("c", kind="other")],
    ),
    (
        "sambanova",
        {"data": [{"id": "a", "context_length": 131072, "max_completion_tokens": 4096, "pricing": {"prompt": 6e-07, "completion": 1.2e-06, "duration_per_hour": None}, "sn_metadata": {}}]},
        [ListedModel("a", 131072, 4096, 0.6, 1.2)],
    ),
    (
        "openrouter",
        {"data": [OPENROUTER, {"id": "auto", "pricing": {"prompt": "-1", "completion": "-1"}}, {"id": "free", "pricing": {"prompt": "0", "completion": "0"}}]},
        [
            ListedModel(
                "vendor/a", 10, 5, 0.15, 0.6, 0.075, retired=date(2027, 1, 31),
                capabilities=Capabilities(tools=True, tool_choice=True, json_object=True, json_schema=True, images=True, audio=True, reasoning=True),
            ),
            ListedModel("auto"),
            ListedModel("free", input_price=0.0, output_price=0.0),
        ],
    ),
    (
        "deepinfra",
        {"data": [{"id": "a", "metadata": {"context_length": 7, "max_tokens": 3, "pricing": {"input_tokens": 0.03, "output_tokens": 0.05, "cache_read_tokens": 0.01}, "tags": ["chat"]}}]},
        [ListedModel("a", 7, 3, 0.03, 0.05, 0.01)],
    ),
    ("cerebras", {"data": [CEREBRAS]}, [
        ListedModel("gpt-oss-120b", 131072, 40960, 0.35, 0.75, owned_by="OpenAI", capabilities=Capabilities(
            tools=True, tool_choice=True, json_object=True, json_schema=True, images=False, reasoning=True)),
    ]),
    (
        "cerebras-huggingface",
        {"data": [{"id": "a", "context_length": 65536, "pricing": {"input": 0.35, "output": 0.75}, "capabilities": {"function_calling": True, "vision": False}}]},
        [ListedModel("a", 65536, None, 0.35, 0.75, capabilities=Capabilities(tools=True, images=False))],
    ),
    (
        "cerebras-openrouter",
        {"data": [{"id": "cerebras/a", "context_length": 65536, "max_output_length": 32768, "pricing": {"prompt": "0.000001", "completion": "0.000002"}, "supported_features": ["tools"], "input_modalities": ["text"]}]},
        [ListedModel("cerebras/a", 65536, 32768, 1.0, 2.0, capabilities=Capabilities(tools=True))],
    ),
    (
        "nvidia",
        {"object": "list", "data": [{"id": "meta/a", "object": "model", "created": 735790403, "owned_by": "meta"}]},
        [ListedModel("meta/a", owned_by="meta")],
    ),
    (
        "llama-server",
        {
            "models": [{"name": "x", "model": "x", "capabilities": ["completion", "multimodal"]}],
            "object": "list",
            "data": [{"id": "a", "owned_by": "llamacpp", "meta": {"n_ctx_train": 2048, "n_embd": 64}, "architecture": {"input_modalities": ["text", "image"]}}],
        },
        [ListedModel("a", 2048, owned_by="llamacpp", capabilities=Capabilities(images=True))],
    ),
    (
        "llama-stack",
        {"data": [
            {"identifier": "llama3.2:3b", "provider_resource_id": "llama3.2:3b", "provider_id": "ollama", "type": "model", "metadata": {}, "model_type": "llm"},
            {"identifier": "mini", "provider_id": "st", "type": "model", "metadata": {"embedding_dimension": 384.0, "context_length": 256.0}, "model_type": "embedding"},
        ]},
        [ListedModel("llama3.2:3b", kind="chat", owned_by="ollama"), ListedModel("mini", 256, kind="embedding", dimensions=384, owned_by="st")],
    ),
    (
        "ogx",
        {"data": [{"id": "up/a", "object": "model", "owned_by": "ogx", "custom_metadata": {"model_type": "embedding", "provider_id": "up", "provider_resource_id": "a", "embedding_dimension": 768}}]},
        [ListedModel("up/a", kind="embedding", dimensions=768, owned_by="ogx")],
    ),
    ("litellm", {"data": [{"id": "alias", "object": "model", "created": 1677610602, "owned_by": "openai"}]}, [ListedModel("alias", owned_by="openai")]),
    ("litellm-info", {"data": [LITELLM, LITELLM]}, [
        ListedModel("alias", 131072, 65536, 0.075, 0.3, kind="chat", capabilities=Capabilities(tools=True, images=False)),
    ]),
    (
        "ollama-tags",
        {"models": [{"name": "qwen3:8b", "model": "qwen3:8b", "size": 1, "details": {"family": "qwen3", "parameter_size": "8.2B"}, "capabilities": ["completion", "tools", "thinking"]}]},
        [ListedModel("qwen3:8b", capabilities=Capabilities(tools=True, reasoning=True))],
    ),
    (
        "lmstudio",
        {"data": [{"id": "a", "type": "vlm", "publisher": "p", "state": "loaded", "max_context_length": 32768, "loaded_context_length": 4096, "capabilities": ["tool_use"]},
                  {"id": "b", "type": "embeddings", "max_context_length": 2048}]},
        [ListedModel("a", 4096, kind="chat", capabilities=Capabilities(tools=True)), ListedModel("b", 2048, kind="embedding")],
    ),
    ("bad entries", {"models": [{"model": "a"}, {"name": "b"}, {"nothing": 1}, "c", None, {"id": 5}, {"id": "", "name": "d"}]}, [ListedModel("a"), ListedModel("b"), ListedModel("d")]),
    (
        "bad values",
        [{"id": "a", "context_length": "long", "max_tokens": True, "pricing": {"input": "x", "output": float("nan")}, "metadata": 3, "type": 4, "capabilities": "all",
          "supports_tools": "yes", "expiration_date": "soon", "owned_by": 1, "max_model_len": 0, "max_output_tokens": 1.5, "active": 1}],
        [ListedModel("a")],
    ),
    ("numbers as text", [{"id": "a", "context_length": "4096", "max_tokens": 10**400}], [ListedModel("a", 4096)]),
    ("told twice", [{"id": "a", "context_length": 1}, {"id": "b"}, {"id": "a", "context_length": 2}], [ListedModel("a", 1), ListedModel("b")]),
    ("empty array", [], []),
    ("empty list", {"object": "list", "data": []}, []),
    ("ollama without a model", {"object": "list", "data": None}, []),
]  # fmt: skip


def decoded(body: Any) -> list[ListedModel]:
    return decode_models(Reply(200, {}, to_json(body)))


@pytest.mark.parametrize(("body", "models"), [shape[1:] for shape in SHAPES], ids=[shape[0] for shape in SHAPES])
def test_shapes(body: Any, models: list[ListedModel]) -> None:
    assert decoded(body) == models


def test_the_place_is_asked() -> None:
    with serving(lambda _: [whole({"data": [{"id": "a"}]})]) as server:
        backend = connect("vllm", model="m", base_url=server.url)
        assert backend.models() == [ListedModel("a")]  # type: ignore[attr-defined]
        assert asyncio.run(backend.amodels()) == [ListedModel("a")]  # type: ignore[attr-defined]
        assert [(r.method, r.path) for r in server.received] == [("GET", "/v1/models")] * 2


@pytest.mark.parametrize("body", [b"<html>", b"3", b'{"data": 3}', b"{}", b'{"data": {"id": "a"}}', b""])
def test_no_list(body: bytes) -> None:
    with serving(lambda _: [whole(body)]) as server, pytest.raises(ProtocolError, match=r"vllm: .*a list of models"):
        connect("vllm", model="m", base_url=server.url, max_retries=0).models()  # type: ignore[attr-defined]


def test_an_error_under_a_good_status() -> None:
    with pytest.raises(ServerError, match="the registry is gone"):
        decoded({"error": {"message": "the registry is gone"}})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["id", "name", "data", "models", "pricing", "prompt", "metadata", "capabilities", "type", "context_length", "error"]), inner, max_size=4
    ),
    max_leaves=12,
)  # fmt: skip


@given(json_values)
def test_whatever_comes_is_a_list_or_a_typed_error(body: Any) -> None:
    try:
        models = decoded(body)
    except BackendError:
        return
    assert all(model.id for model in models)
