"""Errors are ours and LangChain's at once, wherever they happen."""

from __future__ import annotations

import pickle
import socket
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core import exceptions as langchain
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.outputs import LLMResult

import shared_core
from langchain_multillm import ChatLlama, LlamaEmbeddings
from langchain_multillm.errors import in_both_trees, langchain_errors
from shared_core import BackendError, MultillmError, RateLimitError
from tests.langchain.conftest import KEY
from tests.openai_server import OpenAIServer

STATUSES = [
    ("error-400", shared_core.InvalidRequestError, langchain.ModelInvalidRequestError, False),
    ("error-401", shared_core.AuthenticationError, langchain.ModelAuthenticationError, False),
    ("error-402", shared_core.BillingError, langchain.ModelPermissionDeniedError, False),
    ("error-403", shared_core.PermissionDeniedError, langchain.ModelPermissionDeniedError, False),
    ("error-404", shared_core.ModelNotFoundError, langchain.ModelNotFoundError, False),
    ("error-429", shared_core.RateLimitError, langchain.ModelRateLimitError, True),
    ("error-500", shared_core.ServerError, langchain.ModelAPIError, True),
    ("error-504", shared_core.BackendTimeoutError, langchain.ModelTimeoutError, True),
    ("context-overflow", shared_core.ContextLengthError, langchain.ContextOverflowError, False),
]


def model(server: OpenAIServer, name: str, **arguments: Any) -> ChatLlama:
    return ChatLlama(backend="vllm", model=name, api_key=KEY, base_url=server.url, max_retries=0, **arguments)


async def drain(asked: ChatLlama) -> None:
    async for _ in asked.astream("hi"):
        pass


@pytest.mark.parametrize(("name", "ours", "theirs", "retryable"), STATUSES)
async def test_statuses(
    server: OpenAIServer, name: str, ours: type[Exception], theirs: type[Exception], retryable: bool
) -> None:
    asked = model(server, name)
    calls: list[Callable[[], Any]] = [lambda: asked.invoke("hi"), lambda: list(asked.stream("hi"))]
    for call in calls:
        with pytest.raises(ours) as caught:
            call()
        assert isinstance(caught.value, theirs)
        assert caught.value.is_retryable is retryable  # type: ignore[attr-defined]
    for coroutine in (asked.ainvoke("hi"), drain(asked)):
        with pytest.raises(ours) as caught:
            await coroutine
        assert isinstance(caught.value, theirs)


def test_what_an_error_knows(server: OpenAIServer) -> None:
    with pytest.raises(RateLimitError) as caught:
        model(server, "error-429").invoke("hi")
    error = caught.value
    assert (error.backend, error.model, error.code, error.request_id) == (
        "vllm",
        "error-429",
        "code_429",
        "req_loopback",
    )
    assert error.retry_after == 7
    assert error.response is not None
    assert error.response.status_code == 429
    assert "as asked for" in str(error)
    assert type(error).__name__ == "RateLimitError"


@pytest.mark.parametrize("name", ["truncated", "cut", "stream-error"])
async def test_errors_in_the_middle_of_a_stream(server: OpenAIServer, name: str) -> None:
    asked = model(server, name)
    pieces: list[str] = []
    with pytest.raises(BackendError) as caught:
        pieces.extend(piece.text for piece in asked.stream("hi"))
    assert isinstance(caught.value, langchain.ModelError)
    assert "".join(pieces).startswith("You")
    with pytest.raises(langchain.ModelError):
        await drain(asked)


def test_no_connection() -> None:
    nowhere = ChatLlama(backend="vllm", model="small", base_url="http://127.0.0.1:9/v1", max_retries=0)
    with pytest.raises(shared_core.BackendConnectionError) as caught:
        nowhere.invoke("hi")
    assert isinstance(caught.value, langchain.ModelConnectionError)
    assert caught.value.is_retryable


def test_embeddings_raise_them_too(server: OpenAIServer) -> None:
    embeddings = LlamaEmbeddings(backend="vllm", model="error-429", api_key=KEY, base_url=server.url, max_retries=0)
    with pytest.raises(langchain.ModelRateLimitError):
        embeddings.embed_query("x")
    with pytest.raises(langchain.ModelRateLimitError):
        embeddings.embed_documents(["x"] * 300)


def test_building_raises_them_too() -> None:
    with pytest.raises(shared_core.UnknownBackendError, match="'groq'") as caught:
        ChatLlama(backend="grok")
    assert isinstance(caught.value, langchain.ModelInvalidRequestError)
    assert isinstance(caught.value, ValueError)


def test_the_trace_gets_the_response(server: OpenAIServer) -> None:
    class Trace(BaseCallbackHandler):
        response: LLMResult | None = None

        def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
            self.response = kwargs["response"]

    trace = Trace()
    with pytest.raises(RateLimitError):
        model(server, "error-429").invoke("hi", {"callbacks": [trace]})
    assert trace.response is not None
    metadata = trace.response.generations[0][0].message.response_metadata  # type: ignore[union-attr]
    assert (metadata["status_code"], metadata["request_id"]) == (429, "req_loopback")
    assert metadata["body"]["error"]["code"] == "code_429"


# --- the classes ---------------------------------------------------------------------------------------------------


class OddError(RateLimitError):
    """An error that somebody else's backend defines."""

    @property
    def retry(self) -> bool:  # type: ignore[override]
        return self.code == "soon"


def _all(kind: type[MultillmError]) -> list[type[MultillmError]]:
    return [
        kind,
        *(found for below in kind.__subclasses__() if below.__module__ == kind.__module__ for found in _all(below)),
    ]


@pytest.mark.parametrize("kind", _all(MultillmError))
def test_every_class_has_a_twin_that_survives_pickling(kind: type[MultillmError]) -> None:
    twin = in_both_trees(kind("broken"))
    assert isinstance(twin, kind)
    assert isinstance(twin, langchain.ModelError)
    assert in_both_trees(twin) is twin
    copy = pickle.loads(pickle.dumps(twin))  # noqa: S301 - our own
    assert type(copy) is type(twin)
    assert (str(copy), copy.__dict__) == (str(twin), twin.__dict__)


def test_classes_of_others_get_twins_with_all_they_know() -> None:
    twin = in_both_trees(OddError("slow down", backend="odd", code="soon"))
    assert isinstance(twin, OddError)
    assert isinstance(twin, langchain.ModelRateLimitError)
    assert (twin.backend, twin.is_retryable) == ("odd", True)
    assert not in_both_trees(OddError("slow down")).is_retryable  # type: ignore[attr-defined]
    assert isinstance(pickle.loads(pickle.dumps(twin)), OddError)  # noqa: S301 - our own


def test_the_cause_stays() -> None:
    def fail() -> None:
        try:
            socket.create_connection(("127.0.0.1", 9), timeout=1)
        except OSError as cause:
            raise RateLimitError("slow down") from cause

    with pytest.raises(langchain.ModelRateLimitError) as caught, langchain_errors():
        fail()
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.traceback[-1].name == "fail"
