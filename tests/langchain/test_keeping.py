"""A model can be copied, pickled, configured, cached and shown, and its key is never in what comes of it."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from collections.abc import Callable
from typing import Any, cast

import httpx
import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.exceptions import ModelAuthenticationError
from langchain_core.load import dumps
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables import ConfigurableField
from langchain_core.runnables.configurable import DynamicRunnable
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from pydantic import SecretStr, ValidationError

from langchain_multillm import ChatLlama, LlamaEmbeddings
from shared_core import ConfigurationError, MissingKeyError, connect
from tests.langchain.conftest import KEY
from tests.openai_server import OpenAIServer

Kind = type[ChatLlama] | type[LlamaEmbeddings]


def model(server: OpenAIServer, **arguments: Any) -> ChatLlama:
    return ChatLlama(**{"backend": "vllm", "model": "small", "api_key": KEY, "base_url": server.url, **arguments})


def embeddings(server: OpenAIServer, **arguments: Any) -> LlamaEmbeddings:
    return LlamaEmbeddings(**{"backend": "vllm", "model": "e", "api_key": KEY, "base_url": server.url, **arguments})


# --- the key -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [model, embeddings])
@pytest.mark.parametrize("used", [False, True], ids=["fresh", "used"])
def test_nothing_that_is_written_holds_the_key(server: OpenAIServer, make: Callable[..., Any], used: bool) -> None:
    kept = make(server, default_headers={"Authorization": f"Bearer {KEY}", "X-Team": "blue"})
    if used:
        kept.embed_query("x") if isinstance(kept, LlamaEmbeddings) else kept.invoke("x")
    written = [repr(kept), str(kept), str(kept.model_dump()), str(kept.__getstate__()), str(pickle.dumps(kept))]
    written.append(str(JsonPlusSerializer().dumps_typed(kept)))
    if isinstance(kept, ChatLlama):
        written += [dumps(kept), str(kept.asdict()), kept._get_llm_string(), str(kept._get_ls_params())]
        written += [repr(kept.bind(stop=["x"])), str(kept.get_lc_namespace()), str(kept._serialized)]
    assert not [text for text in written if KEY in text]
    assert isinstance(kept.api_key, SecretStr)


class _Everything(BaseTracer):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def _persist_run(self, run: Run) -> None:
        self.seen.append(str(run.__dict__))


def test_no_trace_log_or_exception_holds_the_key(server: OpenAIServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    tracer = _Everything()
    asked = model(server, max_retries=0)
    asked.invoke("hi", {"callbacks": [tracer]})
    for name in ("error-401", "echo-key", "error-500", "context-overflow"):
        with pytest.raises(Exception) as caught:  # noqa: PT011 - of any kind
            asked.invoke("hi", {"callbacks": [tracer]}, model=name)
        text = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + str(caught.value.__dict__)
        assert KEY not in text
        assert KEY.encode() not in pickle.dumps(caught.value)
    assert len(tracer.seen) == 5
    assert KEY not in "".join(tracer.seen)
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    "arguments",
    [
        {"backend": "grok"},
        {"temperature": "hot"},
        {"temprature": 1},
        {"groq_api_key": KEY},
        {"backend": "vllm", "n_ctx": 5},
        {"backend": 5},
        {"api_key": 5},
        {"timeout": -1},
    ],
)
@pytest.mark.parametrize("kind", [ChatLlama, LlamaEmbeddings])
def test_no_mistake_of_the_caller_shows_the_key(kind: Kind, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - pydantic's and ours
        kind(**{"backend": "groq", "api_key": KEY, "default_headers": {"authorization": KEY}, **arguments})
    assert KEY not in "".join(traceback.format_exception(caught.value))
    if isinstance(caught.value, ValidationError):
        assert KEY not in str(caught.value.errors())
        assert KEY not in caught.value.json()


def test_mistakes_read_well() -> None:
    with pytest.raises(ConfigurationError, match="ChatLlama has no argument 'temprature'; did you mean 'temperature'"):
        ChatLlama(temprature=1)  # type: ignore[call-arg]
    with pytest.raises(ConfigurationError, match="is neither the name of a place, nor an object"):
        ChatLlama(backend=object())
    with pytest.raises(ConfigurationError, match="base_url cannot be applied to a backend that is already built"):
        ChatLlama(backend=connect("vllm", model="small"), base_url="http://x")


def test_a_missing_key_is_reported_when_the_model_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    with pytest.raises(MissingKeyError, match="GROQ_API_KEY") as caught:
        ChatLlama(backend="groq")
    assert isinstance(caught.value, ModelAuthenticationError)
    assert not hasattr(caught.value, "__notes__")


# --- copies --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("used", [False, True], ids=["fresh", "used"])
def test_pickles_read_their_key_again(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, used: bool) -> None:
    asked = model(server, temperature=0.5, rate_limiter=None, default_headers={"X-Team": "blue"})
    if used:
        asked.invoke("hi")
    copied = pickle.loads(pickle.dumps(asked))  # noqa: S301 - our own
    assert (copied.model, copied.temperature, copied.base_url) == ("small", 0.5, server.url)
    with pytest.raises(Exception, match="401"):
        copied.invoke("hi")
    monkeypatch.setenv("VLLM_API_KEY", KEY)
    again = pickle.loads(pickle.dumps(asked))  # noqa: S301 - our own
    assert again.invoke("hi").text
    assert server.seen[-1].headers["x-team"] == "blue"


def test_an_unpickled_model_without_a_key_explains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    copied = pickle.loads(pickle.dumps(ChatLlama(backend="groq", api_key=KEY)))  # noqa: S301 - our own
    with pytest.raises(MissingKeyError, match="GROQ_API_KEY") as caught:
        copied.invoke("hi")
    assert isinstance(caught.value, ModelAuthenticationError)
    assert "not pickled" in "".join(caught.value.__notes__)


def test_deep_copies_share_what_is_meant_to_be_shared(server: OpenAIServer) -> None:
    limiter = InMemoryRateLimiter(requests_per_second=1000)
    with httpx.Client() as client:
        asked = model(server, http_client=client, rate_limiter=limiter, extra={"service_tier": "flex"})
        asked.invoke("hi")
        copied = copy.deepcopy(asked)
        assert copied.http_client is client
        assert copied.rate_limiter is limiter
        assert copied.extra == asked.extra
        assert copied.extra is not asked.extra
        assert copied.invoke("hi").text
        assert asked.invoke("hi").text
    assert copy.deepcopy(embeddings(server)).embed_query("x")
    built = ChatLlama(backend=connect("vllm", model="small", api_key=KEY, base_url=server.url))
    assert copy.deepcopy(built).backend is built.backend
    assert copy.deepcopy(built).profile == built.profile == built.model_copy(deep=True).profile
    groq = ChatLlama(model="groq/gpt-oss-20b", api_key=KEY)
    assert copy.deepcopy(groq).profile == groq.profile


def test_shallow_copies_follow_a_changed_argument(server: OpenAIServer) -> None:
    asked = model(server)
    asked.invoke("hi")
    changed = asked.model_copy(update={"model": "large"})
    assert changed.invoke("hi").response_metadata["model_name"] == "large"
    assert asked.invoke("hi").response_metadata["model_name"] == "small"
    asked.model = "large"
    assert asked.invoke("hi").response_metadata["model_name"] == "large"


def test_a_copys_profile_is_its_own_models() -> None:
    groq = ChatLlama(model="groq/gpt-oss-20b", api_key=KEY)
    other = groq.model_copy(update={"model": "vllm/anything"})
    assert groq.profile is not None
    assert other.profile is not None
    assert "tool_calling" in groq.profile
    assert "tool_calling" not in other.profile
    mine = ChatLlama(model="groq/gpt-oss-20b", api_key=KEY, profile={"max_input_tokens": 5})
    assert mine.model_copy(update={"model": "vllm/anything"}).profile == {"max_input_tokens": 5}


def test_configurable_fields_switch_the_model_and_its_profile(server: OpenAIServer) -> None:
    runnable = model(server).configurable_fields(
        model=ConfigurableField(id="model"), temperature=ConfigurableField(id="temperature")
    )
    answer = runnable.invoke("hi", {"configurable": {"model": "large", "temperature": 0.9}})
    assert answer.response_metadata["model_name"] == "large"
    assert server.last["temperature"] == 0.9
    assert len(list(runnable.stream("hi", {"configurable": {"model": "large"}}))) > 3  # it still streams
    groq = ChatLlama(model="groq/gpt-oss-20b", api_key=KEY).configurable_fields(model=ConfigurableField(id="model"))
    prepared = cast("DynamicRunnable[Any, Any]", groq)._prepare({"configurable": {"model": "vllm/anything"}})[0]
    assert isinstance(prepared, ChatLlama)
    assert "tool_calling" not in (prepared.profile or {})


def test_configurable_alternatives(server: OpenAIServer) -> None:
    runnable = model(server).configurable_alternatives(ConfigurableField(id="llm"), large=model(server, model="large"))
    answer = runnable.invoke("hi", {"configurable": {"llm": "large"}})
    assert answer.response_metadata["model_name"] == "large"


def test_langgraph_checkpoints_keep_it(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_API_KEY", KEY)
    serializer = JsonPlusSerializer(allowed_msgpack_modules=[("langchain_multillm.chat_model", "ChatLlama")])
    copied = serializer.loads_typed(serializer.dumps_typed(model(server, temperature=0.5)))
    assert isinstance(copied, ChatLlama)
    assert copied.temperature == 0.5
    assert copied.invoke("hi").text


def test_a_dump_builds_the_same_model(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_API_KEY", KEY)
    asked = model(server, temperature=0.5, stop=["x"], model_kwargs={"service_tier": "flex"})
    rebuilt = ChatLlama(**json.loads(asked.model_dump_json()))
    assert rebuilt._identifying_params == asked._identifying_params
    assert rebuilt.invoke("hi").text


# --- the cache -----------------------------------------------------------------------------------------------------


def test_a_shared_cache_keeps_places_models_and_arguments_apart(server: OpenAIServer) -> None:
    cache = InMemoryCache()
    with OpenAIServer(key=KEY) as other:
        variants = [
            model(server, cache=cache),
            model(server, cache=cache, model="large"),
            model(server, cache=cache, temperature=0.1),
            model(server, cache=cache, extra={"service_tier": "flex"}),
            model(server, cache=cache, output_version="v1"),
            model(other, cache=cache),
        ]
        for variant in variants:
            variant.invoke("hi")
        assert (len(server.seen), len(other.seen)) == (5, 1)
        for variant in variants:
            variant.invoke("hi")
        assert (len(server.seen), len(other.seen)) == (5, 1)
        answer = variants[0].invoke("hi", model="large")
        assert answer.response_metadata["model_name"] == "large"


def test_user_and_password_in_a_url_are_not_shown(server: OpenAIServer) -> None:
    url = server.url.replace("http://", "http://ann:hunter2@")
    asked = ChatLlama(backend="vllm", model="small", base_url=url, api_key=KEY)
    assert "hunter2" not in repr(asked) + str(asked.asdict()) + asked._get_llm_string()
