"""From names to backends, without a network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import shared_core
from shared_core import (
    CATALOG,
    Backend,
    ChatBackend,
    ConfigurationError,
    EmbedBackend,
    MissingKeyError,
    RetiredModelWarning,
    UnknownBackendError,
    connect,
    find_backend_name,
)


@pytest.fixture(autouse=True)
def groq_and_together_have_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "sk-g")
    monkeypatch.setenv("TOGETHER_API_KEY", "sk-t")


def where(backend: Backend) -> tuple[str, str]:
    return backend.name, backend.model


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, ("together", "openai/gpt-oss-120b")),
        ({"backend": "groq"}, ("groq", "openai/gpt-oss-120b")),
        ({"backend": "GROQ", "model": "x"}, ("groq", "x")),
        ({"backend": "groq/gpt-oss-20b"}, ("groq", "openai/gpt-oss-20b")),
        ({"model": "groq/gpt-oss-20b"}, ("groq", "openai/gpt-oss-20b")),
        ({"model": "together_ai/x/y"}, ("together", "x/y")),
        ({"model": "openai/gpt-oss-20b"}, ("together", "openai/gpt-oss-20b")),
        ({"model": "some-model"}, ("together", "some-model")),
        ({"backend": "groq", "model": "groq/gpt-oss-20b"}, ("groq", "openai/gpt-oss-20b")),
        ({"backend": "groq", "model": "openai/gpt-oss-20b"}, ("groq", "openai/gpt-oss-20b")),
        ({"backend": "litellm", "model": "groq/gpt-oss-20b"}, ("litellm", "groq/gpt-oss-20b")),
        ({"backend": "litellm", "model": "litellm/odd"}, ("litellm", "litellm/odd")),
        ({"backend": "litellm"}, ("litellm", "gpt-4o")),
        ({"model": "litellm/anthropic/claude-x"}, ("litellm", "anthropic/claude-x")),
        ({"backend": "lm-studio", "model": "q"}, ("lmstudio", "q")),
        ({"backend": "together", "purpose": "embedding"}, ("together", "BAAI/bge-base-en-v1.5")),
    ],
)
@pytest.mark.filterwarnings("ignore::shared_core.RetiredModelWarning")
def test_names(arguments: dict[str, Any], expected: tuple[str, str]) -> None:
    assert where(connect(**arguments)) == expected


@pytest.mark.parametrize("name", ["llama-cpp", "llama_cpp", "LLAMA.CPP", "llamacpp"])
def test_spellings_of_the_local_backend(name: str) -> None:
    assert find_backend_name(name) == "llama_cpp"


def test_an_alias_belongs_to_one_backend() -> None:
    names = [name for place in CATALOG.values() for name in (place.name, *place.aliases)]
    assert len(names) == len(set(names))
    assert all(find_backend_name(alias) == place.name for place in CATALOG.values() for alias in place.aliases)
    assert find_backend_name("openai") is None, "it is a prefix of model ids"


def test_another_model_of_the_same_place_may_name_the_place_again() -> None:
    groq = connect("groq")
    assert groq.with_model("gpt-oss-20b").model == "openai/gpt-oss-20b"
    assert groq.with_model("groq/gpt-oss-20b").model == "openai/gpt-oss-20b"
    assert connect("litellm").with_model("litellm/odd").model == "litellm/odd"


def test_a_model_in_both_places_is_one_too_many() -> None:
    with pytest.raises(ConfigurationError, match="names a model already"):
        connect("groq/gpt-oss-20b", model="x")


def test_unknown_backends_get_the_list_and_a_guess() -> None:
    with pytest.raises(UnknownBackendError, match=r"Did you mean 'fireworks'\? Known backends: bedrock, .*llama_cpp"):
        connect("firewroks")
    with pytest.raises(UnknownBackendError, match=r"backend 'zzz'\. Known"):
        connect("zzz/model")


def test_missing_keys_name_the_variable_and_what_works(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingKeyError, match=r"FIREWORKS_API_KEY.*groq \(GROQ_API_KEY is set\).*ollama \(if it runs"):
        connect("fireworks")
    monkeypatch.setenv("FIREWORKS_API_KEY", "  ")
    with pytest.raises(MissingKeyError):
        connect("fireworks")


def test_a_backend_reads_its_own_key_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    for name in ("fireworks", "cerebras"):
        with pytest.raises(MissingKeyError):
            connect(name)


@pytest.mark.parametrize("key", ["sk-\u00e9", "sk-1\nsk-2", "a\x00b"])
def test_a_broken_key_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        connect("groq", api_key=key)
    assert key not in str(caught.value)
    assert "copy it again" in str(caught.value)


@pytest.mark.parametrize("name", ["vllm", "llama_stack", "openai_compatible"])
def test_places_that_serve_what_their_operator_chose(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"no default chat model: pass model=\.\.\. "):
        connect(name)
    assert where(connect(name, model="m")) == (name, "m")


def test_a_place_without_embeddings_says_so() -> None:
    with pytest.raises(ConfigurationError, match="no default embedding model"):
        connect("groq", purpose="embedding")


@pytest.mark.parametrize(
    ("name", "variable", "value", "url"),
    [
        ("ollama", None, None, "http://localhost:11434"),
        ("ollama", "OLLAMA_HOST", "0.0.0.0", "http://127.0.0.1:11434"),
        ("ollama", "OLLAMA_HOST", ":99", "http://127.0.0.1:99"),
        ("ollama", "OLLAMA_HOST", "box:99", "http://box:99"),
        ("ollama", "OLLAMA_HOST", "http://box:99/", "http://box:99"),
        ("ollama", "OLLAMA_HOST", "http://box:99/v1", "http://box:99"),
        ("ollama", "OLLAMA_HOST", "https://box/", "https://box"),
        ("ollama", "OLLAMA_HOST", "https://box/prefix/v1", "https://box/prefix"),
        ("ollama", "OLLAMA_HOST", "https://box/prefix", "https://box/prefix"),
        ("ollama", "OLLAMA_HOST", "http://api", "http://api"),
        ("ollama", "OLLAMA_HOST", "https://ollama.com/api", "https://ollama.com"),
        ("openai_compatible", "OPENAI_COMPATIBLE_BASE_URL", "box:11434", "http://box:11434/v1"),
        ("litellm", None, None, "http://localhost:4000/v1"),
        ("bedrock", None, None, "https://bedrock-mantle.us-east-1.api.aws/v1"),
        ("bedrock", "AWS_REGION", "eu-west-1", "https://bedrock-mantle.eu-west-1.api.aws/v1"),
    ],
)  # fmt: skip
def test_urls(monkeypatch: pytest.MonkeyPatch, name: str, variable: str | None, value: str | None, url: str) -> None:
    if variable and value:
        monkeypatch.setenv(variable, value)
    assert connect(name, model="m", api_key="k").base_url == url  # type: ignore[attr-defined]


def test_a_url_of_the_callers() -> None:
    def url(name: str, given: str) -> str:
        return str(connect(name, api_key="k", base_url=given).base_url)  # type: ignore[attr-defined]

    assert url("groq", "https://proxy/groq/") == "https://proxy/groq"
    assert url("groq", "https://proxy") == "https://proxy"
    assert url("groq", "https://proxy/v1/chat/completions") == "https://proxy/v1"
    assert url("litellm", "http://gate:4000") == "http://gate:4000/v1"


def test_options_nobody_takes() -> None:
    with pytest.raises(ConfigurationError, match=r"groq takes no option named n_ctx, nonsense\. It takes: api_key"):
        connect("groq", n_ctx=8, nonsense=1)
    with pytest.raises(ConfigurationError, match="must be above 0"):
        connect("groq", timeout=0)
    with pytest.raises(ConfigurationError, match="max_retries=-1"):
        connect("groq", max_retries=-1)
    assert connect("groq", n_ctx=None, timeout=None).name == "groq"


def test_what_is_connected_satisfies_the_protocols() -> None:
    assert isinstance(connect("groq"), ChatBackend)
    assert isinstance(connect("groq"), EmbedBackend)


def test_capabilities_are_those_of_the_model_under_those_of_the_place() -> None:
    known = connect("groq", model="gpt-oss-120b").capabilities
    assert (known.tools, known.json_schema, known.context_window) == (True, True, 131_072)
    assert known.json_schema_with_tools is False
    unknown = connect("groq", model="mystery").capabilities
    assert (unknown.tools, unknown.context_window, unknown.json_schema_with_tools) == (None, None, False)
    assert connect("ollama").capabilities.tool_choice is True


def test_a_retired_model_warns_and_is_still_sent() -> None:
    with pytest.warns(RetiredModelWarning, match=r"together retired 'meta-llama/Llama-3\.3-70B-Instruct-Turbo'"):
        backend = connect("together", model="llama-3.3-70b")
    assert backend.model == "meta-llama/Llama-3.3-70B-Instruct-Turbo"


def test_backends_of_other_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "stranger-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: stranger\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[multillm.backends]\nstranger = stranger_backend:Stranger\n")
    (tmp_path / "stranger_backend.py").write_text(
        "class Stranger:\n    def __init__(self, **options):\n        self.options = options\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    made = connect("stranger/some-model", timeout=3)
    assert made.options == {"model": "some-model", "timeout": 3}  # type: ignore[attr-defined]
    with pytest.raises(UnknownBackendError, match="stranger"):
        connect("strangr")


def test_the_package_is_lazy_and_its_names_are_all_there() -> None:
    program = (
        "import sys, shared_core; shared_core.ChatRequest; "
        "print([m for m in ('httpx', 'llama_cpp', 'numpy', 'openai', 'jinja2') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout == "[]\n"
    assert all(getattr(shared_core, name) is not None for name in shared_core.__all__)
    assert set(shared_core.__all__) <= {*dir(shared_core)}
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        shared_core.nonsense  # noqa: B018
