"""Answers what is known of a model, by its canonical name, by its id at a place, or by another spelling of either."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from datetime import date

from shared_core.models.retirement import RetiredModelWarning, retirement
from shared_core.models.spelling import spelled
from shared_core.models.table import ModelInfo, places, table_of


def find_model(place: str, name: str, *, base_url: str | None = None) -> ModelInfo | None:
    """What is known of the model with this id, canonical name or common spelling, at this place.

    Where a place has several APIs with ids of their own (Amazon Bedrock), `base_url` says which is meant.
    """
    table = table_of(place, base_url)
    return table.with_id(name) or table.models.get(name.lower().replace("_", "-")) or spelled(table, name)


def resolve_model(place: str, name: str, *, base_url: str | None = None, today: date | None = None) -> str:
    """The id of a model at a place. An id of the place, and a name that is not known, are their own.

    Warns with `RetiredModelWarning` for a model that the place has retired, and says what is offered instead.
    """
    info = find_model(place, name, base_url=base_url)
    if info is not None and info.is_retired(today):
        warnings.warn(retirement(place, info, today=today, base_url=base_url), RetiredModelWarning, stacklevel=3)
    return id_of(place, name, base_url=base_url)


def id_of(place: str, name: str, *, base_url: str | None = None) -> str:
    """What `resolve_model` gives, without a warning."""
    info = None if table_of(place, base_url).with_id(name) else find_model(place, name, base_url=base_url)
    return name if info is None else info.id


def known_models(place: str, *, base_url: str | None = None) -> list[ModelInfo]:
    """All that is known of a place's models, without asking it; the retired ones too."""
    return list(table_of(place, base_url).models.values())


def known_places() -> Iterable[str]:
    """The places whose models something is known of."""
    return places()
