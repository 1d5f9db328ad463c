"""Making, changing, copying and serialising, and where the key may not be seen."""

from __future__ import annotations

import copy
import json
import logging
import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core import Settings
from llama_index.core.llms import ChatMessage
from pydantic import SecretStr, ValidationError

from llamaindex_multillm import LlamaEmbedding, LlamaLLM
from shared_core import BackendError, ConfigurationError, MissingKeyError, UnknownBackendError
from tests.llamaindex.events import recorded
from tests.llamaindex.scripted import Scripted, Vectors

KEY = "sk-very-secret-0123456789"
Kind = type[LlamaLLM] | type[LlamaEmbedding]
BOTH = pytest.mark.parametrize("kind", [LlamaLLM, LlamaEmbedding])


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.endswith(("_API_KEY", "_BASE_URL"))]:
        monkeypatch.delenv(name)


def place(component: LlamaLLM | LlamaEmbedding) -> tuple[str, str]:
    return component._place.name, component._place.model


# --- names ---------------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    "options",
    [
        {"backend": "vllm", "model": "m"},
        {"model": "vllm/m"},
        {"backend": "vllm/m"},
        {"model": "vllm/m", "api_base": "http://localhost:1/v1"},
    ],
)
def test_names(kind: Kind, options: dict[str, Any]) -> None:
    assert place(kind(**options)) == ("vllm", "m")


def test_the_model_may_come_first() -> None:
    assert place(LlamaLLM("vllm/m")) == ("vllm", "m")  # type: ignore[call-arg]
    assert place(LlamaEmbedding("vllm/m")) == ("vllm", "m")  # type: ignore[call-arg]


def test_each_kind_has_its_own_default_model() -> None:
    chat, embedding = LlamaLLM(api_key=KEY), LlamaEmbedding(api_key=KEY)
    assert chat._place.name == embedding._place.name == "together"
    assert chat.metadata.model_name != embedding.model_name


def test_an_embedding_takes_its_model_by_either_name() -> None:
    assert LlamaEmbedding(model_name="vllm/m").model_name == "m"
    assert LlamaEmbedding(model="vllm/m").model_name == "m"


def test_the_options_arrive() -> None:
    llm = LlamaLLM(model="vllm/m", base_url="http://localhost:7/v1", default_headers={"x-team": "a"})
    assert llm.api_base == llm.base_url == "http://localhost:7/v1"
    assert "localhost:7" in repr(llm._place)


@BOTH
def test_a_misspelt_backend_is_said_plainly(kind: Kind) -> None:
    with pytest.raises(UnknownBackendError, match=r"no backend 'gorq'\. Did you mean 'groq'"):
        kind(backend="gorq")


@BOTH
def test_a_missing_key_is_said_plainly(kind: Kind) -> None:
    with pytest.raises(MissingKeyError, match="set the environment variable SAMBANOVA_API_KEY"):
        kind(backend="sambanova")


def test_another_places_key_is_never_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """LlamaIndex's Groq and Together classes send OPENAI_API_KEY to the third party."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(MissingKeyError):
        LlamaLLM(backend="groq")


@BOTH
def test_a_misspelt_argument_is_said_plainly(kind: Kind) -> None:
    with pytest.raises(ConfigurationError, match=f"{kind.__name__} takes no argument 'time_out'.*'timeout'"):
        kind(model="vllm/m", time_out=0)  # type: ignore[call-arg]


def test_a_value_out_of_range() -> None:
    with pytest.raises(ValidationError, match="temperature"):
        LlamaLLM(model="vllm/m", temperature=-1)
    with pytest.raises(ConfigurationError, match="timeout"):
        LlamaLLM(model="vllm/m", timeout=-1)


def test_a_backend_object_brings_its_own_options() -> None:
    assert LlamaLLM(backend=Scripted(), model="other").metadata.model_name == "other"
    with pytest.raises(ConfigurationError, match="api_key, timeout: a backend object brings its own"):
        LlamaLLM(backend=Scripted(), api_key=KEY, timeout=3)


def test_what_is_no_backend() -> None:
    with pytest.raises(ValidationError, match="backend"):
        LlamaLLM(backend=5)


# --- to_dict, pickle, copy -----------------------------------------------------------------------------------------


@BOTH
def test_to_dict_and_back(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fireworks.from_dict(to_dict()) is a TypeError, and the OpenAI family writes its key into the dict."""
    options: dict[str, Any] = (
        {"temperature": 0.3, "max_tokens": 9} if kind is LlamaLLM else {"query_instruction": "q: "}
    )
    made = kind(backend="groq", model="m", api_key=KEY, timeout=5.0, default_headers={"x-key": KEY}, **options)
    data = made.to_dict()
    assert KEY not in json.dumps(data)
    assert data["class_name"] == kind.class_name()
    with pytest.raises(MissingKeyError):
        kind.from_dict(data)
    monkeypatch.setenv("GROQ_API_KEY", "from-the-environment")
    again = kind.from_dict(data)
    assert again.to_dict() == data
    assert place(again) == place(made)
    assert kind.from_json(made.to_json()).to_dict() == data
    assert kind.model_validate(data).to_dict() == data


def test_headers_are_written_unless_they_look_secret() -> None:
    headers = {"x-team": "a", "Authorization": KEY, "x-api-key": KEY}
    made = LlamaLLM(model="vllm/m", default_headers=headers)
    assert made.to_dict()["default_headers"] == {"x-team": "a"}
    assert pickle.loads(pickle.dumps(made)).default_headers == {"x-team": "a"}  # noqa: S301
    assert made.default_headers == headers


def test_class_names_are_unique() -> None:
    assert LlamaLLM.class_name() != LlamaEmbedding.class_name()


def test_a_backend_object_is_written_by_its_name() -> None:
    data = LlamaLLM(backend=Scripted(), temperature=0.3).to_dict()
    assert data["backend"] == "scripted"
    assert LlamaLLM.from_dict(data, backend=Scripted()).temperature == 0.3


@BOTH
def test_pickle(kind: Kind, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("GROQ_API_KEY", KEY)
    made = kind(backend="groq", model="m", api_key=KEY, timeout=5.0)
    text = pickle.dumps(made)
    assert KEY.encode() not in text
    again = pickle.loads(text)  # noqa: S301
    assert (place(again), again.to_dict()) == (place(made), made.to_dict())
    assert caplog.records == []
    monkeypatch.delenv("GROQ_API_KEY")
    with pytest.raises(MissingKeyError):
        pickle.loads(text)  # noqa: S301


def test_pickle_of_a_backend_object() -> None:
    again = pickle.loads(pickle.dumps(LlamaLLM(backend=Scripted(), temperature=0.2)))  # noqa: S301
    assert (again.complete("hi").text, again.temperature) == ("Hello there", 0.2)
    unpicklable = Scripted(lambda request: [])
    with pytest.raises(pickle.PicklingError, match="the backend 'scripted' cannot be pickled"):
        pickle.dumps(LlamaLLM(backend=unpicklable))


@BOTH
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda made: made.model_copy(deep=True)])
def test_copies_share_the_connections(kind: Kind, copied: Callable[[Any], Any]) -> None:
    backend = Scripted() if kind is LlamaLLM else Vectors()
    made = kind(backend=backend)
    assert copied(made)._place is backend
    remote = kind(backend="groq", model="m", api_key=KEY)
    assert copied(remote)._place is remote._place


def test_a_copy_is_a_thing_of_its_own() -> None:
    llm = LlamaLLM(backend=Scripted(), additional_kwargs={"top_k": 1})
    other = copy.deepcopy(llm)
    other.additional_kwargs["top_k"] = 2
    other.model = "other"
    assert (llm.additional_kwargs, llm.metadata.model_name) == ({"top_k": 1}, "scripted-1")
    assert other.metadata.model_name == "other"


# --- changing ------------------------------------------------------------------------------------------------------


def test_attributes_may_change_one_after_the_other() -> None:
    llm = LlamaLLM(backend="vllm", model="m")
    llm.backend = "groq"  # has no key yet
    assert repr(llm) == "LlamaLLM(backend='groq', model='m')"
    llm.api_key = KEY  # type: ignore[assignment]
    assert isinstance(llm.api_key, SecretStr)
    assert place(llm)[0] == "groq"
    assert KEY not in repr(llm)


def test_settings() -> None:
    llm, embedding = LlamaLLM(backend=Scripted()), LlamaEmbedding(backend=Vectors())
    try:
        Settings.llm, Settings.embed_model = llm, embedding
        assert Settings.llm is llm
        assert Settings.embed_model is embedding
    finally:
        Settings._llm = Settings._embed_model = None


def test_a_copy_with_another_model() -> None:
    llm = LlamaLLM(backend="vllm", model="m")
    assert llm.model_copy(update={"model": "n"}).metadata.model_name == "n"
    assert llm.metadata.model_name == "m"


# --- the key -------------------------------------------------------------------------------------------------------


@BOTH
def test_the_key_is_not_shown(kind: Kind) -> None:
    headers = {"authorization": f"Bearer {KEY}"}
    made = kind(backend="groq", model="m", api_key=KEY, default_headers=headers)
    shown = [repr(made), str(made), str(made.to_dict()), str(made.to_payload()), made.to_json(), str(made.model_dump())]
    assert not [text for text in shown if KEY in text]
    assert repr(made).startswith(f"{kind.__name__}(backend='groq', model='m'")


def test_the_url_is_shown_without_what_may_be_a_key() -> None:
    made = LlamaLLM(model="vllm/m", base_url=f"http://me:{KEY}@localhost:1/v1?key={KEY}")
    assert "base_url='http://localhost:1/v1'" in repr(made)
    assert KEY not in repr(made)
    assert KEY not in str(made.to_payload())


@BOTH
@pytest.mark.parametrize(
    "wrong",
    [{"temprature": 1}, {"timeout": "soon"}, {"backend": 5}, {"backend": "gorq"}, {"timeout": -1}, {"n_ctx": 5}],
)
def test_the_key_is_not_in_errors_of_the_constructor(kind: Kind, wrong: dict[str, Any]) -> None:
    with pytest.raises((ValidationError, ConfigurationError)) as caught:
        kind(**{"backend": "groq", "model": "m", "api_key": KEY, "default_headers": {"x-key": KEY}, **wrong})
    shown = [str(caught.value), repr(caught.value), *traceback.format_exception(caught.value)]
    if isinstance(caught.value, ValidationError):
        shown += [str(caught.value.errors()), caught.value.json()]
    assert not [text for text in shown if "very-secret" in text]


def test_the_key_is_not_in_errors_or_events_of_a_call(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    llm = LlamaLLM(backend="groq", model="m", api_key=KEY, base_url="http://127.0.0.1:1/v1", max_retries=0, timeout=2)
    with recorded() as recorder, pytest.raises(BackendError) as caught:
        llm.chat([ChatMessage(content="hi")])
    assert recorder.kinds["LLMChatStartEvent"] == 1
    shown = [
        recorder.text,
        caplog.text,
        *traceback.format_exception(caught.value),
        pickle.dumps(caught.value).decode("latin1"),
    ]
    assert not [text for text in shown if KEY in text]


# --- imports -------------------------------------------------------------------------------------------------------


def test_importing_loads_no_other_framework_and_nothing_heavy() -> None:
    code = (
        "import sys, llama_index.core; before = set(sys.modules);"
        "import llamaindex_multillm;"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}));"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    added, everything = (set(line.split()) for line in run.stdout.splitlines())
    assert not everything & {"langchain", "langchain_core", "langchain_multillm", "llama_cpp", "openai", "litellm"}
    assert not {name for name in added if not name.startswith("_")} - {
        "llamaindex_multillm",
        "shared_core",
        *sys.stdlib_module_names,
    }


def test_making_one_loads_no_llama_cpp() -> None:
    code = (
        "import sys; from llamaindex_multillm import LlamaEmbedding, LlamaLLM;"
        "LlamaLLM('vllm/m'); LlamaEmbedding('vllm/m'); print('llama_cpp' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
