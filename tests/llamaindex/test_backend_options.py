"""The options of a place's own reach it, and what may be a key in them is written down nowhere."""

from __future__ import annotations

import copy
import json
import pickle
import traceback
from typing import Any

import pytest
from llama_index.core.llms import ChatMessage
from pydantic import SecretStr, ValidationError

from llamaindex_multillm import LlamaEmbedding, LlamaLLM
from shared_core import AuthenticationError, ConfigurationError
from tests.llamaindex.events import recorded
from tests.llamaindex.scripted import Scripted, Vectors
from tests.own_options import EACH, HARMLESS, SECRET, UPSTREAM, Kind, arrives, played
from tests.places.simulator import KEY
from tests.raw_server import RawServer, Received, completion, serving, whole

BOTH = pytest.mark.parametrize("kind", [LlamaLLM, LlamaEmbedding])
Class = type[LlamaLLM] | type[LlamaEmbedding]


def proxy(server: RawServer, **arguments: Any) -> LlamaLLM:
    return LlamaLLM(**{"backend": "litellm", "model": "m", "base_url": server.url, **arguments})


def answer(_: Received) -> list[bytes]:
    return [whole(completion(content="Hi"))]


# --- sent ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("place", "name"), EACH)
def test_each_arrives(place: Kind, name: str) -> None:
    own = place.own[name]
    with played(place) as (client, seen):
        where = {"backend": place.name, "api_key": KEY, "http_client": client, "backend_options": {name: own.value}}
        llm = LlamaLLM(**{"model": place.models[0].id, **where})
        llm.complete("Hi")
        list(llm.stream_chat([ChatMessage("Hi")]))
        if place.embedding and (own.headers or not place.embedding.strict):
            LlamaEmbedding(**{"model": next(iter(place.embedding.models)), **where}).get_text_embedding("Hi")
    assert len(seen) >= 2
    assert [arrives(own, request) for request in seen] == [True] * len(seen)


def test_keys_may_be_secret_strings() -> None:
    with serving(answer) as server:
        given = {"provider_data": {"a_key": SecretStr(UPSTREAM), "list": [SecretStr("x")]}}
        proxy(server, backend="llama_stack", backend_options=given).complete("Hi")
    told = {"a_key": UPSTREAM, "list": ["x"]}
    assert json.loads(server.received[0].headers["x-ogx-provider-data"]) == told


def test_they_go_before_the_arguments_of_models_in_process() -> None:
    """Ollama's `keep_alive` may be a text, which the argument of that name may not."""
    where = {"backend": "ollama", "model": "m", "n_ctx": 4096, "keep_alive": 60}
    for given, window in ({"keep_alive": "10m"}, 4096), ({"n_ctx": 2048, "keep_alive": None}, 2048):
        assert LlamaLLM(**where, backend_options=given).metadata.context_window == window


def test_a_change_connects_again() -> None:
    with serving(answer) as server:
        llm = proxy(server)
        for options in ({"tags": ["a"]}, {"tags": ["b"]}, None):
            llm.backend_options = options
            llm.complete("Hi")
        llm.backend_options = {"metadata": {"tags": ["c"]}}
        llm.complete("Hi")
        llm.backend_options["metadata"]["tags"].append("d")
        llm.complete("Hi")
        llm.model_copy(update={"backend_options": {"tags": ["e"]}}).complete("Hi")
    sent = [received.json.get("metadata", {}).get("tags") for received in server.received]
    assert sent == [["a"], ["b"], None, ["c"], ["c", "d"], ["e"]]


def test_the_same_options_keep_the_connection() -> None:
    llm = LlamaLLM(backend="litellm", backend_options={"tags": ["a"]})
    kept = llm._place
    llm.backend_options = {"tags": ["a"]}
    assert llm._place is kept


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
    built = Scripted() if kind is LlamaLLM else Vectors()
    with pytest.raises(ConfigurationError, match="backend_options, timeout: a backend object brings its own"):
        kind(backend=built, timeout=3, backend_options={"tags": ["a"]})


@BOTH
def test_what_are_no_options(kind: Class) -> None:
    with pytest.raises(ValidationError) as caught:
        kind(backend="llama_stack", backend_options=UPSTREAM)
    assert UPSTREAM not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("name", ["backend_options", "api_key", "default_headers", "async_http_client"])
def test_calls_take_none(name: str) -> None:
    """It would go into the body, key and all."""
    given: dict[str, Any] = {name: "x"}
    with serving(answer) as server:
        for llm, options in (proxy(server), given), (proxy(server, additional_kwargs=given), {}):
            with pytest.raises(ConfigurationError, match=f"{name}: set this on the LLM, not on a call"):
                llm.complete("Hi", **options)
    assert server.received == []


# --- keys ----------------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("place", SECRET)
def test_what_is_written_holds_no_key(kind: Class, place: str) -> None:
    made = kind(backend=place, model="m", backend_options=SECRET[place])
    written = [repr(made), str(made), str(made.to_dict()), made.to_json(), str(made.to_payload())]
    written += [str(made.model_dump()), made.model_dump_json(), str(made.__getstate__()), str(pickle.dumps(made))]
    written.append(repr(made._place))
    assert not [text for text in written if UPSTREAM in text]
    assert made.backend_options == SECRET[place]


@pytest.mark.parametrize("place", SECRET)
def test_events_and_errors_hold_no_key(place: str) -> None:
    def refuse(request: Received) -> list[bytes]:
        told = request.headers.get("x-ogx-provider-data", "")
        return [whole({"error": {"message": f"bad key in {told}"}}, 401)]

    with serving(refuse) as server, recorded() as recorder:
        llm = proxy(server, backend=place, backend_options=SECRET[place])
        with pytest.raises(AuthenticationError, match="bad key in") as caught:
            llm.chat([ChatMessage("Hi")])
    assert recorder.kinds["LLMChatStartEvent"] == 1
    shown = [recorder.text, "".join(traceback.format_exception(caught.value)), str(caught.value.__dict__)]
    assert not [text for text in shown if UPSTREAM in text]
    assert UPSTREAM.encode() not in pickle.dumps(caught.value)


@BOTH
@pytest.mark.parametrize("place", SECRET)
def test_what_is_restored_has_the_rest(kind: Class, place: str) -> None:
    made = kind(backend=place, model="m", backend_options=SECRET[place])
    for again in (pickle.loads(pickle.dumps(made)), kind.from_dict(made.to_dict())):  # noqa: S301 - our own
        assert again.backend_options == HARMLESS[place]
        assert again._place.name == place


@BOTH
@pytest.mark.parametrize("place", SECRET)
def test_deep_copies_keep_them_apart(kind: Class, place: str) -> None:
    made = kind(backend=place, model="m", backend_options=copy.deepcopy(SECRET[place]))
    copied = copy.deepcopy(made)
    assert copied.backend_options == SECRET[place]
    assert copied._place is made._place
    copied.backend_options.clear()
    assert made.backend_options == SECRET[place]
