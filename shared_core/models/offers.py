"""Puts together what a place lists and what is known of its models."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime
from typing import Literal

from shared_core.models.prices import Price, find_price
from shared_core.models.retirement import instead_of
from shared_core.models.table import ModelInfo, Table, table_of
from shared_core.types import Capabilities, ListedModel


@dataclass(frozen=True, slots=True)
class Offer:
    """A model that a place has, or had: windows in tokens, `None` if unknown.

    `name` is canonical. `listed` says whether the place's own list has it, `None` that it was not asked; `confirmed`
    is false where an id is known and not whether it is still good. `instead` names what the place has in the stead of
    a retired model.
    """

    place: str
    id: str
    name: str | None = None
    kind: Literal["chat", "embedding", "other"] | None = None
    context_window: int | None = None
    max_output: int | None = None
    dimensions: int | None = None
    price: Price | None = None
    capabilities: Capabilities = field(default_factory=Capabilities)
    owned_by: str | None = None
    listed: bool | None = None
    active: bool | None = None
    confirmed: bool = True
    retired: date | None = None
    instead: tuple[str, ...] = ()

    @property
    def is_retired(self) -> bool:
        """Whether that day has come, in UTC."""
        return self.retired is not None and self.retired <= datetime.now(UTC).date()


def known_offers(place: str, *, base_url: str | None = None) -> list[Offer]:
    """What is known without asking; the retired last."""
    table = table_of(place, base_url)
    return _ordered(_known(place, info, base_url) for info in table.models.values())


def merged_offers(place: str, listed: Iterable[ListedModel], *, base_url: str | None = None) -> list[Offer]:
    """What the place lists, completed with what is known; then what is known and not listed, the retired last.

    Where the two disagree the place is right.
    """
    table = table_of(place, base_url)
    offers = [_listed(place, model, table, base_url) for model in listed]
    names = {offer.name for offer in offers}
    missing = (info for name, info in table.models.items() if name not in names)
    return _ordered([*offers, *(replace(_known(place, info, base_url), listed=False) for info in missing)])


def _known(place: str, info: ModelInfo, base_url: str | None) -> Offer:
    return Offer(
        place=place,
        id=info.id,
        name=info.name,
        kind=info.kind,
        context_window=info.context_window,
        max_output=info.max_output,
        dimensions=info.dimensions,
        price=find_price(place, info.id, base_url=base_url),
        capabilities=info.capabilities,
        confirmed=info.confirmed,
        retired=info.retired,
        instead=tuple(instead_of(place, info, base_url=base_url)) if info.is_retired() else (),
    )


def _listed(place: str, model: ListedModel, table: Table, base_url: str | None) -> Offer:
    info = table.with_id(model.id)
    known = Offer(place, model.id) if info is None else replace(_known(place, info, base_url), id=model.id)
    if known.is_retired:  # not here, as it seems
        known = replace(known, retired=None, instead=())
    return replace(
        known,
        kind=model.kind or known.kind,
        context_window=model.context_window or known.context_window,
        max_output=model.max_output or known.max_output,
        dimensions=model.dimensions or known.dimensions,
        price=_listed_price(model) or known.price or find_price(place, model.id, base_url=base_url),
        capabilities=_over(known.capabilities, model.capabilities),
        owned_by=model.owned_by,
        listed=True,
        active=model.active,
        confirmed=True,
        retired=model.retired or known.retired,
    )


def _listed_price(model: ListedModel) -> Price | None:
    if model.input_price is None:
        return None
    return Price(model.input_price, model.output_price, model.cached_price)


def _over(below: Capabilities, above: Capabilities) -> Capabilities:
    told = {field.name: getattr(above, field.name) for field in fields(Capabilities)}
    return replace(below, **{name: value for name, value in told.items() if value is not None})


def _ordered(offers: Iterable[Offer]) -> list[Offer]:
    """As they came: first what can be had, then what is not listed, then what is retired."""
    return sorted(offers, key=lambda offer: (offer.is_retired, offer.listed is False))
