"""Ollama as a backend: its options, advice and addresses, over a real socket."""

from __future__ import annotations

import math
from typing import Any

import pytest

from shared_core import (
    AuthenticationError,
    BackendError,
    ChatRequest,
    ContextLengthError,
    DroppedOptionWarning,
    EmbedRequest,
    JsonSchema,
    Message,
    ModelNotFoundError,
    ProtocolError,
    TextDelta,
    Tool,
    UnsupportedError,
    connect,
)
from shared_core.backends.advice import warn_dropped
from shared_core.backends.http import HttpBackend
from shared_core.wire.ollama import OllamaWire
from tests.core.ollama import DONE
from tests.core.speech import SPEECHES, TOOL, line, ndjson
from tests.halves import Half
from tests.raw_server import RawServer, Received, Step, completion, serving, whole

HI = ChatRequest(messages=(Message(role="user", content="Hi"),))
ANSWER = SPEECHES[OllamaWire].answer


def ollama(server: RawServer, **options: Any) -> HttpBackend:
    backend = connect("ollama", **{"model": "m", "base_url": server.url, "max_retries": 0, **options})
    assert isinstance(backend, HttpBackend)
    return backend


# --- options -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({}, {"options": {"num_ctx": 8192}}),
        ({"n_ctx": 4096}, {"options": {"num_ctx": 4096}}),
        ({"num_ctx": 4096, "keep_alive": 600}, {"options": {"num_ctx": 4096}, "keep_alive": 600}),
        ({"keep_alive": "10m"}, {"options": {"num_ctx": 8192}, "keep_alive": "10m"}),
        ({"keep_alive": None}, {"options": {"num_ctx": 8192}, "keep_alive": -1}),
        ({"keep_alive": math.inf}, {"options": {"num_ctx": 8192}, "keep_alive": -1}),
        ({"num_ctx": None, "think": False}, {"options": {"num_ctx": 8192}, "think": False}),
    ],
)
def test_its_options_go_into_every_call(half: Half, given: Any, sent: Any) -> None:
    with serving(ANSWER) as server:
        backend = ollama(server, **given)
        half.chat(backend, HI)
        half.events(backend, HI)
        half.embed(backend, EmbedRequest(texts=("a",)))
    for received in server.received:
        assert {name: received.json.get(name) for name in sent} == sent
        assert {"keep_alive", "think"} & received.json.keys() == sent.keys() - {"options"}


def test_what_the_request_says_goes_before_the_options_of_the_backend(half: Half) -> None:
    request = HI.model_copy(update={"temperature": 0.5, "extra": {"options": {"num_ctx": 512}}})
    with serving(ANSWER) as server:
        half.chat(ollama(server, num_ctx=4096), request)
    assert server.received[0].json["options"] == {"num_ctx": 512, "temperature": 0.5}


def test_the_window_that_was_asked_for_is_the_models() -> None:
    def window(model: str, **options: Any) -> int | None:
        return connect("ollama", model=model, **options).capabilities.context_window

    known = window("llama3.1:8b")
    assert window("llama3.1:8b", num_ctx=4096) == window("nobody-knows", n_ctx=4096) == 4096
    assert window("nobody-knows") is None
    assert window("llama3.1:8b", num_ctx=10**9) == (known or 10**9)
    assert window("nobody-knows", num_ctx="many") is None


# --- addresses -----------------------------------------------------------------------------------------------------


def test_its_openai_api_is_still_there(half: Half) -> None:
    with serving(lambda _: [whole(completion(content="x"))]) as server:
        half.chat(connect("openai_compatible", model="m", base_url=f"127.0.0.1:{server.port}"), HI)
    assert server.received[0].path == "/v1/chat/completions"


def test_the_cloud_wants_a_key(half: Half, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: Received) -> list[Step]:
        if "authorization" in request.headers:
            return ANSWER(request)
        return [whole({"error": "unauthorized", "signin_url": "https://ollama.com/connect"}, 401)]

    with serving(answer) as server:
        with pytest.raises(AuthenticationError, match="OLLAMA_API_KEY"):
            half.chat(ollama(server), HI)
        monkeypatch.setenv("OLLAMA_API_KEY", "sk-cloud")
        half.chat(ollama(server), HI)
    assert server.received[1].headers["authorization"] == "Bearer sk-cloud"


# --- what goes wrong -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "text", "kind", "advice"),
    [
        (404, "model 'm' not found", ModelNotFoundError, "not found. Get it with: ollama pull m."),
        (
            400,
            "the prompt is longer than the context length currently available",
            ContextLengthError,
            "a larger num_ctx",
        ),
        (400, '"m" does not support tools', UnsupportedError, '"m" does not support tools.'),
    ],
)
def test_advice(half: Half, status: int, text: str, kind: type[BackendError], advice: str) -> None:
    with serving(lambda _: [whole({"error": text}, status)]) as server:
        for call in (half.chat, half.events):
            with pytest.raises(kind) as caught:
                call(ollama(server), HI)
            assert advice in str(caught.value)


def test_a_model_that_is_only_loaded_is_asked_again(half: Half) -> None:
    def answer(request: Received) -> list[Step]:
        if len(server.received) > 1:
            return ANSWER(request)
        loaded = line({"done": True, "done_reason": "load"})
        return ndjson(loaded) if request.json["stream"] else [whole(loaded)]

    for call in (half.chat, half.events):
        with serving(answer) as server:
            assert call(ollama(server, max_retries=1), HI)
        with serving(answer) as server, pytest.raises(ProtocolError, match="no answer, and says 'load'"):
            call(ollama(server), HI)


def test_a_prompt_that_was_cut_is_told_after_the_answer(half: Half) -> None:
    said = line({**DONE, "prompt_eval_count": 512}, content="x")
    with serving(lambda request: ndjson(said) if request.json["stream"] else [whole(said)]) as server:
        for call in (half.chat, half.events):
            with pytest.raises(ContextLengthError, match="cut to num_ctx") as caught:
                call(ollama(server, num_ctx=512), HI)
            assert caught.value.backend == "ollama"


def test_what_it_does_not_take_is_told_once(half: Half) -> None:
    warn_dropped.cache_clear()
    with serving(ANSWER) as server, pytest.warns(DroppedOptionWarning, match="ollama does not take user: left out"):
        half.chat(ollama(server), HI.model_copy(update={"user": "ann"}))


# --- calls that are written as text --------------------------------------------------------------------------------


def test_a_forced_call(half: Half) -> None:
    request = HI.model_copy(update={"tools": (TOOL,), "tool_choice": "required"})
    with serving(ANSWER) as server:
        response, events = half.chat(ollama(server), request), half.events(ollama(server), request)
    assert (response.text, response.tool_calls[0].name, response.tool_calls[0].arguments) == ("", "f", '{"x":1}')
    assert not [event for event in events if isinstance(event, TextDelta)]


def test_an_answer_in_a_format_beside_tools(half: Half) -> None:
    request = HI.model_copy(update={"tools": (TOOL, Tool(name="g")), "response_format": JsonSchema({"type": "object"})})
    said = line(DONE, content='{"name": "multillm_final_answer", "arguments": {"city": "Paris"}}')
    with serving(lambda request: ndjson(said) if request.json["stream"] else [whole(said)]) as server:
        assert half.chat(ollama(server), request).text == '{"city":"Paris"}'
        assert half.events(ollama(server), request)[0] == TextDelta('{"city":"Paris"}')
