"""Servers whose versions differ: the path of the API and the ids of models are found out as they are used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from shared_core import AuthenticationError, ChatRequest, EmbedRequest, Message, ModelNotFoundError, connect
from tests.halves import Half
from tests.raw_server import Received, Step, completion, delta, serving, sse, whole

HI = ChatRequest(messages=(Message(role="user", content="Hi"),))
NO_PATH = whole({"detail": "Not Found"}, 404)


def listing(*ids: str) -> bytes:
    return whole({"data": [{"id": name} for name in ids]})


NATIVE = {"data": [{"identifier": "small", "provider_id": "up", "provider_resource_id": "small", "model_type": "llm"}]}
"""The list of Llama Stack 0.2.12, which has it below /v1, and chat below /v1/openai/v1."""


def stack_0_2(request: Received) -> Iterator[Step]:
    if request.path == "/v1/models":
        yield whole(NATIVE)
    elif request.path != "/v1/openai/v1/chat/completions":
        yield NO_PATH
    elif request.json["model"] != "small":
        yield whole({"detail": f"Invalid value: Model '{request.json['model']}' not found"}, 400)
    else:
        yield whole(completion(content="Hello"))


class Stack:
    """A server with its API below one root, and with some models."""

    def __init__(self, root: str, *models: str) -> None:
        self.root = root
        self.models = models

    def __call__(self, request: Received) -> Iterator[Step]:
        path = request.path.removeprefix(f"/v1{self.root}")
        if not request.path.startswith(f"/v1{self.root}") or path.startswith("/openai"):
            yield NO_PATH
        elif path == "/models":
            yield listing(*self.models)
        elif request.json["model"] not in self.models:
            yield whole({"detail": f"Model '{request.json['model']}' not found"}, 404)
        elif path == "/embeddings":
            yield whole({"data": [{"index": 0, "embedding": [1.0]}]})
        elif request.json.get("stream"):
            yield from sse(delta(content="Hello"), delta("stop"))
        else:
            yield whole(completion(content="Hello"))


def paths(received: list[Received]) -> list[str]:
    return [request.path for request in received]


def test_the_newer_path_is_tried_first_and_no_other(half: Half) -> None:
    with serving(Stack("", "m")) as server:
        half.chat(connect("llama_stack", model="m", base_url=server.url), HI)
    assert paths(server.received) == ["/v1/chat/completions"]


def test_the_older_path_is_found_and_remembered(half: Half) -> None:
    with serving(Stack("/openai/v1", "m")) as server:
        backend = connect("llama_stack", model="m", base_url=server.url, max_retries=0)
        assert half.chat(backend, HI).text == "Hello"
        assert [event.text for event in half.events(backend, HI)[:-1]] == ["Hello"]  # type: ignore[union-attr]
        assert half.embed(backend.with_model("m"), EmbedRequest(texts=("a",))).vectors == [[1.0]]
    assert paths(server.received) == [
        "/v1/chat/completions",
        "/v1/openai/v1/chat/completions",
        "/v1/openai/v1/chat/completions",
        "/v1/openai/v1/embeddings",
    ]


def test_a_stream_finds_the_older_path_too(half: Half) -> None:
    with serving(Stack("/openai/v1", "m")) as server:
        events = half.events(connect("llama_stack", model="m", base_url=server.url, max_retries=0), HI)
    assert [event.text for event in events[:-1]] == ["Hello"]  # type: ignore[union-attr]


def test_a_server_with_neither_path_is_an_error_after_both(half: Half) -> None:
    with serving(lambda _: [NO_PATH]) as server, pytest.raises(ModelNotFoundError):
        half.chat(connect("llama_stack", model="m", base_url=server.url), HI)
    assert len(server.received) == 2


@pytest.mark.parametrize(
    ("asked", "served"),
    [("llama3.2:3b", ("ollama/llama3.2:3b", "groq/llama3")), ("ollama/llama3.2:3b", ("llama3.2:3b", "llama3"))],
)
def test_a_model_is_found_with_and_without_its_provider(half: Half, asked: str, served: tuple[str, ...]) -> None:
    with serving(Stack("", *served)) as server:
        backend = connect("llama_stack", model=asked, base_url=server.url, max_retries=0)
        assert half.chat(backend, HI).text == "Hello"
        assert len(half.events(backend, HI)) == 2
    assert [request.json["model"] for request in server.received if request.body] == [asked, served[0], served[0]]


def test_an_older_server_is_asked_for_a_model_with_its_provider(half: Half) -> None:
    with serving(stack_0_2) as server:
        assert (
            half.chat(connect("llama_stack", model="up/small", base_url=server.url, max_retries=0), HI).text == "Hello"
        )


def test_another_providers_model_of_that_name_is_not_taken(half: Half) -> None:
    with serving(stack_0_2) as server, pytest.raises(ModelNotFoundError, match="'nobody/small' not found"):
        half.chat(connect("llama_stack", model="nobody/small", base_url=server.url, max_retries=0), HI)


def test_a_stream_finds_the_model_too(half: Half) -> None:
    with serving(Stack("", "up/m")) as server:
        assert len(half.events(connect("llama_stack", model="m", base_url=server.url, max_retries=0), HI)) == 2


@pytest.mark.parametrize("served", [("other/x",), ("one/m", "two/m"), ()])
def test_no_model_or_several_is_the_first_error(half: Half, served: tuple[str, ...]) -> None:
    with serving(Stack("", *served)) as server:
        backend = connect("llama_stack", model="m", base_url=server.url, max_retries=0)
        with pytest.raises(
            ModelNotFoundError, match=r"^llama_stack \(m\): HTTP 404: Model 'm' not found\. Check[^.]*\.$"
        ):
            half.chat(backend, HI)
    assert paths(server.received) == ["/v1/chat/completions", "/v1/models"]


def test_a_list_that_cannot_be_read_leaves_the_first_error(half: Half) -> None:
    def script(request: Received) -> list[Step]:
        gone = whole({"detail": "Model 'm' not found"}, 404)
        return [whole({"detail": "no"}, 401) if request.path.endswith("/models") else gone]

    with serving(script) as server, pytest.raises(ModelNotFoundError, match="Model 'm' not found"):
        half.chat(connect("llama_stack", model="m", base_url=server.url, max_retries=0), HI)


def test_other_errors_are_what_they_are(half: Half) -> None:
    with serving(lambda _: [whole({"detail": "no"}, 401)]) as server, pytest.raises(AuthenticationError):
        half.chat(connect("llama_stack", model="m", base_url=server.url), HI)
    assert len(server.received) == 1


def test_places_of_one_surface_do_not_look_further(half: Half) -> None:
    with serving(lambda _: [NO_PATH]) as server, pytest.raises(ModelNotFoundError):
        half.chat(connect("vllm", model="m", base_url=server.url), HI)
    assert len(server.received) == 1


def test_an_error_of_the_list_names_no_model(half: Half) -> None:
    with serving(lambda _: [whole({"detail": "no"}, 401)]) as server:
        backend: Any = connect("llama_stack", model="m", base_url=server.url, max_retries=0)
        with pytest.raises(AuthenticationError, match=r"^llama_stack: HTTP 401"):
            half.models(backend)


def test_a_list_that_lies_below_the_older_path_alone_is_found(half: Half) -> None:
    with serving(Stack("/openai/v1", "m")) as server:
        backend: Any = connect("llama_stack", model="m", base_url=server.url, max_retries=0)
        assert [model.id for model in half.models(backend)] == ["m"]
    assert paths(server.received) == ["/v1/models", "/v1/openai/v1/models"]


def test_a_secret_header_that_is_json_but_no_object_is_hidden_whole(half: Half) -> None:
    def script(request: Received) -> list[Step]:
        return [whole({"detail": f"bad: {request.headers['x-ogx-provider-data']}"}, 401)]

    for data in ('["sk-very-secret"]', "sk-very-secret, not JSON"):
        with serving(script) as server:
            backend = connect("llama_stack", model="m", base_url=server.url, provider_data=data)
            with pytest.raises(AuthenticationError) as caught:
                half.chat(backend, HI)
        assert "sk-very-secret" not in str(caught.value)


def test_keys_for_the_providers_go_in_both_headers_and_nowhere_else(half: Half) -> None:
    data = {"together_api_key": "sk-very-secret"}

    def script(request: Received) -> list[Step]:
        return [whole({"detail": f"bad key in {request.headers['x-ogx-provider-data']}"}, 401)]

    with serving(script) as server:
        backend: Any = connect("llama_stack", model="m", base_url=server.url, provider_data=data)
        with pytest.raises(AuthenticationError) as caught:
            half.chat(backend, HI)
    [request] = server.received
    assert request.headers["x-llamastack-provider-data"] == request.headers["x-ogx-provider-data"]
    assert request.headers["x-ogx-provider-data"] == '{"together_api_key":"sk-very-secret"}'
    assert caught.value.response is not None
    shown = f"{caught.value} {caught.value.response} {backend!r} {backend.__reduce__()!r}"
    assert "sk-very-secret" not in shown
