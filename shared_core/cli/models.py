"""`multillm models`: what a place lists, completed with what is known, or what is known alone."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from shared_core import (
    CATALOG,
    Backend,
    BackendError,
    Capabilities,
    ConfigurationError,
    MissingKeyError,
    ModelNotFoundError,
    connect,
    find_backend_name,
)
from shared_core.cli.output import OK, note, print_table, report
from shared_core.models import Offer, as_of, known_offers, known_places, merged_offers

_NO_MODEL = "models"  # a backend has one, and its errors name it
_COLUMNS = ("PLACE", "MODEL", "ID", "KIND", "WINDOW", "OUTPUT", "$IN", "$OUT", "$CACHED", "CAN", "STATUS")
_CAN = {
    "tools": ("tools",),
    "json": ("json_schema", "json_object"),
    "images": ("images",),
    "audio": ("audio",),
    "reasoning": ("reasoning",),
}
_LEGEND = "Windows and outputs are in tokens, prices in USD per million tokens."
_EPILOG = (
    "Without a backend, and with --known, nothing is asked over the network. If a place cannot be asked, what is known "
    "of a hosted one is printed all the same, and the exit code says that asking failed."
)


def add_models(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = f"{_LEGEND} {_EPILOG}"
    parser.add_argument("backend", nargs="?", help="a name that `multillm backends` lists; without it all places")
    parser.add_argument("--known", action="store_true", help="do not ask the place: only what the package knows")
    parser.add_argument("--base-url", metavar="URL", help="where the place is, if elsewhere")
    parser.add_argument("--json", action="store_true", help="print a JSON list")
    parser.set_defaults(run=_models)


def _models(options: argparse.Namespace) -> int:
    if options.backend is not None and not options.known:
        return _asked(options)
    offers = (
        _known(options) if options.backend else [offer for place in known_places() for offer in known_offers(place)]
    )
    _print(offers, options)
    if not options.json:
        note(f"{_LEGEND} As known on {as_of()}; `multillm models BACKEND` asks the place.")
    return OK


def _known(options: argparse.Namespace) -> list[Offer]:
    name = find_backend_name(options.backend) or options.backend
    offers = known_offers(name, base_url=options.base_url)
    if not offers:
        raise ConfigurationError(
            f"no models of {name} are known without asking it. Something is known of: {', '.join(known_places())}."
        )
    return offers


def _asked(options: argparse.Namespace) -> int:
    try:
        offers = _offers(_connect(options))
    except (MissingKeyError, BackendError) as error:
        return _failed(error, options)
    _print(offers, options)
    if not offers:
        note(f"{options.backend} lists no models.")
    return OK


def _connect(options: argparse.Namespace) -> Backend:
    name = find_backend_name(options.backend)
    if name is not None and name not in CATALOG:
        raise ConfigurationError(f"{name} has no list of models: it runs the model file that is named to it.")
    return connect(options.backend, model=_NO_MODEL, base_url=options.base_url)


def _offers(backend: Backend) -> list[Offer]:
    """A server of the user's own has what was put there: what it might have besides is of no use."""
    ask, url = getattr(backend, "models", None), getattr(backend, "base_url", None)
    if ask is None:
        raise ConfigurationError(f"{backend.name} has no list of models to ask for.")
    try:
        offers = merged_offers(backend.name, ask(), base_url=url)
    except ModelNotFoundError:
        raise BackendError(f"{backend.name} has no list of models at {url}/models.") from None
    place = CATALOG.get(backend.name)
    hosted = place is not None and not place.server
    return [offer for offer in offers if hosted or offer.listed]


def _failed(error: BackendError | MissingKeyError, options: argparse.Namespace) -> int:
    place = CATALOG.get(find_backend_name(options.backend) or "")
    known = known_offers(place.name, base_url=options.base_url) if place is not None and not place.server else []
    if not known:
        return report(error)
    _print(known, options)
    return report(error, f"Printed is what was known on {as_of()}.")


# --- printing ------------------------------------------------------------------------------------------------------


def _print(offers: Sequence[Offer], options: argparse.Namespace) -> None:
    if options.json:
        print(json.dumps([asdict(offer) for offer in offers], indent=2, default=str, ensure_ascii=False))
        return
    rows = [_COLUMNS, *(_cells(offer) for offer in offers)]
    print_table([row[1:] for row in rows] if options.backend else rows)


def _cells(offer: Offer) -> tuple[str, ...]:
    price = offer.price
    numbers = (offer.context_window, offer.max_output)
    prices = (price.input, price.output, price.cached) if price else (None, None, None)
    return (
        offer.place,
        offer.name or "-",
        offer.id,
        offer.kind or "-",
        *("-" if number is None else str(number) for number in numbers),
        *("-" if dollars is None else f"{dollars:.6g}" for dollars in prices),
        " ".join(_can(offer.capabilities)) or "-",
        _status(offer),
    )


def _can(capabilities: Capabilities) -> Iterable[str]:
    return (word for word, flags in _CAN.items() if any(getattr(capabilities, flag) for flag in flags))


def _status(offer: Offer) -> str:
    if offer.is_retired:
        return f"retired {offer.retired}; instead: {', '.join(offer.instead[:3]) or '-'}"
    said = (
        ("not listed", offer.listed is False),
        ("inactive", offer.active is False),
        (f"until {offer.retired}", offer.retired is not None),
        ("unconfirmed", not offer.confirmed),
    )
    return ", ".join(text for text, holds in said if holds)
