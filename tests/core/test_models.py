from __future__ import annotations

import warnings
from datetime import date

import pytest

from shared_core import CATALOG, RetiredModelWarning, find_model, resolve_model
from shared_core.models import lookup

BEFORE, AFTER = date(2026, 10, 21), date(2026, 10, 22)


def test_canonical_names_find_the_id_of_each_place() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert resolve_model("fireworks", "llama-3.3-70b") == "accounts/fireworks/models/llama-v3p3-70b-instruct"
        assert resolve_model("sambanova", "llama-3.3-70b") == "Meta-Llama-3.3-70B-Instruct"
        assert resolve_model("sambanova", "Llama_3.3_70B") == "Meta-Llama-3.3-70B-Instruct"


def test_unknown_names_pass_through() -> None:
    assert resolve_model("groq", "my/own:model@7") == "my/own:model@7"
    assert resolve_model("litellm", "anthropic/claude") == "anthropic/claude"


def test_ids_are_found_as_well() -> None:
    info = find_model("groq", "openai/gpt-oss-20b")
    assert info is not None
    assert (info.name, info.context_window, info.input_price) == ("gpt-oss-20b", 131_072, 0.075)
    assert info.capabilities.tools is True
    assert find_model("groq", "nothing") is None
    assert find_model("nowhere", "gpt-oss-20b") is None


def test_a_retired_model_says_when_and_what_instead() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resolve_model("together", "llama-3.3-70b", today=BEFORE)
    with pytest.warns(RetiredModelWarning) as caught:
        resolve_model("together", "llama-3.3-70b", today=AFTER)
    message = str(caught[0].message)
    assert "on 2026-10-22" in message
    assert "is still offered by: groq, fireworks" in message
    assert "together offers instead: llama-" in message


def test_a_model_retired_everywhere() -> None:
    with pytest.warns(RetiredModelWarning) as caught:
        resolve_model("together", "mixtral-8x7b", today=AFTER)
    assert "still offered" not in str(caught[0].message)


def test_every_place_in_the_data_is_in_the_catalog_and_its_defaults_are_not_retired() -> None:
    assert set(lookup._by_place()) <= set(CATALOG)
    for place in CATALOG.values():
        for model in (place.chat_model, place.embedding_model):
            info = find_model(place.name, model) if model else None
            assert info is None or info.retired is None or info.retired > date(2026, 11, 20)
