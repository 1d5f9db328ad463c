"""Prices of tokens: genai-prices' where that package is installed and has them, else those of our own data.

Nothing here touches the network: genai-prices brings its table with it, and is asked for no newer one. It is imported,
which takes a third of a second, when the first price is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from shared_core.models.lookup import find_model, id_of
from shared_core.models.table import ModelInfo, table_of
from shared_core.types import Usage

if TYPE_CHECKING:
    from genai_prices.types import PriceCalculation, TieredPrices

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens, for calls below the first tier of length; `None` is unknown.

    `cached` is the price of input read from a cache; where it is unknown, such input is taken to cost the full price.
    """

    input: float
    output: float | None
    cached: float | None = None


def find_price(place: str, model: str, *, base_url: str | None = None) -> Price | None:
    """What a model costs at a place today; `None` is unknown. `model` is an id, a canonical name or a spelling."""
    calculated = _calculated(place, id_of(place, model, base_url=base_url), Usage(0, 0))
    if calculated is None:
        return _own_price(find_model(place, model, base_url=base_url))
    paid = calculated.model_price
    return Price(_dollars(paid.input_mtok) or 0.0, _dollars(paid.output_mtok), _dollars(paid.cache_read_mtok))


def estimate_cost(place: str, model: str, usage: Usage, *, base_url: str | None = None) -> float | None:
    """What a call costs in USD, by list price, with tiers and cached input; `None` if price or tokens are unknown.

    Where a place tells the cost itself, that is in `Finish.cost`, and better: this knows of no discount.
    """
    info = find_model(place, model, base_url=base_url)
    counted = _counted(usage, info)
    if counted is None:
        return None
    calculated = _calculated(place, id_of(place, model, base_url=base_url), counted)
    if calculated is not None:
        return float(calculated.total_price)
    price = _own_price(info)
    return None if price is None else _sum(price, counted)


def _counted(usage: Usage, info: ModelInfo | None) -> Usage | None:
    """Embeddings have no output, and no place counts it."""
    output = 0 if usage.output is None and info is not None and info.kind == "embedding" else usage.output
    if usage.input is None or output is None:
        return None
    return Usage(usage.input, output, cached=min(usage.cached or 0, usage.input))


# --- our own data --------------------------------------------------------------------------------------------------


def _own_price(info: ModelInfo | None) -> Price | None:
    if info is None or info.input_price is None:
        return None
    return Price(info.input_price, info.output_price, info.cached_price)


def _sum(price: Price, usage: Usage) -> float:
    tokens, cached, output = usage.input or 0, usage.cached or 0, usage.output or 0
    per_cached = price.input if price.cached is None else price.cached
    return ((tokens - cached) * price.input + cached * per_cached + output * (price.output or 0.0)) / _MILLION


# --- genai-prices --------------------------------------------------------------------------------------------------


def _calculated(place: str, model_id: str, usage: Usage) -> PriceCalculation | None:
    source, package = table_of(place).price_source, _package()
    if source is None or package is None:
        return None
    counts = package.Usage(input_tokens=usage.input, output_tokens=usage.output, cache_read_tokens=usage.cached or 0)
    try:
        found: PriceCalculation = package.calc_price(counts, model_id, provider_id=source)
    except LookupError:
        return None
    paid = found.model_price
    # An entry may have no price at all, or none for what was used; it would then be counted as free.
    known = paid.input_mtok is not None and (paid.output_mtok is not None or not usage.output)
    return found if known else None


def _dollars(price: Decimal | TieredPrices | None) -> float | None:
    if price is None:
        return None
    return float(price if isinstance(price, Decimal) else price.base)


@cache
def _package() -> ModuleType | None:
    try:
        return import_module("genai_prices")
    except ImportError:
        return None
