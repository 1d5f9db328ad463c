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
    Tool,
    connect,
    fold,
)
from shared_core.wire.openai import OpenAIWire
from tests.halves import Half
from tests.raw_server import RawServer, Received, Step, completion, delta, serving, sse, whole

KEY = "sk-contract-secret-987654"
NEW = Place("new_place", "A new place", "https://new.example/v1", key="NEW_PLACE_KEY", chat_model="x",
            wire=OpenAIWire(names=(("max_tokens", "max_completion_tokens"),)))  # fmt: skip
"""A backend that only this test adds: all it takes is the row."""

CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
USAGE = {"prompt_tokens": 7, "completion_tokens": 3}
TOOL = Tool(name="f", parameters={"type": "object", "properties": {"x": {"type": "integer"}}})


@pytest.fixture(params=[*CATALOG, NEW.name])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setitem(CATALOG, NEW.name, NEW)
    return CATALOG[request.param]


def at(place: Place, server: RawServer) -> Backend:
    return connect(place.name, model="m", api_key=KEY, base_url=server.url, max_retries=0)


def ask(*parts: Any, **options: Any) -> ChatRequest:
    return ChatRequest(messages=(Message(role="user", parts=parts or ("Hi",)),), **options)


def place_answers(request: Received) -> list[Step]:
    body = request.json
    if request.path == "/v1/embeddings":
        vectors = [{"index": i, "embedding": [i, 0.5]} for i, _ in enumerate(body["input"])]
        return [whole({"data": vectors[::-1], "model": "m", "usage": {"prompt_tokens": 2}})]
    message = {"tool_calls": [CALL]} if "tools" in body else {"content": "Hello", "reasoning": "hm"}
    reason = "tool_calls" if "tools" in body else "stop"
    if not body.get("stream"):
        return [whole(completion(reason, USAGE, **message))]
    return sse(delta(role="assistant", content=""), delta(**message), delta(reason), {"choices": [], "usage": USAGE})


def test_chat_is_the_fold_of_stream(place: Place, half: Half) -> None:
    with serving(place_answers) as server:
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
    with serving(place_answers) as server:
        half.chat(at(place, server), request)
        half.events(at(place, server), request)
        for received in server.received:
            body = received.json
            assert received.path == "/v1/chat/completions"
            assert received.headers["authorization"] == f"Bearer {KEY}"
            assert len({"max_tokens", "max_completion_tokens"} & body.keys()) == 1
            assert (body["model"], body["stop"], body["temperature"], body["own"]) == ("m", ["X"], 0.25, 1)
            assert body["messages"][0]["content"][1]["image_url"]["url"] == "data:image/png;base64,cG5n"
            assert body["tools"][0]["function"]["name"] == "f"
            assert body["tool_choice"] == "required"


def test_a_schema_goes_over_the_wire(place: Place, half: Half) -> None:
    schema = {"type": "object", "properties": {"x": {"const": 17}}}
    with serving(place_answers) as server:
        for call in (half.chat, half.events):
            call(at(place, server), ask(response_format=JsonSchema(schema)))
        for received in server.received:
            assert json.dumps(schema) in json.dumps(received.json["response_format"])


def test_embeddings_keep_their_order(place: Place, half: Half) -> None:
    with serving(place_answers) as server:
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
    with serving(lambda _: sse(delta(content="Hel"), done=False)) as server, pytest.raises(StreamInterruptedError):
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
