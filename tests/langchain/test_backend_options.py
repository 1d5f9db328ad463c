"""The options of a place's own reach it, and what may be a key in them is written down nowhere."""

from __future__ import annotations

import copy
import json
import pickle
import traceback
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.load import dumpd, dumps
from langchain_core.runnables import ConfigurableField
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run
from pydantic import SecretStr, ValidationError

from langchain_multillm import ChatLlama, LlamaEmbeddings
from shared_core import AuthenticationError, ConfigurationError, connect
from tests.own_options import EACH, HARMLESS, SECRET, UPSTREAM, Kind, arrives, played
from tests.places.simulator import KEY
from tests.raw_server import RawServer, Received, completion, serving, whole

BOTH = pytest.mark.parametrize("kind", [ChatLlama, LlamaEmbeddings])
Class = type[ChatLlama] | type[LlamaEmbeddings]


def proxy(server: RawServer, **arguments: Any) -> ChatLlama:
    return ChatLlama(**{"backend": "litellm", "model": "m", "base_url": server.url, **arguments})


def answer(_: Received) -> list[bytes]:
    return [whole(completion(content="Hi"))]


# --- sent ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("place", "name"), EACH)
def test_each_arrives(place: Kind, name: str) -> None:
    own = place.own[name]
    with played(place) as (client, seen):
        where = {"backend": place.name, "api_key": KEY, "http_client": client, "backend_options": {name: own.value}}
        chat = ChatLlama(model=place.models[0].id, **where)
        chat.invoke("Hi")
        list(chat.stream("Hi"))
        if place.embedding and (own.headers or not place.embedding.strict):
            LlamaEmbeddings(model=next(iter(place.embedding.models)), **where).embed_query("Hi")
    assert len(seen) >= 2
    assert [arrives(own, request) for request in seen] == [True] * len(seen)


def test_langchains_metadata_and_tags_are_not_the_gateways() -> None:
    with serving(answer) as server:
        chat = proxy(server, tags=["trace"], metadata={"run": 1}, backend_options={"tags": ["team"]})
        chat.invoke("Hi")
    assert server.received[0].json["metadata"] == {"tags": ["team"]}


def test_keys_may_be_secret_strings() -> None:
    with serving(answer) as server:
        given = {"provider_data": {"a_key": SecretStr(UPSTREAM), "list": [SecretStr("x")]}}
        proxy(server, backend="llama_stack", backend_options=given).invoke("Hi")
    told = {"a_key": UPSTREAM, "list": ["x"]}
    assert json.loads(server.received[0].headers["x-ogx-provider-data"]) == told


def test_they_go_before_the_arguments_of_models_in_process() -> None:
    """Ollama's `keep_alive` may be a text, which the argument of that name may not."""
    where = {"backend": "ollama", "model": "m", "n_ctx": 4096, "keep_alive": 60}
    for given, window in ({"keep_alive": "10m"}, 4096), ({"n_ctx": 2048, "keep_alive": None}, 2048):
        assert ChatLlama(**where, backend_options=given).connection.capabilities.context_window == window


def test_a_change_connects_again() -> None:
    with serving(answer) as server:
        chat = proxy(server)
        for options in ({"tags": ["a"]}, {"tags": ["b"]}, None):
            chat.backend_options = options
            chat.invoke("Hi")
        chat.backend_options = {"metadata": {"tags": ["c"]}}
        chat.invoke("Hi")
        chat.backend_options["metadata"]["tags"].append("d")
        chat.invoke("Hi")
        chat.model_copy(update={"backend_options": {"tags": ["e"]}}).invoke("Hi")
    sent = [received.json.get("metadata", {}).get("tags") for received in server.received]
    assert sent == [["a"], ["b"], None, ["c"], ["c", "d"], ["e"]]


def test_the_same_options_keep_the_connection() -> None:
    chat = ChatLlama(backend="litellm", backend_options={"tags": ["a"]})
    kept = chat.connection
    chat.backend_options = {"tags": ["a"]}
    assert chat.connection is kept


def test_configurable_fields() -> None:
    with serving(answer) as server:
        field = ConfigurableField(id="own")
        chat = proxy(server, backend_options={"tags": ["a"]}).configurable_fields(backend_options=field)
        chat.invoke("Hi")
        chat.invoke("Hi", {"configurable": {"own": {"tags": ["b"]}}})
    assert [received.json["metadata"]["tags"] for received in server.received] == [["a"], ["b"]]


# --- refused -------------------------------------------------------------------------------------------------------


@BOTH
def test_what_the_place_does_not_know(kind: Class) -> None:
    with pytest.raises(ConfigurationError, match="groq takes no option named region"):
        kind(backend="groq", model="m", api_key=KEY, backend_options={"region": UPSTREAM})
    with pytest.raises(ConfigurationError, match="llama_cpp takes no option named region"):
        kind(backend="llama_cpp", backend_options={"region": UPSTREAM})


@BOTH
@pytest.mark.parametrize("name", ["api_key", "base_url", "timeout", "model", "purpose", "batch_size"])
def test_what_every_place_has_is_an_argument(kind: Class, name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name}: not one of a place's own options.*to {kind.__name__}") as e:
        kind(backend="groq", api_key=KEY, backend_options={name: UPSTREAM})
    assert UPSTREAM not in "".join(traceback.format_exception(e.value))


@BOTH
def test_a_backend_that_is_built_has_its_own(kind: Class) -> None:
    with pytest.raises(ConfigurationError, match="backend_options cannot be applied to a backend that is already"):
        kind(backend=connect("litellm"), backend_options={"tags": ["a"]})


@BOTH
def test_what_are_no_options(kind: Class) -> None:
    with pytest.raises(ValidationError) as caught:
        kind(backend="llama_stack", backend_options=UPSTREAM)
    assert UPSTREAM not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("name", ["backend_options", "api_key", "default_headers"])
def test_calls_take_none(name: str) -> None:
    """It would go into the body, key and all."""
    given: dict[str, Any] = {name: "x"}
    with serving(answer) as server:
        for chat, arguments in (proxy(server), given), (proxy(server, model_kwargs=given), {}):
            with pytest.raises(ConfigurationError, match=f"{name}: set this on the model, not on a call"):
                chat.invoke("Hi", **arguments)
    assert server.received == []


# --- keys ----------------------------------------------------------------------------------------------------------


class _Everything(BaseTracer):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def _persist_run(self, run: Run) -> None:
        self.seen.append(str(run.__dict__))


@BOTH
@pytest.mark.parametrize("place", SECRET)
def test_what_is_written_holds_no_key(kind: Class, place: str) -> None:
    made = kind(backend=place, model="m", backend_options=SECRET[place])
    written = [repr(made), str(made), str(made.model_dump()), made.model_dump_json(), str(made.__getstate__())]
    written += [str(pickle.dumps(made)), dumps(made), str(dumpd(made)), repr(made.connection)]
    if isinstance(made, ChatLlama):
        written += [str(made.asdict()), made._get_llm_string(), str(made._get_ls_params()), str(made._serialized)]
    assert not [text for text in written if UPSTREAM in text]
    assert made.backend_options == SECRET[place]


@pytest.mark.parametrize("place", SECRET)
def test_traces_and_errors_hold_no_key(place: str) -> None:
    def refuse(request: Received) -> list[bytes]:
        told = request.headers.get("x-ogx-provider-data", "")
        return [whole({"error": {"message": f"bad key in {told}"}}, 401)]

    tracer = _Everything()
    with serving(refuse) as server:
        chat = proxy(server, backend=place, backend_options=SECRET[place])
        with pytest.raises(AuthenticationError, match="bad key in") as caught:
            chat.invoke("Hi", {"callbacks": [tracer]})
    shown = ["".join(traceback.format_exception(caught.value)), str(caught.value.__dict__), *tracer.seen]
    assert len(shown) == 3
    assert not [text for text in shown if UPSTREAM in text]
    assert UPSTREAM.encode() not in pickle.dumps(caught.value)


@BOTH
@pytest.mark.parametrize("place", SECRET)
def test_pickles_and_dumps_have_the_rest(kind: Class, place: str) -> None:
    made = kind(backend=place, model="m", backend_options=SECRET[place])
    again = pickle.loads(pickle.dumps(made))  # noqa: S301 - our own
    assert again.backend_options == HARMLESS[place]
    assert again.connection.name == place
    assert kind(**json.loads(made.model_dump_json())).backend_options == HARMLESS[place]


def test_pickled_headers_are_filtered_alike() -> None:
    headers = {"x-llamastack-provider-data": UPSTREAM, "x-team": "a"}
    made = ChatLlama(backend="llama_stack", model="m", default_headers=headers)
    assert pickle.loads(pickle.dumps(made)).default_headers == {"x-team": "a"}  # noqa: S301 - our own


@BOTH
@pytest.mark.parametrize("place", SECRET)
def test_deep_copies_keep_them_apart(kind: Class, place: str) -> None:
    made = kind(backend=place, model="m", backend_options=copy.deepcopy(SECRET[place]))
    copied = copy.deepcopy(made)
    assert copied.backend_options == SECRET[place]
    copied.backend_options.clear()
    assert made.backend_options == SECRET[place]


def test_the_cache_keeps_them_apart_but_for_their_keys() -> None:
    with serving(answer) as server:
        for team, key in ("a", "1"), ("b", "1"), ("a", "2"):
            options = {"metadata": {"team": team, "key": key}}
            proxy(server, cache=_CACHE, backend_options=options).invoke("Hi")
    assert [received.json["metadata"]["team"] for received in server.received] == ["a", "b"]


_CACHE = InMemoryCache()
