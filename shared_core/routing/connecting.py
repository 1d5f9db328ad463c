"""Makes a route of a list of places and backends, and gives each of them the options that mean something there."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import fields
from inspect import signature
from typing import Any

from shared_core.backends.base import Backend
from shared_core.backends.catalog import CATALOG
from shared_core.backends.connect import Purpose, connect
from shared_core.backends.embed_options import EmbedOptions
from shared_core.backends.names import LOCAL, split_name
from shared_core.errors import ConfigurationError, MissingDependencyError, MissingKeyError, ModelFileError
from shared_core.routing.policies import in_order
from shared_core.routing.router import Router

_EVERYWHERE = frozenset(
    {"timeout", "default_headers", "http_client", "async_http_client", *(field.name for field in fields(EmbedOptions))}
)
_ONE_PLACES = ("api_key", "base_url")
_SECRET = re.compile(r"auth|key|token|cookie|secret|passw|credential", re.IGNORECASE)
"""What headers are called that may hold one place's key."""
_NOT_HERE = (MissingKeyError, MissingDependencyError, ModelFileError)
"""What a machine lacks: the same list of targets serves where it has more."""
_RETRIES = 1


class SkippedTargetWarning(UserWarning):
    """A target of a route lacks its key, package or file on this machine; the route goes without it."""


def connect_route(
    targets: Sequence[str | Backend],
    *,
    model: str | None = None,
    purpose: Purpose = "chat",
    max_retries: int | None = None,
    **options: Any,
) -> Router:
    """A route over places and backends that asks them in this order, the first as long as it works.

    A place is named as `connect` takes it, and `model` is for those places that are named without one. Backends that
    are built are taken as they are. What a machine lacks the key, the package or the model file for is left out, with
    a `SkippedTargetWarning`, as long as something is left.

    `options` are `connect`'s: each place gets those that it takes. `api_key`, `base_url` and headers with a key belong
    to one place, so they are refused where the names are of several. `max_retries` is how often a target may be tried
    again after all others were. For all else that a route can be told, make a `Router`.

    Raises what `connect` raises, and `ConfigurationError` for what no target takes.
    """
    if isinstance(targets, str) or not targets:
        raise ConfigurationError("a route needs a list of targets: backends, or names such as 'groq/gpt-oss-20b'")
    given = {name: value for name, value in options.items() if value is not None or name == "keep_alive"}
    names = [split_name(target, None)[0] for target in targets if isinstance(target, str)]
    _check_model(targets, model)
    _check_options(names, given)
    found, missing = [], []
    for target in targets:
        try:
            found.append(_connected(target, model, purpose, given, names))
        except _NOT_HERE as error:
            missing.append((str(target), error))  # a built backend lacks nothing
    _report(missing, is_none_left=not found)
    route = Router(found, policy=in_order, retries=_RETRIES if max_retries is None else max_retries)
    if purpose == "embedding":
        route.check_same_model()
    return route


def _connected(
    target: str | Backend, model: str | None, purpose: Purpose, given: Mapping[str, Any], names: Sequence[str]
) -> Backend:
    if not isinstance(target, str):
        return _checked(target)
    name, own = split_name(target, None)
    options = {option: value for option, value in given.items() if _takes(name, option, names)}
    return connect(target, model=None if own else model, purpose=purpose, **options)


def _checked(target: Backend) -> Backend:
    if not hasattr(target, "with_model"):
        raise ConfigurationError(f"{target!r} is neither the name of a place nor an object with a backend's methods")
    return target


def _check_model(targets: Sequence[str | Backend], model: str | None) -> None:
    if model is not None and not any(isinstance(target, str) and "/" not in target for target in targets):
        raise ConfigurationError(
            f"every target of the route has a model already: leave out model={model!r}, or name places without one"
        )


def _check_options(names: Sequence[str], given: Mapping[str, Any]) -> None:
    for option in given:
        if not any(_takes(name, option, names) for name in names):
            raise ConfigurationError(_untaken(option, names))
    private = [option for option in _ONE_PLACES if option in given]
    private += [header for header in given.get("default_headers", {}) if _SECRET.search(header)]
    places = sorted({name for name in names if name != LOCAL})
    if private and len(places) > 1:
        raise ConfigurationError(
            f"{', '.join(private)}: this belongs to one place, and the route has {', '.join(places)}. Set each place's "
            f"environment variables, or put a backend into the list instead of its name: connect({places[0]!r}, ...)"
        )


def _untaken(option: str, names: Sequence[str]) -> str:
    if not names:
        return f"{option} cannot be applied to backends that are already built; pass it where you build them"
    return f"no target of the route takes {option}: they are {', '.join(dict.fromkeys(names))}"


def _takes(name: str, option: str, names: Sequence[str]) -> bool:
    """Whether an option means something there. What a place from another package takes is not known."""
    if option in _EVERYWHERE:
        return True
    if name == LOCAL:
        from shared_core.local import connect_local

        return option in signature(connect_local).parameters
    if option in _ONE_PLACES:
        return True
    if name in CATALOG:
        return option in CATALOG[name].options
    return not any(_takes(other, option, ()) for other in names if other in CATALOG or other == LOCAL)


def _report(missing: Sequence[tuple[str, ConfigurationError]], *, is_none_left: bool) -> None:
    if is_none_left:
        raise _nothing([error for _, error in missing])
    for target, error in missing:
        warnings.warn(f"the route goes without {target}: {_reason(target, error)}", SkippedTargetWarning, stacklevel=3)


def _reason(target: str, error: ConfigurationError) -> str:
    """Why it is left out; not what could be used instead, since that is what the others are for."""
    place = CATALOG.get(split_name(target, None)[0])
    return f"{place.key} is not set" if place and isinstance(error, MissingKeyError) else str(error)


def _nothing(errors: Sequence[ConfigurationError]) -> ConfigurationError:
    if len(errors) == 1:
        return errors[0]
    kinds = {type(error) for error in errors}
    kind = kinds.pop() if len(kinds) == 1 else ConfigurationError
    return kind(f"no target of the route can be used here: {'; '.join(map(str, errors))}")
