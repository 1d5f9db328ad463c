"""What single servers do beyond the contract, each in the version or with the settings that do it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared_core import (
    BackendError,
    ChatRequest,
    EmbedRequest,
    Grammar,
    InvalidRequestError,
    Message,
    NamedTool,
    ServerError,
    StreamInterruptedError,
    UnsupportedError,
    connect,
)
from shared_core.backends.http import HttpBackend
from tests.halves import Half
from tests.places.contract import CONTRACT
from tests.places.litellm import LiteLLM
from tests.places.llama_cpp_python import LlamaCppPython
from tests.places.llama_server import IN_A_FIELD, LlamaServer
from tests.places.llama_stack import LlamaStack
from tests.places.lmstudio import LMStudio
from tests.places.registry import SIMULATORS, VARIANTS
from tests.places.simulator import KEY
from tests.places.tgi import TGI
from tests.places.under_check import CLOCK, WEATHER, UnderCheck, ask
from tests.places.vllm import VLLM

TOOLS = (WEATHER, CLOCK)


@pytest.mark.parametrize(("name", "variant"), VARIANTS, ids="-".join)
def test_what_a_server_lacks_is_a_check(name: str, variant: str) -> None:
    assert SIMULATORS[name](variant).lacks.keys() <= {check.__name__ for check in CONTRACT}


# --- llama-cpp-python with its own format for tools ----------------------------------------------------------------


@pytest.fixture
def chatml(half: Half) -> Iterator[UnderCheck]:
    with LlamaCppPython("chatml-function-calling") as sim:
        yield UnderCheck(sim, half)


def test_a_named_tool_is_called(chatml: UnderCheck) -> None:
    for response, _ in chatml.both(ask("In Paris", tools=TOOLS, tool_choice=NamedTool(name="get_time"))):
        assert [call.name for call in response.tool_calls] == ["get_time"]


def test_a_choice_that_is_streamed_ends_without_a_word(chatml: UnderCheck) -> None:
    request = ask("In Paris", tools=TOOLS, tool_choice="auto")
    assert chatml.half.chat(chatml.backend(), request).tool_calls
    with pytest.raises(StreamInterruptedError):
        chatml.half.events(chatml.backend(), request)


def test_a_call_cannot_be_required(chatml: UnderCheck) -> None:
    with pytest.raises(ServerError):
        chatml.half.chat(chatml.backend(), ask("In Paris", tools=TOOLS, tool_choice="required"))


# --- vLLM and TGI --------------------------------------------------------------------------------------------------


def test_vllm_without_a_parser_calls_only_what_it_must(half: Half) -> None:
    with VLLM("deaf") as sim:
        at = UnderCheck(sim, half)
        for choice in ("required", NamedTool(name="get_weather")):
            for response, _ in at.both(ask("In Paris", tools=TOOLS, tool_choice=choice)):
                assert [call.name for call in response.tool_calls] == ["get_weather"]
        for call in (half.chat, half.events):
            with pytest.raises(UnsupportedError, match="--enable-auto-tool-choice"):
                call(at.backend(), ask("In Paris", tools=TOOLS))


def test_vllm_makes_vectors_smaller_only_for_models_made_for_that(half: Half) -> None:
    with VLLM() as sim:
        at = UnderCheck(sim, half)
        with pytest.raises(InvalidRequestError, match="matryoshka"):
            half.embed(at.backend(at.embedding_model), EmbedRequest(texts=("a",), dimensions=16))


@pytest.mark.parametrize("version", TGI.variants)
def test_tgi_refuses_the_same_in_a_stream_and_before_it(half: Half, version: str) -> None:
    request = ask(stop=("a", "b", "c", "d", "e"))
    with TGI(version) as sim:
        for call in (half.chat, half.events):
            with pytest.raises(InvalidRequestError, match="supports up to 4 stop sequences") as caught:
                call(UnderCheck(sim, half).backend(), request)
            assert caught.value.status == 422


# --- llama-server and LM Studio ------------------------------------------------------------------------------------


def test_llama_server_takes_a_grammar_or_tools(half: Half) -> None:
    with LlamaServer() as sim, pytest.raises(InvalidRequestError, match="grammar constraints with tools"):
        half.chat(UnderCheck(sim, half).backend(), ask("Hi", tools=TOOLS, response_format=Grammar('root ::= "x"')))


def test_an_old_llama_server_has_a_field_of_its_own_for_errors(half: Half) -> None:
    with LlamaServer("2025") as sim, pytest.raises(ServerError, match=r"Compute error\."):
        half.events(UnderCheck(sim, half).backend(IN_A_FIELD), ask())


def test_lm_studio_is_asked_for_numbers(half: Half) -> None:
    with LMStudio() as sim:
        at = UnderCheck(sim, half)
        response = half.embed(at.backend(at.embedding_model), EmbedRequest(texts=("One text.",)))
        assert any(response.vectors[0])


# --- Llama Stack and LiteLLM ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", LlamaStack.variants)
@pytest.mark.parametrize("model", ["small", "up/small"])
def test_llama_stack_is_asked_its_way_from_the_second_call_on(half: Half, version: str, model: str) -> None:
    with LlamaStack(version) as sim:
        backend = UnderCheck(sim, half).backend(model)
        assert half.chat(backend, ask()).text == half.chat(backend, ask()).text
        calls = len(sim.received)
        assert half.events(backend, ask())
        assert len(sim.received) == calls + 1
        assert sim.last["model"] == ("small" if version == "0.2.12" else "up/small")


@pytest.mark.parametrize("version", ["0.2.12", "0.3"])
def test_llama_stack_may_be_named_with_its_older_path(half: Half, version: str) -> None:
    with LlamaStack(version) as sim:
        url = f"{sim.url}/openai/v1"
        backend = connect("llama_stack", model=sim.models[0].id, base_url=url, api_key=KEY, max_retries=0)
        assert isinstance(backend, HttpBackend)
        assert half.chat(backend, ask()).text
        assert [model.id for model in backend.models()] == [model.id for model in sim.models]
        assert {request.path for request in sim.received} == {
            f"/v1/openai/v1/{name}" for name in ("chat/completions", "models")
        }


def test_llama_stack_reads_keys_for_its_providers_under_either_name(half: Half) -> None:
    with LlamaStack() as sim:
        data = '{"up_api_key": "sk-upstream"}'
        backend = connect("llama_stack", model="up/small", base_url=sim.url, api_key=KEY, provider_data=data)
        assert half.chat(backend, ask()).text
        sent = sim.received[-1].headers
        assert (sent["x-llamastack-provider-data"], sent["x-ogx-provider-data"]) == (data, data)


def test_what_a_litellm_proxy_is_told_of_a_call(half: Half) -> None:
    with LiteLLM() as sim:
        backend = connect("litellm", base_url=sim.url, api_key=KEY, metadata={"team": "a"}, tags=["x"])
        request = ChatRequest(messages=(Message(role="user", content="Hi"),), extra={"metadata": {"trace": "t"}})
        assert half.chat(backend, request).finish.cost == 4.8e-05
        assert sim.last["metadata"] == {"team": "a", "tags": ["x"], "trace": "t"}


def test_a_virtual_key_that_is_refused_is_not_shown(half: Half) -> None:
    for variant in LiteLLM.variants:
        with LiteLLM(variant) as sim, pytest.raises(BackendError, match="LITELLM_API_KEY") as caught:
            half.chat(UnderCheck(sim, half).backend(key="sk-other-0123456789"), ask())
        assert "sk-other-0123456789" not in str(caught.value)
