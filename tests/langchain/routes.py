"""Routes over loopback servers, and the four ways to ask."""

from __future__ import annotations

from typing import Any

import pytest

from langchain_multillm import ChatLlama
from shared_core import Backend, connect
from tests.langchain.conftest import KEY
from tests.openai_server import OpenAIServer

MODES = pytest.mark.parametrize("mode", ["invoke", "ainvoke", "stream", "astream"])


def place(server: OpenAIServer, model: str = "small", name: str = "vllm") -> Backend:
    return connect(name, model=model, base_url=server.url, api_key=KEY)


def route(server: OpenAIServer, *models: str, **arguments: Any) -> ChatLlama:
    names = [f"vllm/{model}" for model in models]
    return ChatLlama(**{"backend": names, "base_url": server.url, "api_key": KEY, "max_retries": 0, **arguments})
