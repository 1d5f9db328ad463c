"""A list of places is one chat model: it answers as long as one of them does, and says which one did."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import pytest
from langchain_core import exceptions as langchain
from langchain_core.caches import InMemoryCache
from langchain_core.load import dumpd, dumps
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import ConfigurableField
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from langchain_multillm import ChatLlama, LlamaEmbeddings
from shared_core import (
    AllBackendsFailedError,
    ConfigurationError,
    Hedged,
    MissingKeyError,
    Router,
    SkippedTargetWarning,
    connect,
    where,
)
from tests.langchain.conftest import KEY
from tests.langchain.routes import MODES, place, route
from tests.openai_server import OpenAIServer
from tests.raw_server import serving

# --- what the caller sees ------------------------------------------------------------------------------------------


def _streamed(asked: ChatLlama) -> BaseMessage:
    pieces = list(asked.stream("hi"))
    return sum(pieces[1:], pieces[0])


async def _astreamed(asked: ChatLlama) -> BaseMessage:
    pieces = [piece async for piece in asked.astream("hi")]
    return sum(pieces[1:], pieces[0])


async def _ask(asked: ChatLlama, mode: str) -> BaseMessage:
    match mode:
        case "invoke":
            return asked.invoke("hi")
        case "ainvoke":
            return await asked.ainvoke("hi")
        case "stream":
            return _streamed(asked)
        case _:
            return await _astreamed(asked)


@MODES
async def test_an_answer_says_who_gave_it_and_who_did_not(server: OpenAIServer, other: OpenAIServer, mode: str) -> None:
    asked = ChatLlama(backend=[place(server, "error-500"), place(other, "large", "tgi")], max_retries=0)
    answer = await _ask(asked, mode)
    assert answer.text.startswith("You said: hi")
    metadata = answer.response_metadata
    assert (metadata["model_provider"], metadata["model_name"]) == ("tgi", "large")
    failed, answered = metadata["attempts"]
    assert (failed["target"], answered["target"]) == ("vllm/error-500", "tgi/large")
    assert failed["error"].startswith("ServerError: vllm (error-500)")
    assert answered["error"] is None
    assert failed["seconds"] >= 0 <= answered["seconds"]


@MODES
async def test_an_error_is_langchains_and_has_all_the_attempts(server: OpenAIServer, mode: str) -> None:
    with pytest.raises(AllBackendsFailedError, match=r"vllm/error-500: ServerError.*vllm/error-401") as caught:
        await _ask(route(server, "error-500", "error-401"), mode)
    error = caught.value
    assert isinstance(error, langchain.ModelAPIError)
    assert not isinstance(error, langchain.ModelAuthenticationError)
    assert isinstance(error.errors[1], langchain.ModelAuthenticationError)
    assert [one.status for one in error.errors] == [500, 401]
    copied = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert type(copied) is type(error)
    assert [type(one) for one in copied.errors] == [type(one) for one in error.errors]
    assert KEY.encode() not in pickle.dumps(error)


@pytest.mark.parametrize(
    ("model", "kind"),
    [("error-429", langchain.ModelRateLimitError), ("error-404", langchain.ModelNotFoundError)],
)
def test_what_is_true_of_all_attempts_is_true_of_the_route(server: OpenAIServer, model: str, kind: Any) -> None:
    with pytest.raises(kind) as caught:
        route(server, model, model).invoke("hi")
    assert isinstance(caught.value, AllBackendsFailedError)
    assert pickle.loads(pickle.dumps(caught.value)).args == caught.value.args  # noqa: S301 - our own


def test_traces_name_the_place_as_far_as_it_is_known(server: OpenAIServer) -> None:
    params = route(server, "small", "large")._get_ls_params()
    assert (params["ls_provider"], params["ls_model_name"]) == ("vllm", "small, large")
    params = ChatLlama(backend=[place(server), place(server, name="tgi")])._get_ls_params()
    assert (params["ls_provider"], params["ls_model_name"]) == ("router", "small")


# --- making one ----------------------------------------------------------------------------------------------------


def test_a_place_without_a_key_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    monkeypatch.delenv("TOGETHER_API_KEY", raising=False)
    monkeypatch.setenv("FIREWORKS_API_KEY", KEY)
    with pytest.warns(SkippedTargetWarning, match="GROQ_API_KEY") as told:
        asked = ChatLlama(backend=["groq", "fireworks"], model="gpt-oss-20b")
    assert len(told) == 1
    assert [one.name for one in asked.connection.backends] == ["fireworks"]  # type: ignore[attr-defined]
    with pytest.raises(MissingKeyError, match=r"GROQ_API_KEY.*TOGETHER_API_KEY") as caught:
        ChatLlama(backend=["groq", "together"], model="gpt-oss-20b")
    assert isinstance(caught.value, langchain.ModelAuthenticationError)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backend": []}, "a route needs a list of targets"),
        ({"backend": ["vllm/x", object()]}, "is neither the name of a place nor an object"),
        ({"backend": ["vllm", "tgi"], "model": "m", "api_key": KEY}, "api_key: this belongs to one place"),
        ({"backend": ["vllm", "tgi"], "model": "m", "n_ctx": 5}, "no target of the route takes n_ctx"),
        ({"backend": ["vllm/m"], "model": "m"}, "every target of the route has a model already"),
        ({"backend": ["vllm/m"], "backend_options": {"region": "x"}}, "no target of the route takes region"),
    ],
)
@pytest.mark.parametrize("kind", [ChatLlama, LlamaEmbeddings])
def test_mistakes_read_well(kind: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        kind(**arguments)
    assert KEY not in str(caught.value)


def test_a_router_is_taken_as_it_is(server: OpenAIServer, other: OpenAIServer) -> None:
    router = Router([place(server), place(other)], policy=where(lambda _, target: target.backend.model == "small"))
    asked = ChatLlama(backend=router, timeout=5)
    assert asked.connection is router
    assert asked.invoke("hi").response_metadata["model_name"] == "small"
    renamed = ChatLlama(backend=Router([place(server), place(other)]), model="large")
    assert renamed.invoke("hi").response_metadata["model_name"] == "large"
    with pytest.raises(ConfigurationError, match="base_url cannot be applied to a backend that is already built"):
        ChatLlama(backend=router, base_url="http://x")


@MODES
@pytest.mark.parametrize("make", [Hedged, Router])
async def test_routes_of_all_kinds(server: OpenAIServer, make: Any, mode: str) -> None:
    answer = await _ask(ChatLlama(backend=make([place(server, "error-500"), place(server, "large")])), mode)
    assert answer.text.startswith("You said: hi")
    assert [one["target"] for one in answer.response_metadata["attempts"]] == ["vllm/error-500", "vllm/large"]


@MODES
async def test_a_timeout_holds_at_every_target(other: OpenAIServer, mode: str) -> None:
    with serving(lambda _: [threading.Event()]) as silent:
        asked = ChatLlama(
            backend=[connect("vllm", model="small", base_url=silent.url), place(other, name="tgi")],
            timeout=0.2,
            max_retries=0,
        )
        answer = await _ask(asked, mode)
    assert answer.response_metadata["model_provider"] == "tgi"
    assert answer.response_metadata["attempts"][0]["error"].startswith("BackendTimeoutError")


def test_what_is_learned_is_kept_for_a_model_named_in_a_call(server: OpenAIServer, other: OpenAIServer) -> None:
    asked = ChatLlama(backend=[place(server), place(other)], max_retries=0)
    other.server.die()
    for _ in range(3):
        assert asked.invoke("hi", model="large").response_metadata["model_name"] == "large"
    server.server.die()
    with pytest.raises(AllBackendsFailedError):
        asked.invoke("hi", model="large")
    sibling = asked.connection.with_model("large")
    assert isinstance(sibling, Router)
    assert [one.state for one in sibling.status()] == ["open", "open"]
    assert sibling is asked.connection.with_model("large")


def test_a_list_that_is_changed_is_another_route(server: OpenAIServer) -> None:
    asked = route(server, "small", "large")
    assert asked.invoke("hi").response_metadata["model_name"] == "small"
    assert asked.connection is asked.connection
    assert isinstance(asked.backend, list)
    asked.backend.reverse()
    assert asked.invoke("hi").response_metadata["model_name"] == "large"


def test_profile_and_counts_hold_at_every_target(server: OpenAIServer) -> None:
    groq = connect("groq", model="gpt-oss-20b", api_key=KEY)
    local = connect("llama_cpp")
    asked = ChatLlama(backend=[groq, local])
    assert asked.profile is not None
    assert asked.profile["tool_calling"] is True
    assert asked.profile["max_input_tokens"] == local.capabilities.context_window
    alone = [ChatLlama(backend=one).get_num_tokens("Ein langer Satz, in ganz anderen Worten.") for one in (groq, local)]
    assert asked.get_num_tokens("Ein langer Satz, in ganz anderen Worten.") == max(alone)
    assert asked.get_num_tokens_from_messages([AIMessage("hi")]) > 1


# --- keeping it ----------------------------------------------------------------------------------------------------


def test_identity_is_that_of_the_targets_in_order(server: OpenAIServer, other: OpenAIServer) -> None:
    identities = [
        ChatLlama(backend=backend)._get_llm_string()
        for backend in (
            [place(server), place(other)],
            [place(other), place(server)],
            [place(server), place(other, "large")],
            [place(server), place(other, name="tgi")],
            [place(server)],
            place(server),
            [place(server), Router([place(other)])],
        )
    ]
    assert len(set(identities)) == len(identities)
    assert ChatLlama(backend=Router([place(server), place(other)]))._get_llm_string() == identities[0]
    assert not [identity for identity in identities if KEY in identity]


def test_a_cache_tells_routes_apart(server: OpenAIServer) -> None:
    cache = InMemoryCache()
    for _ in range(2):
        for models in (["small", "large"], ["large", "small"], ["small"]):
            assert route(server, *models, cache=cache).invoke("hi").response_metadata["model_name"] == models[0]
    assert len(server.seen) == 3


def test_copies_and_dumps(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = route(server, "error-500", "large", temperature=0.5)
    assert asked.invoke("hi").response_metadata["model_name"] == "large"
    monkeypatch.setenv("VLLM_API_KEY", KEY)
    serializer = JsonPlusSerializer(allowed_msgpack_modules=[("langchain_multillm.chat_model", "ChatLlama")])
    for copied in (
        copy.deepcopy(asked),
        pickle.loads(pickle.dumps(asked)),  # noqa: S301 - our own
        serializer.loads_typed(serializer.dumps_typed(asked)),
        ChatLlama.model_validate_json(asked.model_dump_json()),
    ):
        assert copied._identifying_params == asked._identifying_params
        assert len(copied.invoke("hi").response_metadata["attempts"]) == 2  # it has learned nothing yet
    written = [repr(asked), dumps(asked), str(dumpd(asked)), str(asked.model_dump()), asked.model_dump_json()]
    assert not [text for text in written if KEY in text]


def test_a_route_of_backends_is_copied_with_its_settings(
    server: OpenAIServer, other: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    router = Router([place(server, "error-500"), place(other, "large")], retries=0, deadline=60)
    asked = ChatLlama(backend=router)
    monkeypatch.setenv("VLLM_API_KEY", KEY)
    for copied in (copy.deepcopy(asked), pickle.loads(pickle.dumps(asked))):  # noqa: S301 - our own
        assert copied.invoke("hi").response_metadata["attempts"][-1]["target"] == "vllm/large"
        assert copied.connection._rules == router._rules  # type: ignore[union-attr]
    assert '"backend":["vllm/error-500","vllm/large"]' in asked.model_dump_json()
    assert "vllm/error-500" in repr(asked)
    assert KEY not in repr(asked) + dumps(asked) + str(pickle.dumps(asked))
    named = ChatLlama(backend=Router([place(server), place(other)]), model="large")
    assert '"backend":["vllm","vllm"]' in named.model_dump_json()


def test_alternatives_and_fields(server: OpenAIServer) -> None:
    alternatives = route(server, "small").configurable_alternatives(
        ConfigurableField(id="llm"), safe=route(server, "error-500", "large")
    )
    answer = alternatives.invoke("hi", {"configurable": {"llm": "safe"}})
    assert answer.response_metadata["model_name"] == "large"
    fields = route(server, "error-500", "large").configurable_fields(temperature=ConfigurableField(id="t"))
    assert fields.invoke("hi", {"configurable": {"t": 0.3}}).response_metadata["model_name"] == "large"
    assert server.last["temperature"] == 0.3


async def test_batches(server: OpenAIServer) -> None:
    asked = route(server, "error-500", "large")
    answers = [*asked.batch(["a", "b", "c"]), *await asked.abatch(["d", "e", "f"])]
    assert [answer.text[:11] for answer in answers] == [f"You said: {letter}" for letter in "abcdef"]
    assert {answer.response_metadata["model_name"] for answer in answers} == {"large"}
