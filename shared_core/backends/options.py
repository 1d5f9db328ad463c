"""Puts the values of a place's own options where the place reads them: body, headers or URL."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from shared_core.backends.place import Place
from shared_core.disclosure import revealed
from shared_core.errors import ConfigurationError
from shared_core.wire.merging import merged

Json = dict[str, Any]


def body_of(place: Place, given: Mapping[str, Any]) -> Json:
    """The body entries of every call that the given options of this place mean."""
    body: Json = {}
    for name, value in given.items():
        if path := place.options[name].body:
            body = merged(body, _nested(path, value))
    return body


def meant_by_none(place: Place, given: Mapping[str, Any]) -> Json:
    """The options of this place that were given as `None`, where that is a value."""
    own = place.options.items()
    return {name: option.none for name, option in own if option.none is not None and given.get(name, ()) is None}


def window_of(place: Place, body: Mapping[str, Any]) -> int | None:
    """The context window that the body of every call asks for."""
    for path in (option.body for option in place.options.values() if option.window):
        asked: Any = body
        for step in path:
            asked = asked.get(step) if isinstance(asked, Mapping) else None
        if isinstance(asked, int):
            return asked
    return None


def headers_of(place: Place, given: Mapping[str, Any]) -> dict[str, str]:
    """The headers of every call that the given options of this place mean; what is no text goes as JSON.

    Raises `ConfigurationError` for what no header can carry.
    """
    return {
        header: _header(place, name, value) for name, value in given.items() for header in place.options[name].headers
    }


def _header(place: Place, name: str, value: Any) -> str:  # noqa: ANN401 - whatever the caller gave
    try:
        text = value if isinstance(value, str) else json.dumps(revealed(value), separators=(",", ":"))
    except TypeError as error:
        raise ConfigurationError(f"{name}=... of {place.name} goes into a header as JSON: {error}") from None
    if not (text.isascii() and text.isprintable()):
        raise ConfigurationError(f"{name}=... of {place.name} goes into a header, which takes plain ASCII only")
    return text


def fields_of(place: Place, given: Mapping[str, Any]) -> dict[str, str]:
    """The fields of the place's URL that the given options fill."""
    return {field: str(value) for name, value in given.items() if (field := place.options[name].url)}


def _nested(path: tuple[str, ...], value: Any) -> Json:  # noqa: ANN401 - the JSON boundary
    first, *rest = path
    return {first: _nested(tuple(rest), value) if rest else value}


def known_or_raise(place: Place, given: Mapping[str, Any], common: str) -> None:
    """Raise `ConfigurationError` for options that neither this place nor any takes."""
    if unknown := sorted(given.keys() - place.options.keys()):
        own = f", and of its own: {', '.join(place.options)}" if place.options else ""
        raise ConfigurationError(
            f"{place.name} takes no option named {', '.join(unknown)}. It takes: {common}{own}; options of model "
            f"files are for backend='llama_cpp'."
        )
