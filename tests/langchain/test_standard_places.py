"""LangChain's standard integration suites through every hosted place, and Ollama, as it behaves, with its true flags."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import httpx
import pytest
from langchain_core.messages import AIMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests, EmbeddingsIntegrationTests

from langchain_multillm import ChatLlama, LlamaEmbeddings
from tests.langchain.pictures import white_pixel
from tests.places.ollama import Ollama
from tests.places.registry import HOSTED
from tests.places.simulator import KEY, Simulator


@pytest.fixture(scope="class", autouse=True)
def _play(request: pytest.FixtureRequest) -> Iterator[None]:
    with request.cls.place() as request.cls.running:
        yield


class _Played:
    """A suite against one place, played while the suite runs."""

    place: type[Simulator]
    running: Simulator

    @property
    def connection(self) -> dict[str, Any]:
        return {"backend": self.place.name, "api_key": KEY, "base_url": self.running.url}


@pytest.mark.filterwarnings("ignore:(groq|ollama) does not take names of messages")
class _Chat(_Played, ChatModelIntegrationTests):
    """The flags say what the place takes; where nobody knows, they say no."""

    @property
    def chat_model_class(self) -> type[ChatLlama]:
        return ChatLlama

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {**self.connection, "model": self.place.vision_model}

    def _takes(self, kind: str, role: str = "user") -> bool:
        rules = self.place.rules
        return kind in rules.parts[role] and kind not in rules.unclear

    supports_json_mode = True
    supports_image_inputs = True
    supports_anthropic_inputs = True
    supports_model_override = True

    @property
    def model_override_value(self) -> str:
        return self.place.models[0].id

    @property
    def has_tool_choice(self) -> bool:
        return "required" in self.place.rules.choices

    @property
    def supports_image_urls(self) -> bool:
        return self.place.rules.image_urls

    @property
    def supports_image_tool_message(self) -> bool:
        return self._takes("image_url", "tool")

    @property
    def supports_pdf_inputs(self) -> bool:
        return self._takes("file")

    @property
    def supports_audio_inputs(self) -> bool:
        return self._takes("input_audio")

    @property
    def supported_usage_metadata_details(self) -> dict[Literal["invoke", "stream"], list[Any]]:
        told = {"reasoning_output": self.place.tells_thought, "cache_read_input": self.place.tells_cached}
        details = [detail for detail, tells in told.items() if tells]
        return {"invoke": details, "stream": details}

    def invoke_with_reasoning_output(self, *, stream: bool = False) -> AIMessage:
        return _ask(ChatLlama(**self.connection, model="reasoning"), "Think.", stream=stream)

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        model = ChatLlama(**self.connection)
        _ask(model, "Again.", stream=False)
        answer = _ask(model, "Again.", stream=stream)
        assert answer.usage_metadata is not None
        assert answer.usage_metadata["input_token_details"]["cache_read"] > 0
        return answer

    @pytest.fixture(autouse=True)
    def _media_without_internet(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # The suite downloads its pictures; what it sends to the model is what is tested.
        monkeypatch.setattr(httpx, "get", lambda *_, **__: httpx.Response(200, content=white_pixel()))
        monkeypatch.setenv("LANGCHAIN_TESTS_USER_AGENT", "tests")


class _Embeddings(_Played, EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self) -> type[LlamaEmbeddings]:
        return LlamaEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return self.connection


def _ask(model: ChatLlama, text: str, *, stream: bool) -> AIMessage:
    if not stream:
        return model.invoke(text)
    pieces = list(model.stream(text))
    return sum(pieces[1:], start=pieces[0])


_PLACES: tuple[type[Simulator], ...] = (*HOSTED, Ollama)
for _place in _PLACES:
    _name = f"Test{_place.__name__}"
    globals()[_name] = type(_name, (_Chat,), {"place": _place, "__module__": __name__})
    if _place.embedding is not None:
        _name = f"{_name}Embeddings"
        globals()[_name] = type(_name, (_Embeddings,), {"place": _place, "__module__": __name__})
