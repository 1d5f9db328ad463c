"""What may be written down of arguments that may hold keys."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr

_SECRET = re.compile(r"auth|key|token|cookie|secret|passw|credential|provider[-_]data", re.IGNORECASE)


def looks_secret(name: str) -> bool:
    """Whether what bears this name, a header or an entry, may be a key or hold some."""
    return _SECRET.search(name) is not None


def harmless(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Copy dicts and lists without what may be a key, at any depth: entries with such a name, and `SecretStr`s."""
    match value:
        case dict():
            kept = {name: item for name, item in value.items() if not looks_secret(str(name))}
            return {name: harmless(item) for name, item in kept.items() if not isinstance(item, SecretStr)}
        case list() | tuple():
            return [harmless(item) for item in value if not isinstance(item, SecretStr)]
        case _:
            return value


def harmless_url(url: Any) -> Any:  # noqa: ANN401 - whatever a backend calls its URL
    """Strip user, password and query, where some proxies want their key."""
    if not isinstance(url, str) or not ({"@", "?"} & set(url)):
        return url
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def revealed(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Copy dicts and lists with the text of every `SecretStr`: what is sent."""
    match value:
        case SecretStr():
            return value.get_secret_value()
        case dict():
            return {name: revealed(item) for name, item in value.items()}
        case list() | tuple():
            return [revealed(item) for item in value]
        case _:
            return value
