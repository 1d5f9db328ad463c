"""The LiteLLM row against a real proxy: what it passes on, what it adds in headers, whom it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared_core import (
    AuthenticationError,
    Backend,
    BillingError,
    ChatRequest,
    ContextLengthError,
    EmbedRequest,
    Event,
    InvalidRequestError,
    Message,
    ModelNotFoundError,
    NamedTool,
    RateLimitError,
    ServerError,
    TextDelta,
    Tool,
    ToolResultPart,
    connect,
    fold,
)
from tests.halves import Half
from tests.openai_server import OpenAIServer, vector
from tests.servers.litellm_proxy import INPUT_PRICE, OUTPUT_PRICE, LiteLLMProxy

SAID = "You said: Hi there Thank you, I will think about it."
WEATHER = Tool(name="weather", parameters={"type": "object", "properties": {"city": {"type": "string"}}})


def at(proxy: LiteLLMProxy, model: str = "small", **options: Any) -> Backend:
    given = {"api_key": "sk-virtual-good", "base_url": proxy.url, "max_retries": 0, **options}
    return connect(f"litellm/{model}", **given)


def ask(text: str = "Hi there", **options: Any) -> ChatRequest:
    return ChatRequest(messages=(Message(role="user", content=text),), **options)


# --- what it passes on ---------------------------------------------------------------------------------------------


def test_chat(proxy: LiteLLMProxy, half: Half) -> None:
    response = half.chat(at(proxy), ask())
    assert (response.text, response.finish.reason) == (SAID, "stop")
    assert (response.finish.backend, response.finish.model) == ("litellm", "small")
    assert response.usage.total is not None


def test_a_stream_with_its_usage(proxy: LiteLLMProxy, half: Half) -> None:
    whole, streamed = half.chat(at(proxy), ask()), fold(half.events(at(proxy), ask()))
    assert (streamed.text, streamed.finish.reason) == (SAID, "stop")
    assert (streamed.usage.input, streamed.usage.output) == (whole.usage.input, whole.usage.output)
    assert whole.usage.output == 14


def test_a_real_model_behind_it(proxy: LiteLLMProxy, half: Half) -> None:
    request = ask("What is the capital of France?", temperature=0)
    assert half.chat(at(proxy, "demo"), request).text == "The capital of France is Paris."
    streamed = fold(half.events(at(proxy, "demo"), request))
    assert (streamed.text, streamed.finish.reason) == ("The capital of France is Paris.", "stop")


def test_tools(proxy: LiteLLMProxy, half: Half) -> None:
    request = ask("What is the weather in Paris?", tools=(WEATHER,))
    for response in (half.chat(at(proxy), request), fold(half.events(at(proxy), request))):
        (call,) = response.tool_calls
        assert (call.name, json.loads(call.arguments)) == ("weather", {"city": "Paris"})
        assert response.finish.reason == "tool_calls"
        result = Message(role="tool", parts=(ToolResultPart(call_id=call.id, content="sunny"),))
        told = ChatRequest(messages=(*request.messages, response.message, result), tools=(WEATHER,))
        assert half.chat(at(proxy), told).text == "The tool says: sunny"


def test_a_named_tool(proxy: LiteLLMProxy, half: Half) -> None:
    other = Tool(name="other")
    request = ask("Rome?", tools=(other, WEATHER), tool_choice=NamedTool(name="weather"))
    assert [call.name for call in half.chat(at(proxy), request).tool_calls] == ["weather"]


def test_reasoning(proxy: LiteLLMProxy, half: Half) -> None:
    for response in (half.chat(at(proxy, "reasoning"), ask()), fold(half.events(at(proxy, "reasoning"), ask()))):
        assert (response.reasoning, response.text) == ("The user wants an answer. I have one.", SAID)


def test_embeddings(proxy: LiteLLMProxy, half: Half) -> None:
    texts = ("one", "two words", "three")
    response = half.embed(at(proxy, "embedder"), EmbedRequest(texts=texts))
    expected = [vector(text, len(response.vectors[0])) for text in texts]
    assert response.vectors == [pytest.approx(numbers, abs=1e-6) for numbers in expected]
    assert response.usage.input == 4


@pytest.mark.parametrize("model", ["anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-flash"])
def test_ids_with_a_slash_arrive_as_they_are(proxy: LiteLLMProxy, half: Half, model: str) -> None:
    for backend in (at(proxy, model), at(proxy).with_model(model)):
        finish = half.chat(backend, ask()).finish
        assert (backend.model, finish.model, finish.metadata["x-litellm-model-group"]) == (model, model, model)


def test_models(proxy: LiteLLMProxy, half: Half) -> None:
    backend: Any = at(proxy)
    listed = {model.id: model for model in half.models(backend)}
    assert {"small", "priced", "embedder", "demo", "anthropic/claude-sonnet-4-5"} <= listed.keys()


# --- what it adds --------------------------------------------------------------------------------------------------


def test_what_an_answer_cost(proxy: LiteLLMProxy, half: Half) -> None:
    priced = at(proxy, "priced")
    for response in (half.chat(priced, ask()), fold(half.events(priced, ask()))):
        usage = response.usage
        assert usage.input is not None
        assert usage.output is not None
        assert response.finish.cost == pytest.approx(usage.input * INPUT_PRICE + usage.output * OUTPUT_PRICE)


def test_its_headers(proxy: LiteLLMProxy, half: Half, upstream: OpenAIServer) -> None:
    for finish in (half.chat(at(proxy), ask()).finish, fold(half.events(at(proxy), ask())).finish):
        metadata = finish.metadata
        assert finish.request_id == metadata["x-litellm-call-id"]
        assert metadata["x-litellm-model-group"] == "small"
        assert metadata["x-litellm-model-api-base"] == upstream.url
        assert metadata["x-litellm-model-id"]
        assert float(metadata["x-litellm-response-duration-ms"]) > 0
        assert float(metadata["x-litellm-overhead-duration-ms"]) > 0
        assert (metadata["x-litellm-attempted-retries"], metadata["x-litellm-attempted-fallbacks"]) == ("0", "0")


def test_metadata_and_tags_are_its_own(proxy: LiteLLMProxy, half: Half, upstream: OpenAIServer) -> None:
    backend = at(proxy, metadata={"team": "a"}, tags=["blue"])
    assert half.chat(backend, ask()).text == SAID
    assert "metadata" not in upstream.last


# --- whom it refuses -----------------------------------------------------------------------------------------------


def refused(call: Any, backend: Any, request: ChatRequest, kind: type[Exception], match: str | None = None) -> Any:
    with pytest.raises(kind, match=match) as caught:
        call(backend, request)
    return caught.value


def test_a_virtual_key_that_it_does_not_know(proxy: LiteLLMProxy, half: Half) -> None:
    unknown = at(proxy, api_key="sk-virtual-unknown")
    for call in (half.chat, half.events):
        error = refused(call, unknown, ask(), AuthenticationError, "Invalid proxy server token")
        assert (error.status, error.code) == (401, "401")
        assert "sk-virtual-unknown" not in repr(error)


def test_a_key_that_has_spent_its_budget(proxy: LiteLLMProxy, half: Half, name_of_half: str) -> None:
    poor = at(proxy, "priced", api_key=f"sk-virtual-poor-{name_of_half}")
    assert half.chat(poor, ask()).finish.cost
    with pytest.raises(BillingError, match="Budget has been exceeded") as caught:
        ask_again(half, poor, 100)  # what a call cost is counted a little after it
    assert caught.value.failover
    refused(half.events, poor, ask(), BillingError, "Budget has been exceeded")


def test_a_key_that_asks_too_often(proxy: LiteLLMProxy, half: Half, name_of_half: str) -> None:
    slow = at(proxy, api_key=f"sk-virtual-slow-{name_of_half}")
    with pytest.raises(RateLimitError, match="Rate limit exceeded") as caught:
        ask_again(half, slow, 3)  # a minute may end between two
    assert 0 < (caught.value.retry_after or 0) <= 60


def ask_again(half: Half, backend: Backend, times: int) -> None:
    for _ in range(times):
        half.chat(backend, ask())


def test_a_model_that_it_has_not(proxy: LiteLLMProxy, half: Half) -> None:
    for call in (half.chat, half.events):
        refused(call, at(proxy, "nope"), ask(), ModelNotFoundError, "no healthy deployments")


def test_a_prompt_too_long(proxy: LiteLLMProxy, half: Half) -> None:
    for call in (half.chat, half.events):
        error = refused(call, at(proxy, "context-overflow"), ask(), ContextLengthError)
        assert (error.prompt_tokens, error.context_window) == (9000, 8192)
    refused(half.chat, at(proxy, "demo"), ask("word " * 600), ContextLengthError)


@pytest.mark.parametrize(("model", "kind"), [("error-429", RateLimitError), ("error-503", ServerError)])
def test_trouble_behind_it(proxy: LiteLLMProxy, half: Half, model: str, kind: type[Exception]) -> None:
    for call in (half.chat, half.events):
        refused(call, at(proxy, model), ask(), kind, "as asked for")


def test_trouble_in_the_middle_of_a_stream(proxy: LiteLLMProxy, half: Half) -> None:
    events: list[Event] = []
    with pytest.raises(ServerError, match="the engine fell over"):
        half.events(at(proxy, "stream-error"), ask(), events)
    assert [event.text for event in events if isinstance(event, TextDelta)][:1] == ["You"]


def test_an_option_that_is_none(proxy: LiteLLMProxy, half: Half) -> None:
    error = refused(half.chat, at(proxy), ask(extra={"bogus": 1}), InvalidRequestError, "bogus")
    assert not error.failover
