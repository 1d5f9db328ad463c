"""The Llama Stack row against its last version for Python 3.11, and against what it is called now."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared_core import (
    Backend,
    BackendError,
    ChatRequest,
    ContextLengthError,
    EmbedRequest,
    Event,
    InvalidRequestError,
    JsonSchema,
    Message,
    ModelNotFoundError,
    ServerError,
    TextDelta,
    Tool,
    ToolResultPart,
    connect,
    fold,
)
from tests.halves import Half
from tests.openai_server import OpenAIServer
from tests.servers.llama_cpp_server import LlamaCppServer
from tests.servers.llama_stack import UPSTREAM_MODELS, Stack

SAID = "You said: Hi there Thank you, I will think about it."
WEATHER = Tool(name="weather", parameters={"type": "object", "properties": {"city": {"type": "string"}}})


def at(stack: Stack, model: str | None = None, **options: Any) -> Backend:
    given = {"base_url": stack.url, "max_retries": 0, **options}
    return connect("llama_stack", model=stack.id_of("small") if model is None else model, **given)


def ask(text: str = "Hi there", **options: Any) -> ChatRequest:
    return ChatRequest(messages=(Message(role="user", content=text),), **options)


# --- where it is, and what its models are called -------------------------------------------------------------------


@pytest.mark.parametrize("end", ["", "/", "/v1"])
def test_each_version_is_found_under_the_same_address(stack: Stack, half: Half, end: str) -> None:
    backend = at(stack, base_url=stack.url + end)
    assert half.chat(backend, ask()).text == SAID
    assert fold(half.events(backend, ask())).text == SAID


def test_a_first_call_may_be_a_stream(stack: Stack, half: Half) -> None:
    assert fold(half.events(at(stack), ask())).text == SAID


@pytest.mark.parametrize("spelling", ["small", "up/small"])
def test_ids_with_and_without_their_provider(stack: Stack, half: Half, spelling: str) -> None:
    backend = at(stack, spelling)
    assert fold(half.events(backend, ask())).text == SAID
    assert half.chat(backend, ask()).text == SAID
    assert half.chat(at(stack, spelling), ask()).text == SAID


def test_models(stack: Stack, half: Half) -> None:
    backend: Any = at(stack)
    expected = {*map(stack.id_of, UPSTREAM_MODELS), stack.id_of("demo", "llama"), stack.id_of("minilm", "embed")}
    assert {model.id for model in half.models(backend)} >= expected


# --- what it passes on ---------------------------------------------------------------------------------------------


def test_chat(stack: Stack, half: Half) -> None:
    response = half.chat(at(stack), ask())
    assert (response.text, response.finish.reason, response.finish.backend) == (SAID, "stop", "llama_stack")
    assert response.usage.output == 14


def test_a_stream_ends_well_without_an_end_mark(stack: Stack, half: Half) -> None:
    response = fold(half.events(at(stack), ask()))
    assert (response.text, response.finish.reason) == (SAID, "stop")
    assert response.usage.output == 14


def test_length(stack: Stack, half: Half) -> None:
    for response in (half.chat(at(stack), ask(max_tokens=2)), fold(half.events(at(stack), ask(max_tokens=2)))):
        assert (response.text, response.finish.reason) == ("You said:", "length")


def test_tools(stack: Stack, half: Half) -> None:
    request = ask("What is the weather in Paris?", tools=(WEATHER,))
    for response in (half.chat(at(stack), request), fold(half.events(at(stack), request))):
        (call,) = response.tool_calls
        assert (call.name, json.loads(call.arguments)) == ("weather", {"city": "Paris"})
        assert response.finish.reason == "tool_calls"
        result = Message(role="tool", parts=(ToolResultPart(call_id=call.id, content="sunny"),))
        told = ChatRequest(messages=(*request.messages, response.message, result), tools=(WEATHER,))
        assert half.chat(at(stack), told).text == "The tool says: sunny"


def test_a_schema(stack: Stack, half: Half) -> None:
    schema = {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}
    request = ask("Take 42", response_format=JsonSchema(schema))
    for response in (half.chat(at(stack), request), fold(half.events(at(stack), request))):
        assert json.loads(response.text) == {"number": 42}


def test_a_real_model_behind_it(stack: Stack, half: Half) -> None:
    backend = at(stack, stack.id_of("demo", "llama"))
    request = ask("What is the capital of France?", temperature=0)
    for response in (half.chat(backend, request), fold(half.events(backend, request))):
        assert (response.text, response.finish.reason) == ("The capital of France is Paris.", "stop")


def test_embeddings(stack: Stack, half: Half, minilm_server: LlamaCppServer) -> None:
    request = EmbedRequest(texts=("A cat sat on the mat.", "Interest rates rose again."))
    direct = connect("openai_compatible", model="minilm", base_url=minilm_server.url, api_key=minilm_server.key)
    response = half.embed(at(stack, stack.id_of("minilm", "embed")), request)
    assert response.vectors == [pytest.approx(vector, abs=1e-5) for vector in direct.embed(request).vectors]
    assert response.usage.input in (direct.embed(request).usage.input, None)  # 0.2.12 does not know


def test_keys_for_the_provider_behind_it(stack: Stack, half: Half, upstream: OpenAIServer) -> None:
    keyed = at(stack, provider_data={"vllm_api_token": "tok-of-the-call"})
    for call in (half.chat, half.events):
        call(keyed, ask())
        sent = upstream.seen[-1].headers["authorization"]
        # In 0.2.12 this provider reads none.
        assert sent == ("Bearer tok-of-the-call" if stack.name == "ogx" else "Bearer sk-upstream")
    half.chat(at(stack), ask())
    assert upstream.seen[-1].headers["authorization"] == "Bearer sk-upstream"


# --- what it refuses -----------------------------------------------------------------------------------------------


def alone(stack: Stack, model: str | None = None, **options: Any) -> Backend:
    """OGX closes the connection after an error of its own without saying so, and whoever is next on it is cut off."""
    return at(stack, model, default_headers={"connection": "close"}, **options)


def test_a_model_that_it_has_not(stack: Stack, half: Half) -> None:
    for call in (half.chat, half.events):
        with pytest.raises(ModelNotFoundError, match="Model 'nope' not found"):
            call(alone(stack, "nope"), ask())


def test_a_prompt_too_long(stack: Stack, half: Half) -> None:
    for call in (half.chat, half.events):
        with pytest.raises(ContextLengthError) as caught:
            call(alone(stack, stack.id_of("context-overflow")), ask())
        assert (caught.value.prompt_tokens, caught.value.context_window) == (9000, 8192)


def test_trouble_behind_it(stack: Stack, half: Half) -> None:
    for call in (half.chat, half.events):
        with pytest.raises(ServerError):
            call(alone(stack, stack.id_of("error-503")), ask())


def test_trouble_in_the_middle_of_a_stream(stack: Stack, half: Half) -> None:
    events: list[Event] = []
    with pytest.raises(BackendError):
        half.events(alone(stack, stack.id_of("stream-error")), ask(), events)
    assert [event.text for event in events if isinstance(event, TextDelta)][:1] == ["You"]


def test_an_option_of_the_wrong_type(stack: Stack, half: Half) -> None:
    for call in (half.chat, half.events):
        with pytest.raises(InvalidRequestError, match="valid number"):
            call(alone(stack), ask(extra={"temperature": "warm"}))


def test_a_path_that_no_version_has(stack: Stack, half: Half) -> None:
    for call in (half.chat, half.events):
        with pytest.raises(ModelNotFoundError, match="Not Found"):
            call(alone(stack, base_url=f"{stack.url}/beside/v1"), ask())
