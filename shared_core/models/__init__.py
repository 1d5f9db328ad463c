"""What is known of models by name: ids per place, windows, prices, retirement dates."""

from shared_core.models.lookup import ModelInfo, RetiredModelWarning, find_model, resolve_model

__all__ = ["ModelInfo", "RetiredModelWarning", "find_model", "resolve_model"]
