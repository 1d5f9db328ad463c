"""What is known of models by name: ids per place, windows, prices, retirement dates."""

from shared_core.models.lookup import find_model, known_models, known_places, resolve_model
from shared_core.models.offers import Offer, known_offers, merged_offers
from shared_core.models.prices import Price, estimate_cost, find_price
from shared_core.models.retirement import RetiredModelWarning
from shared_core.models.table import ModelInfo, as_of

__all__ = [
    "ModelInfo",
    "Offer",
    "Price",
    "RetiredModelWarning",
    "as_of",
    "estimate_cost",
    "find_model",
    "find_price",
    "known_models",
    "known_offers",
    "known_places",
    "merged_offers",
    "resolve_model",
]
