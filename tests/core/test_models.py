"""Names of models: to the right id at each place, and never to another model's."""

from __future__ import annotations

import warnings
from datetime import UTC, date, datetime, timedelta

import pytest

from shared_core import CATALOG, RetiredModelWarning, find_model, known_models, resolve_model
from shared_core.models import as_of, known_places

BEFORE, AFTER = date(2026, 10, 21), date(2026, 10, 22)
LONG_AGO = date(2020, 1, 1)
"""A day on which nothing was retired, and nothing warns."""
RUNTIME = "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1"
MANTLE = "https://bedrock-mantle.us-east-1.api.aws/v1"


def resolved(place: str, name: str, base_url: str | None = None) -> str:
    return resolve_model(place, name, base_url=base_url, today=LONG_AGO)


def test_canonical_names_find_the_id_of_each_place() -> None:
    assert resolved("fireworks", "llama-3.3-70b") == "accounts/fireworks/models/llama-v3p3-70b-instruct"
    assert resolved("sambanova", "llama-3.3-70b") == "Meta-Llama-3.3-70B-Instruct"
    assert resolved("sambanova", "Llama_3.3_70B") == "Meta-Llama-3.3-70B-Instruct"


@pytest.mark.parametrize("place", list(known_places()))
def test_names_and_ids_of_the_data_lead_to_themselves(place: str) -> None:
    for info in known_models(place):
        assert resolved(place, info.name) == info.id
        assert resolved(place, info.id) == info.id
        assert find_model(place, info.id) == info


@pytest.mark.parametrize(
    ("place", "spelling", "model_id"),
    [
        ("groq", "Llama-3.3-70B-Instruct", "llama-3.3-70b-versatile"),
        ("groq", "llama3.3:70b", "llama-3.3-70b-versatile"),
        ("groq", "meta-llama/Llama-3.3-70B-Instruct", "llama-3.3-70b-versatile"),
        ("groq", "accounts/fireworks/models/llama-v3p3-70b-instruct", "llama-3.3-70b-versatile"),
        ("groq", "llama-4-scout-17b-16e-instruct", "meta-llama/llama-4-scout-17b-16e-instruct"),
        ("together", "meta-llama/Llama-3.3-70B-Instruct", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
        ("together", "Llama-3.1-8B-Instruct-Turbo", "meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo"),
        ("together", "DeepSeek-R1-0528", "deepseek-ai/DeepSeek-R1-0528"),
        ("fireworks", "llama-v3p3-70b-instruct", "accounts/fireworks/models/llama-v3p3-70b-instruct"),
        ("fireworks", "google/gemma-3-27b-it", "accounts/fireworks/models/gemma-3-27b-it"),
        ("fireworks", "Kimi-K2-Instruct-0905", "accounts/fireworks/models/kimi-k2-instruct-0905"),
        ("nvidia", "Llama 3.1 8B Instruct", "meta/llama-3.1-8b-instruct"),
        ("sambanova", "meta-llama-3.3-70b-instruct", "Meta-Llama-3.3-70B-Instruct"),
        ("cerebras", "openai/gpt-oss-120b", "gpt-oss-120b"),
        ("cerebras", "Qwen/Qwen3-235B-A22B-Thinking-2507", "qwen-3-235b-a22b-thinking-2507"),
        ("openrouter", "Qwen/Qwen3-235B-A22B-Instruct-2507", "qwen/qwen3-235b-a22b-2507"),
        ("openrouter", "DeepSeek-V3-0324", "deepseek/deepseek-chat-v3-0324"),
        ("ollama", "meta-llama/Llama-3.1-8B-Instruct", "llama3.1:8b"),
        ("deepinfra", "gemma3:27b", "google/gemma-3-27b-it"),
        ("llamagate", "gemma3:4b", "gemma3-4b"),
        ("bedrock", "gpt-oss:120b", "openai.gpt-oss-120b"),
    ],
)
def test_common_spellings_resolve(place: str, spelling: str, model_id: str) -> None:
    assert resolved(place, spelling) == model_id
    assert find_model(place, spelling) == find_model(place, model_id)


@pytest.mark.parametrize(
    ("place", "name"),
    [
        # nothing of the sort
        ("groq", "my/own:model@7"),
        ("groq", "llama-3.3-70b@v2"),
        ("groq", "llama-3.3-70b-中文"),
        ("groq", ""),
        # places that serve what their operator chose
        ("litellm", "anthropic/claude"),
        ("litellm", "llama-3.3-70b"),
        ("vllm", "meta-llama/Llama-3.3-70B-Instruct"),
        # another size, another tune, another quantisation
        ("groq", "llama-3.3-8b"),
        ("groq", "llama-3.3-70b-abliterated"),
        ("groq", "acme/Llama-3.3-70B-Instruct"),
        ("groq", "nvidia/Llama-3.3-70B-Instruct"),
        ("deepinfra", "deepseek-ai/DeepSeek-R1-Distill-Llama-70B"),
        ("ollama", "llama3.1:8b-instruct-q8_0"),
        ("ollama", "hf.co/bartowski/Llama-3.3-70B-Instruct-GGUF"),
        ("ollama", "llama3.3"),
        # the model before it learned to chat
        ("groq", "meta-llama/Llama-3.1-8B"),
        ("fireworks", "google/gemma-3-27b"),
        # another checkpoint than the one that the place has
        ("deepinfra", "deepseek-ai/DeepSeek-V3"),
        ("together", "deepseek-ai/DeepSeek-R1"),
        ("deepinfra", "moonshotai/Kimi-K2-Instruct"),
        ("ollama", "mistralai/Mistral-7B-Instruct-v0.3"),
        # ways to serve a model that a place has beside the plain one, or not at all
        ("deepinfra", "meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo"),
        ("openrouter", "meta-llama/llama-3.3-70b-instruct:free"),
        ("groq", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
        # a model that is elsewhere
        ("bedrock", "llama-3.3-70b"),
    ],
)
def test_what_is_in_doubt_passes_through(place: str, name: str) -> None:
    assert resolved(place, name) == name


def test_a_served_variant_that_is_known_is_itself() -> None:
    turbo = "meta-llama/Llama-3.3-70B-Instruct-Turbo"
    assert resolved("deepinfra", turbo) == turbo
    assert resolved("deepinfra", "Llama-3.3-70B-Instruct-Turbo") == turbo
    assert resolved("deepinfra", "Llama-3.3-70B-Instruct") == "meta-llama/Llama-3.3-70B-Instruct"


def test_tags_and_prefixes_of_ids() -> None:
    assert resolved("ollama", "nomic-embed-text:latest") == "nomic-embed-text:latest"
    assert find_model("ollama", "nomic-embed-text:latest") == find_model("ollama", "nomic-embed-text")
    regional = "us.meta.llama3-3-70b-instruct-v1:0"
    assert resolved("bedrock", regional, RUNTIME) == regional
    info = find_model("bedrock", regional, base_url=RUNTIME)
    assert info is not None
    assert info.name == "llama-3.3-70b"


@pytest.mark.parametrize(
    "name", ["gpt-oss-120b", "openai.gpt-oss-120b", "openai.gpt-oss-120b-1:0", "openai/gpt-oss-120b"]
)
def test_bedrock_has_ids_for_each_of_its_apis(name: str) -> None:
    assert resolved("bedrock", name, RUNTIME) == "openai.gpt-oss-120b-1:0"
    assert resolved("bedrock", name, MANTLE) == "openai.gpt-oss-120b"
    assert resolved("bedrock", name) == "openai.gpt-oss-120b"


def test_bedrock_runtime_has_models_of_its_own() -> None:
    assert resolved("bedrock", "llama-3.3-70b", RUNTIME) == "meta.llama3-3-70b-instruct-v1:0"
    assert len(known_models("bedrock", base_url=RUNTIME)) > len(known_models("bedrock"))


def test_what_is_known_of_a_model() -> None:
    info = find_model("groq", "openai/gpt-oss-20b")
    assert info is not None
    assert (info.name, info.context_window, info.input_price) == ("gpt-oss-20b", 131_072, 0.075)
    assert info.capabilities.tools is True
    assert info.capabilities.images is None
    assert info.confirmed
    assert find_model("groq", "nothing") is None
    assert find_model("nowhere", "gpt-oss-20b") is None
    assert known_models("nowhere") == []


def test_embedding_models_are_told_apart() -> None:
    info = find_model("together", "BAAI/bge-base-en-v1.5")
    assert info is not None
    assert (info.kind, info.dimensions, info.context_window) == ("embedding", 768, 512)


def test_a_retired_model_says_when_and_what_instead() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resolve_model("together", "llama-3.3-70b", today=BEFORE)
    with pytest.warns(RetiredModelWarning) as caught:
        resolve_model("together", "llama-3.3-70b", today=AFTER)
    message = str(caught[0].message)
    assert "on 2026-10-22" in message
    assert "is still offered by: fireworks" in message
    assert "groq" not in message, "whose list had it once, and who may have it no longer"
    assert "together offers instead: " in message
    assert "llama-3.2-1b" not in message


def test_what_is_offered_instead_is_of_the_family() -> None:
    with pytest.warns(RetiredModelWarning, match="fireworks offers instead: gpt-oss-20b, "):
        resolve_model("fireworks", "gpt-oss-120b", today=as_of())


def test_a_model_that_will_be_retired_does_not_warn() -> None:
    info = find_model("bedrock", "deepseek-v3.1")
    assert info is not None
    assert info.retired is not None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resolve_model("bedrock", "deepseek-v3.1", today=info.retired - timedelta(days=1))


def test_a_model_retired_everywhere() -> None:
    with pytest.warns(RetiredModelWarning) as caught:
        resolve_model("together", "mixtral-8x7b", today=AFTER)
    assert "still offered" not in str(caught[0].message)


def test_today_is_the_day_it_is() -> None:
    today = datetime.now(UTC).date()
    for info in known_models("together"):
        assert info.is_retired() is info.is_retired(today)


def test_every_place_in_the_data_is_in_the_catalog_and_its_defaults_are_known_and_not_retired() -> None:
    assert set(known_places()) <= set(CATALOG)
    for place in known_places():
        for model in (CATALOG[place].chat_model, CATALOG[place].embedding_model):
            info = find_model(place, model) if model else None
            assert (info is None) == (model is None), model
            assert info is None or not info.is_retired(as_of())
