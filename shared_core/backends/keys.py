"""Finds the key of a place, and only in that place's own variable."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from importlib.util import find_spec

from pydantic import SecretStr
from pydantic_core import from_json

from shared_core.backends.catalog import CATALOG
from shared_core.backends.place import Place
from shared_core.disclosure import looks_secret
from shared_core.errors import ConfigurationError, MissingKeyError

_SHORTEST_SECRET = 8
"""Characters; what is shorter stands in messages by itself, and is no key."""


def find_key(place: Place, given: str | SecretStr | None) -> SecretStr | None:
    """The key to use, or `None`. Raises `MissingKeyError`, and `ConfigurationError` for a broken one."""
    text = given.get_secret_value() if isinstance(given, SecretStr) else given
    text = (text or (os.environ.get(place.key, "") if place.key else "")).strip()
    if not text:
        if place.key_required:
            raise MissingKeyError(_missing(place))
        return None
    if not (text.isascii() and text.isprintable()):
        # An HTTP library would refuse such a header too, and quote it.
        raise ConfigurationError(f"the API key for {place.name} holds characters that no key has: copy it again")
    return SecretStr(text)


def secrets_in(headers: Mapping[str, str]) -> list[str]:
    """What must not be shown of these headers: the values of the secret ones, and the texts in values that are JSON."""
    values = [value for name, value in headers.items() if looks_secret(name)]
    return [secret for value in values for secret in (value, *_texts(value)) if len(secret) >= _SHORTEST_SECRET]


def _texts(value: str) -> list[str]:
    try:
        inside = from_json(value)
    except ValueError:
        return []
    return [text for text in inside.values() if isinstance(text, str)] if isinstance(inside, dict) else []


def _missing(place: Place) -> str:
    local = ["llama_cpp (in process)"] if find_spec("llama_cpp") else []
    ready = ", ".join([*local, *_ready()])
    return (
        f"{place.title} ({place.name}) needs an API key: set the environment variable {place.key}, or pass "
        f"api_key=... . Backends that need no more than they have right now: {ready}."
    )


def _ready() -> Iterable[str]:
    for place in CATALOG.values():
        if place.key and os.environ.get(place.key, "").strip():
            yield f"{place.name} ({place.key} is set)"
        elif not place.key_required:
            yield f"{place.name} (if it runs at {place.base_url})"
