"""LangChain's standard integration suites through every server and gateway as it behaves, with its true flags."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from langchain_multillm import ChatLlama
from tests.langchain import test_standard_places as places
from tests.places.ollama import Ollama
from tests.places.registry import SERVERS


@pytest.fixture(scope="class", autouse=True)
def _play(request: pytest.FixtureRequest) -> Iterator[None]:
    with request.cls.place() as request.cls.running:
        yield


class _Chat(places._Chat):
    """The operator of a server chose its models, so there may be no default."""

    @property
    def structured_output_kwargs(self) -> dict[str, Any]:
        return {"method": "function_calling"} if "json_schema" in self.place.lacks else {}

    @property
    def returns_usage_metadata(self) -> bool:
        return self.place.counts_streams

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        model = ChatLlama(**self.chat_model_params)
        model.invoke("Again.")
        pieces = list(model.stream("Again."))
        answer = sum(pieces[1:], start=pieces[0]) if stream else model.invoke("Again.")
        assert answer.usage_metadata is not None
        assert answer.usage_metadata["input_token_details"]["cache_read"] > 0
        return answer


class _Embeddings(places._Embeddings):
    """The operator of a server chose its models, so there may be no default."""

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        assert self.place.embedding is not None
        return {**self.connection, "model": next(iter(self.place.embedding.models))}


for _place in [kind for kind in SERVERS if kind is not Ollama]:
    _name = f"Test{_place.__name__}"
    _flags = {"supports_json_mode": "json_object" not in _place.lacks}
    globals()[_name] = type(_name, (_Chat,), {"place": _place, "__module__": __name__, **_flags})
    if _place.embedding is not None:
        _name = f"{_name}Embeddings"
        globals()[_name] = type(_name, (_Embeddings,), {"place": _place, "__module__": __name__})
