"""What every row of the catalog keeps to; a new backend is one more row."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from shared_core import (
    CATALOG,
    AuthenticationError,
    Backend,
    ChatRequest,
    ContextLengthError,
    EmbedRequest,
    Finish,
    ImagePart,
    JsonSchema,
    Message,
    ModelNotFoundError,
    Place,
    RateLimitError,
    StreamInterruptedError,
    TextPart,
    connect,
    fold,
)
from shared_core.wire.openai import OpenAIWire
from tests.core.speech import PNG, TOOL, speech_of
from tests.halves import Half
from tests.raw_server import RawServer, serving, whole

KEY = "sk-contract-secret-987654"
NEW = Place("new_place", "A new place", "https://new.example/v1", key="NEW_PLACE_KEY", chat_model="x",
            wire=OpenAIWire(names=(("max_tokens", "max_completion_tokens"),)))  # fmt: skip
"""A backend that only this test adds: all it takes is the row."""


@pytest.fixture(params=[*CATALOG, NEW.name])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setitem(CATALOG, NEW.name, NEW)
    return CATALOG[request.param]


def at(place: Place, server: RawServer) -> Backend:
    return connect(place.name, model="m", api_key=KEY, base_url=server.url, max_retries=0)


def ask(*parts: Any, **options: Any) -> ChatRequest:
    return ChatRequest(messages=(Message(role="user", parts=parts or ("Hi",)),), **options)


def test_chat_is_the_fold_of_stream(place: Place, half: Half) -> None:
    with serving(speech_of(place).answer) as server:
        backend = at(place, server)
        for request in (ask(), ask(tools=(TOOL,))):
            response, events = half.chat(backend, request), half.events(backend, request)
            assert fold(events) == response
            assert [isinstance(event, Finish) for event in events].count(True) == 1
            assert isinstance(events[-1], Finish)
            assert (response.finish.backend, response.usage.input, response.usage.output) == (place.name, 7, 3)


def test_what_goes_over_the_wire(place: Place, half: Half) -> None:
    image = ImagePart(data=b"png", media_type="image/png")
    request = ask(TextPart(text="see"), image, tools=(TOOL,), tool_choice="required", max_tokens=9, temperature=0.25,
                  stop=("X",), extra={"own": 1})  # fmt: skip
    with serving(speech_of(place).answer) as server:
        half.chat(at(place, server), request)
        half.events(at(place, server), request)
        for received in server.received:
            assert received.path == speech_of(place).chat
            assert received.headers["authorization"] == f"Bearer {KEY}"
            said = {"model": "m", "temperature": 0.25, "stop": ["X"], "limits": [9], "own": 1}
            assert speech_of(place).read(received.json) == {**said, "images": [PNG], "forced": ["f"], "schema": None}


def test_a_schema_goes_over_the_wire(place: Place, half: Half) -> None:
    schema = {"type": "object", "properties": {"x": {"const": 17}}}
    with serving(speech_of(place).answer) as server:
        for call in (half.chat, half.events):
            call(at(place, server), ask(response_format=JsonSchema(schema)))
        for received in server.received:
            assert speech_of(place).read(received.json)["schema"] == schema


def test_embeddings_keep_their_order(place: Place, half: Half) -> None:
    with serving(speech_of(place).answer) as server:
        response = half.embed(at(place, server), EmbedRequest(texts=("a", "b", "c")))
    assert response.vectors == [[0, 0.5], [1, 0.5], [2, 0.5]]
    assert (response.backend, response.usage.input) == (place.name, 2)


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (401, "bad key", AuthenticationError),
        (404, "no such model", ModelNotFoundError),
        (429, "slow down", RateLimitError),
        (400, "This model's maximum context length is 8192 tokens, you asked for 9000", ContextLengthError),
    ],
)
def test_errors(place: Place, half: Half, status: int, message: str, kind: type[Exception]) -> None:
    with serving(lambda _: [whole({"error": {"message": message}}, status)]) as server:
        for call in (half.chat, half.events):
            with pytest.raises(kind, match=message) as caught:
                call(at(place, server), ask())
            assert caught.value.backend == place.name  # type: ignore[attr-defined]


def test_a_cut_stream_is_never_a_short_answer(place: Place, half: Half) -> None:
    with serving(lambda _: speech_of(place).cut) as server, pytest.raises(StreamInterruptedError):
        half.events(at(place, server), ask())


def test_the_key_is_nowhere_but_in_the_header(place: Place, half: Half) -> None:
    echo = {"error": {"message": f"key {KEY} is wrong", "param": KEY}}
    with serving(lambda _: [whole(echo, 401, {"x-echo": KEY})]) as server:
        backend = at(place, server)
        with pytest.raises(AuthenticationError) as caught:
            half.chat(backend, ask())
    error = caught.value
    shown = [repr(backend), str(backend), repr(error), str(error), repr(error.response), repr(error.__dict__)]
    shown += [repr(pickle.dumps(error)), repr(pickle.dumps(backend)), repr(backend.capabilities)]
    assert not [text for text in shown if KEY in text]
    assert all(KEY.encode() not in received.body for received in server.received)


def test_defaults(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    if place.key:
        monkeypatch.setenv(place.key, KEY)
    for purpose, default in (("chat", place.chat_model), ("embedding", place.embedding_model)):
        if default:
            backend = connect(place.name, purpose=purpose)  # type: ignore[arg-type]
            assert backend.model == default
            assert json.dumps(backend.base_url).strip('"') == place.base_url.replace("{region}", "us-east-1")  # type: ignore[attr-defined]
