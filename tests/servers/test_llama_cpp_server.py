"""The rows for any OpenAI server and for llama.cpp's, against llama-cpp-python's server with a real model."""

from __future__ import annotations

import http.client
import json
import math
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from shared_core import (
    AuthenticationError,
    Backend,
    BackendError,
    ChatRequest,
    ContextLengthError,
    EmbedRequest,
    Grammar,
    InvalidRequestError,
    JsonObject,
    JsonSchema,
    Message,
    ModelNotFoundError,
    NamedTool,
    StreamInterruptedError,
    TextDelta,
    Tool,
    ToolCallPart,
    ToolResultPart,
    UnsupportedError,
    Usage,
    connect,
    fold,
)
from tests.halves import Half
from tests.servers.llama_cpp_server import WINDOW, LlamaCppServer

CAPITAL = "What is the capital of France?"
ANSWER = "The capital of France is Paris."
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool(name="get_weather", description="Get the weather", parameters=CITY)
LONG = Grammar("root ::= [a-z]{400}")


@pytest.fixture(params=["openai_compatible", "llama_server"])
def row(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def backend(row: str, demo_server: LlamaCppServer) -> Backend:
    return at(row, demo_server)


def at(row: str, server: LlamaCppServer, **options: Any) -> Backend:
    given = {"api_key": server.key, "base_url": server.url, "max_retries": 0, **options}
    return connect(row, model=server.model, **given)


def alone(row: str, server: LlamaCppServer) -> Backend:
    """After an error of its own the server closes the connection unannounced, and whoever is next on it is cut off."""
    return at(row, server, default_headers={"connection": "close"})


def ask(text: str = CAPITAL, **options: Any) -> ChatRequest:
    return ChatRequest(messages=(Message(role="user", content=text),), **{"temperature": 0, **options})


def test_chat(backend: Backend, half: Half, row: str) -> None:
    response = half.chat(backend, ask())
    assert (response.text, response.finish.reason) == (ANSWER, "stop")
    assert response.usage == Usage(input=18, output=13)
    assert (response.finish.backend, response.finish.model) == (row, "demo")
    assert response.finish.request_id


def test_a_stream_says_the_same_and_its_usage_is_unknown(backend: Backend, half: Half) -> None:
    events = half.events(backend, ask())
    assert len([event for event in events if isinstance(event, TextDelta)]) > 5
    response = fold(events)
    assert (response.text, response.finish.reason) == (ANSWER, "stop")
    assert response.usage == Usage()


def test_stop_and_length(backend: Backend, half: Half) -> None:
    stopped = half.chat(backend, ask(stop=("Paris",)))
    assert (stopped.text.strip(), stopped.finish.reason) == ("The capital of France is", "stop")
    for cut in (half.chat(backend, ask(max_tokens=2)), fold(half.events(backend, ask(max_tokens=2)))):
        assert ANSWER.startswith(cut.text)
        assert cut.finish.reason == "length"


def test_a_seed_repeats_an_answer(backend: Backend, half: Half) -> None:
    noise: dict[str, Any] = {"temperature": 2.0, "extra": {"grammar": "root ::= [a-z]{40}"}}
    first, again, other = (half.chat(backend, ask(seed=seed, **noise)).text for seed in (7, 7, 8))
    assert first == again != other


def test_logprobs(backend: Backend, half: Half) -> None:
    response = half.chat(backend, ask(max_tokens=3, top_logprobs=2))
    assert response.logprobs is not None
    assert "".join(token.token for token in response.logprobs) == response.text
    assert all(len(token.top) == 2 and token.logprob <= 0 for token in response.logprobs)


def test_a_json_object(backend: Backend, half: Half) -> None:
    assert half.chat(backend, ask()).text[0] != "{"
    assert half.chat(backend, ask(response_format=JsonObject(), max_tokens=20)).text[0] == "{"


def test_a_schema(demo_server: LlamaCppServer, half: Half) -> None:
    backend = at("llama_server", demo_server)
    for answer in (
        half.chat(backend, ask(response_format=JsonSchema(CITY))),
        fold(half.events(backend, ask(response_format=JsonSchema(CITY)))),
    ):
        assert json.loads(answer.text).keys() == {"city"}


def test_a_schema_in_openais_form_is_refused(demo_server: LlamaCppServer, half: Half) -> None:
    # With status 500, as all that its own checks find.
    with pytest.raises(InvalidRequestError, match="Input should be 'text' or 'json_object'") as caught:
        half.chat(at("openai_compatible", demo_server), ask(response_format=JsonSchema(CITY)))
    assert caught.value.status == HTTPStatus.INTERNAL_SERVER_ERROR


def test_a_grammar(demo_server: LlamaCppServer, half: Half) -> None:
    grammar = ask(response_format=Grammar('root ::= "yes" | "no"'))
    assert half.chat(at("llama_server", demo_server), grammar).text in ("yes", "no")
    assert fold(half.events(at("llama_server", demo_server), grammar)).text in ("yes", "no")
    with pytest.raises(UnsupportedError, match="GBNF"):
        half.chat(at("openai_compatible", demo_server), grammar)


def test_a_named_tool_is_called(demo_server: LlamaCppServer, half: Half) -> None:
    request = ask("What is the weather in Paris?", tools=(WEATHER,), tool_choice=NamedTool(name="get_weather"),
                  max_tokens=60)  # fmt: skip
    backend = at("openai_compatible", demo_server)
    whole, streamed = half.chat(backend, request), fold(half.events(backend, request))
    for response in (whole, streamed):
        (call,) = response.tool_calls
        assert call.name == "get_weather"
        assert call.arguments.startswith('{"city": "Paris')
    assert whole.tool_calls[0].arguments == streamed.tool_calls[0].arguments
    assert whole.finish.reason == "tool_calls"


def test_tools_where_the_chat_format_has_them(tool_server: LlamaCppServer, half: Half) -> None:
    backend = alone("openai_compatible", tool_server)
    asked = ask("What is the weather in Paris?", tools=(WEATHER,), tool_choice="auto", max_tokens=60)
    named = asked.model_copy(update={"tool_choice": NamedTool(name="get_weather")})
    # "auto" and a stream together are more than it can.
    for response in (half.chat(backend, asked), half.chat(backend, named), fold(half.events(backend, named))):
        (call,) = response.tool_calls
        assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": "Paris"})
        assert response.finish.reason == "tool_calls"


def test_what_a_tool_said_goes_back(demo_server: LlamaCppServer, half: Half) -> None:
    called = ToolCallPart(id="call_1", name="get_weather", arguments='{"city": "Paris"}')
    request = ChatRequest(
        messages=(
            Message(role="user", content="What is the weather in Paris?"),
            Message(role="assistant", parts=(called,)),  # a content of null is refused here
            Message(role="tool", parts=(ToolResultPart(call_id="call_1", content="sunny"),)),
        ),
        tools=(WEATHER,),
        temperature=0,
    )
    assert "sunny" in half.chat(at("openai_compatible", demo_server), request).text


def test_models(backend: Any, half: Half) -> None:
    assert [model.id for model in half.models(backend)] == ["demo"]


def test_a_prompt_too_long(backend: Backend, half: Half) -> None:
    with pytest.raises(ContextLengthError) as caught:
        half.chat(backend, ask("word " * WINDOW, max_tokens=10))
    assert caught.value.context_window == WINDOW
    assert (caught.value.prompt_tokens or 0) > WINDOW


def test_streamed_it_is_an_empty_answer_that_counts_as_none(row: str, demo_server: LlamaCppServer, half: Half) -> None:
    # The server says 200 before it looks, and then nothing.
    with pytest.raises(StreamInterruptedError):
        half.events(alone(row, demo_server), ask("word " * WINDOW))


def test_a_wrong_key(row: str, demo_server: LlamaCppServer, half: Half) -> None:
    for call in (half.chat, half.events):
        with pytest.raises(AuthenticationError, match="Invalid API key") as caught:
            call(at(row, demo_server, api_key="sk-wrong-27182"), ask())
        assert "sk-wrong-27182" not in repr(caught.value)


def test_an_unknown_path(row: str, demo_server: LlamaCppServer, half: Half) -> None:
    with pytest.raises(ModelNotFoundError, match="Not Found"):
        half.chat(at(row, demo_server, base_url=f"{demo_server.url}/beside"), ask())


def test_whoever_leaves_in_the_middle_makes_room_for_the_next(demo_server: LlamaCppServer, half: Half) -> None:
    backend = at("llama_server", demo_server)
    for _ in range(3):
        assert isinstance(half.first_event(backend, ask(response_format=LONG)), TextDelta)
        assert half.chat(backend, ask()).text == ANSWER


def test_a_stream_that_another_request_cuts_short_does_not_end_well(demo_server: LlamaCppServer) -> None:
    # The server sends its end mark, and no finish reason. It has much to say here, to a client that hardly listens:
    # so it still speaks when the other request comes.
    small_buffer = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)]
    with httpx.Client(transport=httpx.HTTPTransport(socket_options=small_buffer)) as client:
        stream = at("llama_server", demo_server, http_client=client).stream(
            ask(response_format=LONG, top_logprobs=20, timeout=60)
        )
        events = [next(stream)]
        with another_request(demo_server) as other:
            events += stream
            assert other.getresponse().status == HTTPStatus.OK
    response = fold(events)
    assert 0 < len(response.text) < 400
    assert response.finish.reason == "unknown"


@contextmanager
def another_request(server: LlamaCppServer) -> Iterator[http.client.HTTPConnection]:
    """A request that is sent, its answer not read yet."""
    place = urlsplit(server.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port)
    body = json.dumps({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4})
    headers = {"authorization": f"Bearer {server.key}", "content-type": "application/json"}
    connection.request("POST", f"{place.path}/chat/completions", body, headers)
    try:
        yield connection
    finally:
        connection.close()


def test_embeddings(row: str, minilm_server: LlamaCppServer, half: Half) -> None:
    texts = ("A cat sat on the mat.", "A dog lay on the rug.", "Interest rates rose again.")
    response = half.embed(at(row, minilm_server), EmbedRequest(texts=texts))
    assert [len(vector) for vector in response.vectors] == [384] * 3
    cat, dog, rates = response.vectors
    assert cosine(cat, dog) > cosine(cat, rates) + 0.1
    assert (response.usage.input or 0) > 15


def test_a_model_that_was_not_loaded_to_embed(backend: Backend, half: Half) -> None:
    with pytest.raises(BackendError, match="embedding=True"):
        half.embed(backend, EmbedRequest(texts=("a",)))


def cosine(one: list[float], other: list[float]) -> float:
    product = sum(x * y for x, y in zip(one, other, strict=True))
    return product / math.hypot(*one) / math.hypot(*other)
