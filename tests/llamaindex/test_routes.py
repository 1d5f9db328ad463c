"""A list of places is one LLM: it answers as long as one of them does, and says which one did."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentOutput, AgentStream, FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, ChatResponse
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel, ValidationError

from llamaindex_multillm import LlamaEmbedding, LlamaLLM
from shared_core import (
    AllBackendsFailedError,
    Backend,
    Capabilities,
    ConfigurationError,
    Hedged,
    MissingKeyError,
    Router,
    SkippedTargetWarning,
    connect,
)
from tests.llamaindex.conftest import KEY, SIZE
from tests.llamaindex.scripted import Scripted, says
from tests.openai_server import OpenAIServer

HI = [ChatMessage(content="hi")]


@pytest.fixture
def other() -> Iterator[OpenAIServer]:
    with OpenAIServer(key=KEY, dimensions=SIZE) as running:
        yield running


def place(server: OpenAIServer, model: str = "small", name: str = "vllm") -> Backend:
    return connect(name, model=model, base_url=server.url, api_key=KEY)


def route(server: OpenAIServer, *models: str, **options: Any) -> LlamaLLM:
    names = [f"vllm/{model}" for model in models]
    return LlamaLLM(**{"backend": names, "base_url": server.url, "api_key": KEY, "max_retries": 0, **options})


def raw(response: ChatResponse) -> dict[str, Any]:
    assert isinstance(response.raw, dict)
    return response.raw


class Weather(BaseModel):
    """The weather in a city."""

    city: str
    degrees: int


# --- what the caller sees ------------------------------------------------------------------------------------------


async def _ask(llm: LlamaLLM, mode: str) -> Any:
    match mode:
        case "chat":
            return llm.chat(HI)
        case "achat":
            return await llm.achat(HI)
        case "stream":
            return list(llm.stream_chat(HI))[-1]
        case "astream":
            return [chunk async for chunk in await llm.astream_chat(HI)][-1]
        case _:
            return llm.complete("hi")


MODES = pytest.mark.parametrize("mode", ["chat", "achat", "stream", "astream", "complete"])


@MODES
async def test_an_answer_says_who_gave_it_and_who_did_not(server: OpenAIServer, other: OpenAIServer, mode: str) -> None:
    llm = LlamaLLM(backend=[place(server, "error-500"), place(other, "large", "tgi")], max_retries=0)
    told = (await _ask(llm, mode)).raw
    assert (told["backend"], told["model"]) == ("tgi", "large")
    failed, answered = told["metadata"]["attempts"]
    assert (failed["target"], answered["target"]) == ("vllm/error-500", "tgi/large")
    assert failed["error"].startswith("ServerError: vllm (error-500)")
    assert answered["error"] is None


@MODES
async def test_an_error_has_all_the_attempts(server: OpenAIServer, mode: str) -> None:
    with pytest.raises(AllBackendsFailedError, match=r"vllm/error-500: ServerError.*vllm/error-401") as caught:
        await _ask(route(server, "error-500", "error-401"), mode)
    assert [error.status for error in caught.value.errors] == [500, 401]


# --- making one ----------------------------------------------------------------------------------------------------


def test_a_place_without_a_key_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    monkeypatch.setenv("FIREWORKS_API_KEY", KEY)
    with pytest.warns(SkippedTargetWarning, match="GROQ_API_KEY"):
        llm = LlamaLLM(backend=["groq", "fireworks"], model="gpt-oss-20b")
    assert llm.metadata.model_name == "accounts/fireworks/models/gpt-oss-20b"
    with pytest.raises(MissingKeyError, match="GROQ_API_KEY"):
        LlamaLLM(backend=["groq"], model="gpt-oss-20b")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": []}, "a route needs a list of targets"),
        ({"backend": ["vllm", "tgi"], "model": "m", "api_key": KEY}, "api_key: this belongs to one place"),
        ({"backend": ["vllm", "tgi"], "model": "m", "n_ctx": 5}, "no target of the route takes n_ctx"),
        ({"backend": ["vllm/m"], "model": "m"}, "every target of the route has a model already"),
        ({"backend": ["vllm/m"], "backend_options": {"region": "x"}}, "no target of the route takes region"),
    ],
)
@pytest.mark.parametrize("kind", [LlamaLLM, LlamaEmbedding])
def test_mistakes_read_well(kind: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        kind(**options)
    assert KEY not in str(caught.value)


def test_what_is_no_target() -> None:
    with pytest.raises(ValidationError, match="backend"):
        LlamaLLM(backend=["vllm/x", 5])


def test_a_router_is_taken_as_it_is(server: OpenAIServer, other: OpenAIServer) -> None:
    router = Router([place(server), place(other)], retries=0)
    assert LlamaLLM(backend=router)._place is router
    renamed = LlamaLLM(backend=Router([place(server), place(other)]), model="large")
    assert raw(renamed.chat(HI))["model"] == "large"
    with pytest.raises(ConfigurationError, match="timeout: a backend object brings its own"):
        LlamaLLM(backend=router, timeout=5)


def test_a_list_that_is_changed_is_another_route(server: OpenAIServer) -> None:
    llm = route(server, "small", "large")
    assert llm._place is llm._place
    assert isinstance(llm.backend, list)
    llm.backend.reverse()
    assert LlamaLLM(backend=("vllm/a", "tgi/b")).to_dict()["backend"] == ["vllm/a", "tgi/b"]
    assert raw(llm.chat(HI))["model"] == "large"


def test_metadata_hold_at_every_target_and_tools_at_one() -> None:
    plain = Capabilities(tools=False, tool_choice=False, json_schema=False, context_window=900)
    able = Capabilities(tools=True, tool_choice=True, json_schema=True, context_window=700)
    llm = LlamaLLM(backend=[Scripted(capabilities=plain), Scripted(capabilities=able)])
    assert llm.metadata.is_function_calling_model
    assert llm.metadata.context_window == 700
    assert not LlamaLLM(backend=[Scripted(capabilities=plain)]).metadata.is_function_calling_model


# --- keeping it ----------------------------------------------------------------------------------------------------


def test_copies_and_dumps(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    llm = route(server, "error-500", "large", temperature=0.5)
    assert raw(llm.chat(HI))["model"] == "large"
    monkeypatch.setenv("VLLM_API_KEY", KEY)
    for copied in (
        copy.deepcopy(llm),
        pickle.loads(pickle.dumps(llm)),  # noqa: S301 - our own
        LlamaLLM.from_dict(llm.to_dict()),
        LlamaLLM.from_json(llm.to_json()),
    ):
        assert (copied.temperature, repr(copied)) == (0.5, repr(llm))
        assert raw(copied.chat(HI))["model"] == "large"
    assert "['vllm/error-500', 'vllm/large']" in repr(llm)
    for text in (repr(llm), llm.to_json(), json.dumps(llm.to_payload()), str(pickle.dumps(llm))):
        assert KEY not in text


def test_a_router_is_written_as_a_list_of_its_places(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_API_KEY", KEY)
    inner = Router([place(server), place(server, "large", "tgi")], retries=0)
    llm = LlamaLLM(backend=Router([inner, place(server, "third")]))
    assert llm.to_dict()["backend"] == ["vllm/small", "tgi/large", "vllm/third"]
    assert LlamaLLM(backend=inner, model="m").to_dict()["backend"] == ["vllm", "tgi"]
    assert LlamaLLM(backend=["vllm/x", place(server)]).to_dict()["backend"] == ["vllm/x", "vllm/small"]
    copied = pickle.loads(pickle.dumps(LlamaLLM(backend=inner)))  # noqa: S301 - our own
    assert copied._place._rules == inner._rules
    assert raw(copied.chat(HI))["model"] == "small"
    assert "vllm/third" in repr(llm)


@pytest.mark.parametrize("make", [Hedged, Router])
def test_routes_of_all_kinds(server: OpenAIServer, make: Any) -> None:
    llm = LlamaLLM(backend=make([place(server, "error-500"), place(server, "large")]))
    assert raw(llm.chat(HI))["model"] == "large"
    assert raw(list(llm.stream_chat(HI))[-1])["model"] == "large"
    assert llm.to_dict()["backend"] == ["vllm/error-500", "vllm/large"]


# --- agents and objects --------------------------------------------------------------------------------------------


def weather_that(happens: Callable[[], object]) -> FunctionTool:
    def weather(city: str) -> str:
        """Tell the weather in a city."""
        happens()
        return f"It is sunny in {city}."

    return FunctionTool.from_defaults(weather)


@pytest.mark.parametrize("streaming", [True, False])
async def test_an_agent_goes_on_when_a_target_dies_between_two_steps(
    server: OpenAIServer, other: OpenAIServer, streaming: bool
) -> None:
    llm = LlamaLLM(backend=[place(server), place(other, name="tgi")], max_retries=0)
    agent = FunctionAgent(llm=llm, tools=[weather_that(server.server.die)], streaming=streaming)
    handler = agent.run("What is the weather in Paris?")
    events = [event async for event in handler.stream_events()]
    assert "It is sunny in Paris" in str(await handler)
    raws: list[Any] = [event.raw for event in events if isinstance(event, AgentOutput)]
    assert [told["backend"] for told in raws] == ["vllm", "tgi"]
    assert [one["target"] for one in raws[-1]["metadata"]["attempts"]] == ["vllm/small", "tgi/small"]
    assert (len(server.seen), len(other.seen)) == (1, 1)
    assert any(isinstance(event, AgentStream) for event in events) is streaming


def test_tools_over_sync_calls_go_on_too(server: OpenAIServer, other: OpenAIServer) -> None:
    tool = weather_that(server.server.die)
    llm = LlamaLLM(backend=[place(server), place(other, name="tgi")], max_retries=0)
    response = llm.predict_and_call([tool], "What is the weather in Paris?")
    assert "It is sunny in Paris" in str(response)
    assert raw(llm.chat(HI))["backend"] == "tgi"
    streamed: list[ChatResponse] = list(llm.stream_chat_with_tools([tool], "And in Rome?"))
    assert raw(streamed[-1])["backend"] == "tgi"


async def test_a_target_without_tools_is_skipped_by_an_agent(server: OpenAIServer) -> None:
    toolless = Scripted([says("I have no tools.")], capabilities=Capabilities(tools=False))
    llm = LlamaLLM(backend=[toolless, place(server)])
    agent = FunctionAgent(llm=llm, tools=[weather_that(lambda: None)])
    assert "It is sunny in Paris" in str(await agent.run("What is the weather in Paris?"))
    assert not toolless.requests
    assert llm.chat(HI).message.content == "I have no tools."


@pytest.mark.parametrize("able_first", [True, False])
async def test_objects(server: OpenAIServer, able_first: bool) -> None:
    nothing = Capabilities(tools=False, tool_choice=False, json_schema=False, json_object=False)
    not_able, able = Scripted(capabilities=nothing), place(server, "large")
    llm = LlamaLLM(backend=[able, not_able] if able_first else [not_able, able])
    prompt = PromptTemplate("Weather in Paris, at 21 degrees")
    assert llm.structured_predict(Weather, prompt) == Weather(city="Paris", degrees=21)
    assert await llm.astructured_predict(Weather, prompt) == Weather(city="Paris", degrees=21)
    assert list(llm.stream_structured_predict(Weather, prompt))[-1] == Weather(city="Paris", degrees=21)
    assert not not_able.requests


def test_an_object_comes_from_the_next_target(server: OpenAIServer) -> None:
    llm = route(server, "error-500", "large")
    assert llm.structured_predict(Weather, PromptTemplate("Paris, 21")) == Weather(city="Paris", degrees=21)


# --- embeddings ----------------------------------------------------------------------------------------------------


async def test_embeddings_come_from_the_next_target(server: OpenAIServer, other: OpenAIServer) -> None:
    alone = LlamaEmbedding(backend=place(other)).get_text_embedding_batch(["a", "b", "c"])
    server.server.die()
    embedding = LlamaEmbedding(backend=[place(server), place(other)], embed_batch_size=2, max_retries=0)
    assert embedding.model_name == "small"
    assert embedding.get_text_embedding_batch(["a", "b", "c"]) == alone
    assert await embedding.aget_text_embedding_batch(["a", "b", "c"]) == alone
    assert embedding.get_query_embedding("a") == alone[0]


def test_embeddings_of_unlike_models_are_refused(server: OpenAIServer) -> None:
    with pytest.raises(ConfigurationError, match="vectors of different models cannot be compared"):
        LlamaEmbedding(backend=[place(server), place(server, "large")])
