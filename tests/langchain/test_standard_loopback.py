"""LangChain's standard suites, every gate open, against a server that speaks the OpenAI API over real sockets."""

from __future__ import annotations

import os
from typing import Any, Literal

import httpx
import pytest
from langchain_core.messages import AIMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests, EmbeddingsIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests, EmbeddingsUnitTests

from langchain_multillm import ChatLlama, LlamaEmbeddings
from tests.langchain.conftest import KEY
from tests.langchain.pictures import white_pixel
from tests.openai_server import OpenAIServer


@pytest.fixture(scope="module")
def place() -> Any:
    with OpenAIServer(key=KEY) as server:
        yield server


class _Place:
    """The same place for all suites."""

    server: OpenAIServer

    @pytest.fixture(autouse=True)
    def _serve(self, place: OpenAIServer) -> None:
        type(self).server = place

    @property
    def _params(self) -> dict[str, Any]:
        return {"backend": "vllm", "model": "small", "api_key": KEY, "base_url": getattr(self, "server", _Nowhere).url}


class _Nowhere:
    url = "http://127.0.0.1:9/v1"


class TestChatUnit(_Place, ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[ChatLlama]:
        return ChatLlama

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return self._params

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return {"GROQ_API_KEY": KEY}, {"model": "groq/openai/gpt-oss-20b"}, {"model": "groq/openai/gpt-oss-20b"}


class TestChat(_Place, ChatModelIntegrationTests):
    @property
    def chat_model_class(self) -> type[ChatLlama]:
        return ChatLlama

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return self._params

    supports_json_mode = True
    supports_image_inputs = True
    supports_image_urls = True
    supports_image_tool_message = True
    supports_pdf_inputs = True
    supports_audio_inputs = True
    supports_anthropic_inputs = True
    supports_model_override = True
    model_override_value = "large"

    @property
    def supported_usage_metadata_details(self) -> dict[Literal["invoke", "stream"], list[Any]]:
        details = ["reasoning_output", "cache_read_input"]
        return {"invoke": details, "stream": details}

    def invoke_with_reasoning_output(self, *, stream: bool = False) -> AIMessage:
        return _ask(ChatLlama(**self._params | {"model": "reasoning"}), "Think.", stream=stream)

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        model = ChatLlama(**self._params)
        _ask(model, "Again.", stream=False)
        answer = _ask(model, "Again.", stream=stream)
        assert answer.usage_metadata is not None
        assert answer.usage_metadata["input_token_details"]["cache_read"] > 0
        return answer

    @pytest.fixture(autouse=True)
    def _media_without_internet(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # The suite downloads its pictures; what it sends to the model is what is tested.
        monkeypatch.setattr(httpx, "get", lambda *_, **__: httpx.Response(200, content=white_pixel()))
        monkeypatch.setitem(os.environ, "LANGCHAIN_TESTS_USER_AGENT", "tests")


class TestEmbeddingsUnit(_Place, EmbeddingsUnitTests):
    @property
    def embeddings_class(self) -> type[LlamaEmbeddings]:
        return LlamaEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return self._params

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return {"TOGETHER_API_KEY": KEY}, {"backend": "together"}, {"backend": "together"}


class TestEmbeddings(_Place, EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self) -> type[LlamaEmbeddings]:
        return LlamaEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return self._params


def _ask(model: ChatLlama, text: str, *, stream: bool) -> AIMessage:
    if not stream:
        return model.invoke(text)
    pieces = list(model.stream(text))
    return sum(pieces[1:], start=pieces[0])
