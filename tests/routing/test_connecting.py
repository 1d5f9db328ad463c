"""A list of names becomes a route, and each place gets the options that it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared_core import (
    Backend,
    Capabilities,
    ConfigurationError,
    MissingKeyError,
    ModelFileError,
    Router,
    SkippedTargetWarning,
    UnknownBackendError,
    connect,
    connect_route,
    in_order,
    reachable,
)
from shared_core.backends.http import HttpBackend

KEY = "sk-connecting-0123456789"
OSS = "gpt-oss-20b"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GROQ_API_KEY", "FIREWORKS_API_KEY"):
        monkeypatch.setenv(name, KEY)
    monkeypatch.delenv("TOGETHER_API_KEY", raising=False)
    monkeypatch.delenv("CEREBRAS_API_KEY", raising=False)


def ids(route: Router) -> list[tuple[str, str]]:
    return [(one.name, one.model) for one in route.backends]


def http(backend: Backend) -> HttpBackend:
    assert isinstance(backend, HttpBackend)
    return backend


def test_a_canonical_name_is_resolved_at_each_place() -> None:
    route = connect_route(["groq", "fireworks"], model=OSS)
    assert ids(route) == [("groq", "openai/gpt-oss-20b"), ("fireworks", "accounts/fireworks/models/gpt-oss-20b")]
    assert (route.name, route.model) == ("router", OSS)
    assert route._policy is in_order


def test_names_with_models_and_built_backends_keep_theirs() -> None:
    mine = connect("vllm", model="mine")
    route = connect_route(["groq/llama-3.1-8b", mine, "fireworks"], model=OSS)
    assert ids(route) == [
        ("groq", "llama-3.1-8b-instant"),
        ("vllm", "mine"),
        ("fireworks", "accounts/fireworks/models/gpt-oss-20b"),
    ]
    assert route.model == ", ".join(model for _, model in ids(route))
    assert connect_route(["vllm/mine", mine]).model == "mine"


def test_without_a_model_each_place_has_its_default() -> None:
    usual = [connect(name).model for name in ("groq", "fireworks")]
    assert [one.model for one in connect_route(["groq", "fireworks"]).backends] == usual


def test_a_model_that_no_target_would_take_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="every target of the route has a model already: leave out model="):
        connect_route(["groq/x", connect("vllm", model="y")], model=OSS)


@pytest.mark.parametrize("targets", [[], "groq", ()])
def test_what_is_no_list_of_targets(targets: Any) -> None:
    with pytest.raises(ConfigurationError, match="a route needs a list of targets"):
        connect_route(targets)


@pytest.mark.parametrize("target", [5, ["groq"], None])
def test_what_is_no_target(target: Any) -> None:
    with pytest.raises(ConfigurationError, match="is neither the name of a place nor an object with a backend's"):
        connect_route(["groq", target])


# --- what a machine lacks ------------------------------------------------------------------------------------------


def test_a_place_without_a_key_is_left_out_with_a_warning() -> None:
    with pytest.warns(SkippedTargetWarning, match="goes without together: TOGETHER_API_KEY is not set") as told:
        route = connect_route(["together", "groq"], model=OSS)
    assert ids(route) == [("groq", "openai/gpt-oss-20b")]
    assert len(told) == 1
    assert KEY not in str(told[0].message)


def test_a_model_file_that_is_not_here_is_left_out_too() -> None:
    with pytest.warns(SkippedTargetWarning, match="goes without llama_cpp: .*gpt-oss-20b"):
        assert ids(connect_route(["groq", "llama_cpp"], model=OSS)) == [("groq", "openai/gpt-oss-20b")]


def test_an_error_when_none_is_left() -> None:
    with pytest.raises(MissingKeyError, match="TOGETHER_API_KEY"):
        connect_route(["together"], model=OSS)
    with pytest.raises(MissingKeyError, match=r"no target .* TOGETHER_API_KEY.*; .*CEREBRAS_API_KEY"):
        connect_route(["together", "cerebras"], model=OSS)
    with pytest.raises(ConfigurationError, match="no target of the route can be used here") as caught:
        connect_route(["together", "llama_cpp/no-such-file"])
    assert not isinstance(caught.value, MissingKeyError | ModelFileError)


def test_a_misspelt_name_is_an_error_though_others_are_right() -> None:
    with pytest.raises(UnknownBackendError, match="Did you mean 'groq'"):
        connect_route(["grok", "fireworks"], model=OSS)


# --- options -------------------------------------------------------------------------------------------------------


def test_options_go_to_every_place() -> None:
    route = connect_route(["groq", "fireworks"], model=OSS, timeout=7.0, default_headers={"X-Team": "blue"})
    for one in map(http, route.backends):
        assert one._options.patience.timeout == 7.0
        assert one._options.headers == {"X-Team": "blue"}


def test_the_routes_retries_are_the_only_ones() -> None:
    route = connect_route(["groq", "fireworks"], model=OSS, max_retries=5)
    assert route._rules.retries == 5
    assert [http(one)._options.patience.max_retries for one in route.backends] == [0, 0]
    assert connect_route(["groq"])._rules.retries == Router(["groq"])._rules.retries


@pytest.mark.parametrize("names", [["groq", "ollama/llama3.1"], ["ollama/llama3.1", "llama_cpp"]])
def test_options_of_some_places_go_to_these(names: list[str]) -> None:
    route = connect_route(names, n_ctx=2048, keep_alive=None)
    windows = {one.name: one.capabilities.context_window for one in route.backends}
    assert windows["ollama"] == 2048
    assert windows.get("groq") != 2048
    assert windows.get("llama_cpp", 2048) == 2048


def test_an_option_that_no_target_takes_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no target of the route takes n_ctx: they are groq, fireworks"):
        connect_route(["groq", "fireworks", "groq/x"], n_ctx=5)
    with pytest.raises(ConfigurationError, match="timeout cannot be applied to backends that are already built"):
        connect_route([connect("groq")], timeout=5)


@pytest.mark.parametrize(
    "options", [{"api_key": KEY}, {"base_url": "http://x/v1"}, {"default_headers": {"Authorization": KEY}}]
)
def test_what_belongs_to_one_place_goes_to_no_other(options: dict[str, Any]) -> None:
    with pytest.raises(
        ConfigurationError, match="this belongs to one place, and the route has fireworks, groq"
    ) as told:
        connect_route(["groq", "fireworks"], model=OSS, **options)
    assert KEY not in str(told.value)
    route = connect_route(["groq/a", "groq/b", "llama_cpp", connect("fireworks")], **options)
    assert len(route.backends) == 4
    if "base_url" in options:
        assert [http(one).base_url for one in route.backends[:2]] == ["http://x/v1"] * 2
        assert http(route.backends[3]).base_url != "http://x/v1"


def test_a_place_of_another_package_gets_what_may_be_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "outsider-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: outsider\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[multillm.backends]\noutsider = outsider_backend:Outsider\n")
    (tmp_path / "outsider_backend.py").write_text(
        "class Outsider:\n    name, model, with_model = 'outsider', 'm', None\n"
        "    def __init__(self, **options):\n        self.options = options\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    route = connect_route(["outsider", "llama_cpp"], n_ctx=512, tier="gold", timeout=3.0, api_key=KEY)
    options = route.backends[0].options  # type: ignore[attr-defined]
    assert options == {"model": None, "tier": "gold", "timeout": 3.0, "api_key": KEY}


def test_embeddings_of_unlike_models_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOGETHER_API_KEY", KEY)
    with pytest.raises(ConfigurationError, match="vectors of different models cannot be compared"):
        connect_route(["together", "fireworks"], purpose="embedding")
    assert connect_route(["vllm/e", "ollama/e"], purpose="embedding").model == "e"


# --- what a route can do -------------------------------------------------------------------------------------------


def known(**can: Any) -> Any:
    return type("Known", (), {"capabilities": Capabilities(**can), "name": "k", "model": "m"})()


def test_what_may_be_asked_of_a_route_is_what_any_target_can() -> None:
    small = known(tools=False, images=None, audio=False, context_window=100, max_output=10)
    large = known(tools=True, images=True, audio=None, context_window=900)
    route = Router([small, large])
    can, shared = reachable(route), route.capabilities
    assert (can.tools, can.images, can.audio, can.json_schema) == (True, True, None, None)
    assert (can.context_window, can.max_output) == (900, None)
    assert (shared.tools, shared.images, shared.context_window, shared.max_output) == (False, None, 100, 10)
    assert reachable(Router([small])).tools is False
    assert reachable(Router([route, small])) == can
    assert reachable(small) is small.capabilities
    assert Router([known(), known()]).capabilities == Capabilities()
