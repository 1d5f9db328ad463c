"""Prices and costs: genai-prices' where it has them, our own otherwise, and nothing where nobody knows."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import genai_prices
import pytest

from shared_core import Price, Usage, estimate_cost, find_price, known_models
from shared_core.models import prices

REPOSITORY = Path(__file__).parents[2]
CALL = Usage(input=10_000, output=1_000)


@pytest.fixture
def without_package(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    prices._package.cache_clear()
    yield
    prices._package.cache_clear()


def theirs(model: str, provider: str, usage: Usage) -> float:
    counts = genai_prices.Usage(
        input_tokens=usage.input, output_tokens=usage.output, cache_read_tokens=usage.cached or 0
    )
    return float(genai_prices.calc_price(counts, model, provider_id=provider).total_price)


@pytest.mark.parametrize(
    ("place", "model", "provider", "model_id"),
    [
        ("groq", "gpt-oss-120b", "groq", "openai/gpt-oss-120b"),
        ("together", "kimi-k3", "together", "moonshotai/Kimi-K3"),
        ("fireworks", "GLM-5.3", "fireworks", "accounts/fireworks/models/glm-5p3"),
        ("openrouter", "anthropic/claude-sonnet-4.5", "openrouter", "anthropic/claude-sonnet-4.5"),
        ("openrouter", "google/gemini-2.5-pro", "openrouter", "google/gemini-2.5-pro"),
    ],
)
def test_costs_as_the_package_counts(place: str, model: str, provider: str, model_id: str) -> None:
    price = find_price(place, model)
    assert price is not None
    assert price.output is not None
    assert estimate_cost(place, model, CALL) == theirs(model_id, provider, CALL)
    assert estimate_cost(place, model, CALL) == pytest.approx((price.input * 10_000 + price.output * 1_000) / 1e6)
    cached = Usage(input=10_000, output=1_000, cached=8_000)
    assert estimate_cost(place, model, cached) == theirs(model_id, provider, cached)


def test_tiers_hold_for_all_tokens_of_a_long_call() -> None:
    model = "google/gemini-2.5-pro"
    short, long = (estimate_cost("openrouter", model, Usage(tokens, 0)) for tokens in (100_000, 300_000))
    assert short is not None
    assert long is not None
    assert long > 3 * short


def test_our_own_where_the_package_has_none() -> None:
    assert find_price("llamagate", "llama-3.1-8b") == Price(0.03, 0.05)
    assert find_price("deepinfra", "Llama-3.3-70B-Instruct") == Price(0.23, 0.4)
    assert estimate_cost("llamagate", "llama-3.1-8b", CALL) == pytest.approx(0.00035)


def test_all_priced_models_of_llamagate_have_a_price() -> None:
    priced = [info.name for info in known_models("llamagate") if find_price("llamagate", info.id)]
    assert len(priced) == 16


def test_our_own_with_cached_input() -> None:
    assert find_price("deepinfra", "glm-4.6") == Price(0.5, 2.0, 0.1)
    half = Usage(input=1_000_000, output=0, cached=500_000)
    assert estimate_cost("deepinfra", "glm-4.6", half) == pytest.approx(0.3)
    assert estimate_cost("deepinfra", "qwen3-32b", half) == pytest.approx(0.08), (
        "no price for cached input: the full one"
    )
    impossible = Usage(input=1_000_000, output=0, cached=2_000_000)
    assert estimate_cost("deepinfra", "glm-4.6", impossible) == pytest.approx(0.1)


def test_embeddings_have_no_output() -> None:
    assert estimate_cost("llamagate", "nomic-embed-text", Usage(input=1_000_000)) == pytest.approx(0.02)


@pytest.mark.parametrize("usage", [Usage(), Usage(input=5), Usage(output=5)])
def test_unknown_tokens_cost_nobody_knows_what(usage: Usage) -> None:
    assert estimate_cost("groq", "gpt-oss-120b", usage) is None


@pytest.mark.parametrize(
    ("place", "model"),
    [
        ("groq", "no-such-model"),
        ("nowhere", "llama-3.3-70b"),
        ("ollama", "llama-3.1-8b"),  # runs on the user's own machine
        ("cerebras", "qwen3-coder-480b"),  # named by the package, and without a price: not free
        ("together", "bge-base-en-v1.5"),  # named by our own data without one
        ("litellm", "gpt-4o"),
    ],
)
def test_unknown_prices_are_unknown(place: str, model: str) -> None:
    assert find_price(place, model) is None
    assert estimate_cost(place, model, CALL) is None


def test_without_the_package_our_own_prices_serve(without_package: None) -> None:
    assert find_price("groq", "gpt-oss-120b") == Price(0.15, 0.6, 0.075)
    assert estimate_cost("groq", "gpt-oss-120b", Usage(1_000_000, 0, cached=1_000_000)) == pytest.approx(0.075)
    assert find_price("openrouter", "anthropic/claude-sonnet-4.5") is None


def test_bedrock_runtime_ids_have_prices() -> None:
    url = "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1"
    assert find_price("bedrock", "llama-3.3-70b", base_url=url) is not None
    assert find_price("bedrock", "openai.gpt-oss-120b-1:0", base_url=url) is not None


def test_the_package_is_loaded_late_and_never_calls_out() -> None:
    code = """
import socket, sys
def refuse(*_): raise AssertionError("the network was used")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
import shared_core.models
shared_core.models.resolve_model("groq", "gpt-oss-120b")
assert "genai_prices" not in sys.modules
assert shared_core.models.find_price("groq", "gpt-oss-120b") is not None
assert "genai_prices" in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
