"""What a place lists, put together with what is known."""

from __future__ import annotations

from datetime import date

from shared_core import Capabilities, ListedModel, Price
from shared_core.models import Offer, known_offers, merged_offers

FAR = date(9999, 1, 1)


def by_id(offers: list[Offer]) -> dict[str, Offer]:
    return {offer.id: offer for offer in offers}


def test_a_bare_list_is_completed() -> None:
    offer = by_id(merged_offers("llamagate", [ListedModel("llama-3.1-8b")]))["llama-3.1-8b"]
    assert (offer.name, offer.kind, offer.context_window, offer.max_output) == ("llama-3.1-8b", "chat", 131_072, 8192)
    assert offer.price == Price(0.03, 0.05)
    assert offer.capabilities.tools is True
    assert offer.listed is True


def test_the_place_goes_before_what_is_known() -> None:
    listed = ListedModel(
        "llama-3.1-8b",
        context_window=100,
        max_output=10,
        input_price=1.0,
        output_price=2.0,
        cached_price=0.5,
        kind="other",
        dimensions=7,
        owned_by="Meta",
        active=False,
        retired=FAR,
        capabilities=Capabilities(tools=False, images=True),
    )
    offer = by_id(merged_offers("llamagate", [listed]))["llama-3.1-8b"]
    assert (offer.context_window, offer.max_output, offer.dimensions, offer.kind) == (100, 10, 7, "other")
    assert (offer.price, offer.owned_by, offer.active, offer.retired) == (Price(1.0, 2.0, 0.5), "Meta", False, FAR)
    assert (offer.capabilities.tools, offer.capabilities.images) == (False, True)
    assert offer.capabilities.json_schema is True, "of which the place says nothing"


def test_unknown_models_are_kept_as_listed() -> None:
    first = merged_offers("groq", [ListedModel("new/model", 5)])[0]
    assert first == Offer("groq", "new/model", context_window=5, listed=True)
    assert merged_offers("vllm", [ListedModel("a")]) == [Offer("vllm", "a", listed=True)]


def test_a_price_is_found_for_a_model_that_only_the_price_list_knows() -> None:
    model = "anthropic/claude-sonnet-4.5"
    assert by_id(merged_offers("openrouter", [ListedModel(model)]))[model].price is not None


def test_what_is_listed_is_not_retired_and_not_in_doubt() -> None:
    offers = by_id(merged_offers("groq", [ListedModel("qwen/qwen3-32b"), ListedModel("llama-3.1-8b-instant")]))
    assert offers["qwen/qwen3-32b"].retired is None
    assert offers["qwen/qwen3-32b"].instead == ()
    assert offers["llama-3.1-8b-instant"].confirmed


def test_a_tag_that_goes_without_saying() -> None:
    offer = merged_offers("ollama", [ListedModel("nomic-embed-text:latest")])[0]
    assert (offer.id, offer.name, offer.kind) == ("nomic-embed-text:latest", "nomic-embed-text", "embedding")


def test_what_is_not_listed_comes_after_and_the_retired_last() -> None:
    offers = merged_offers("groq", [ListedModel("openai/gpt-oss-20b")])
    assert [offer.listed for offer in offers] == [True, *[False] * (len(offers) - 1)]
    retired = [offer.is_retired for offer in offers]
    assert retired == sorted(retired)
    assert any(retired)


def test_known_offers_ask_nobody() -> None:
    offers = known_offers("cerebras")
    assert {offer.listed for offer in offers} == {None}
    gone = by_id(offers)["llama3.1-8b"]
    assert gone.is_retired
    assert "gpt-oss-120b" in gone.instead
    assert offers[-1].is_retired
    assert known_offers("nowhere") == []
