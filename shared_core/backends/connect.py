"""Turns a name into a backend."""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast
from urllib.parse import urlsplit

from pydantic import SecretStr

from shared_core.backends.base import Backend
from shared_core.backends.catalog import CATALOG
from shared_core.backends.embed_options import EmbedOptions
from shared_core.backends.exchange import Patience
from shared_core.backends.http import HttpBackend, HttpOptions
from shared_core.backends.keys import find_key
from shared_core.backends.names import LOCAL, split_name
from shared_core.backends.options import body_of, fields_of, headers_of, known_or_raise, meant_by_none
from shared_core.backends.place import Place
from shared_core.errors import ConfigurationError, UnknownBackendError

if TYPE_CHECKING:
    import httpx

ENTRY_POINTS = "multillm.backends"
"""The entry point group in which other packages name backends: callables that take `model` and `connect`'s options."""

Purpose: TypeAlias = Literal["chat", "embedding"]

_EMBEDDING = ("batch_size", "max_concurrency", "prefixes", "normalize")
_COMMON = ", ".join(
    ["api_key, base_url, timeout, max_retries, default_headers, http_client, async_http_client", *_EMBEDDING]
)
# Vectors of llama.cpp in process have length 1, and it takes all texts at once.
_ONLY_HTTP = (
    *("api_key", "base_url", "max_retries", "default_headers", "http_client", "async_http_client"),
    *("batch_size", "max_concurrency", "normalize"),
)


def connect(
    backend: str | None = None,
    *,
    model: str | None = None,
    purpose: Purpose = "chat",
    **options: Any,
) -> Backend:
    """A model at a place, ready to be called; nothing is sent or loaded yet.

    `backend` is a name ("groq"), or a name and a model in one ("groq/gpt-oss-20b",
    "llama-cpp//models/llama-3-8b.gguf"); so is `model` where no `backend` is given. Without either it is Together's
    default model. A place's default model depends on the `purpose`.

    Options of places reached over HTTP: `api_key`, `base_url`, `timeout` (seconds, 30), `max_retries` (2),
    `default_headers`, `http_client` (an `httpx.Client` or `AsyncClient`, used and not closed), `async_http_client`, for
    vectors `batch_size`, `max_concurrency`, `prefixes` and `normalize` (see `EmbedOptions`), and the options of the
    place's own, such as `region` (bedrock), `provider_data` (llama_stack), `tags` (litellm), `num_ctx` (ollama).
    Options of llama.cpp in process: see `shared_core.local.connect_local`. An option that is `None` is not given,
    except `keep_alive`, whose `None` is "never unload".

    Raises `UnknownBackendError`, `MissingKeyError` or another `ConfigurationError`.
    """
    name, model = split_name(backend, model)
    given = {key: value for key, value in options.items() if value is not None}
    if name == LOCAL:
        forever = {"keep_alive": None} if options.get("keep_alive", 0) is None else {}
        return _connect_local(model, {**given, **forever})
    place = CATALOG.get(name)
    if place is not None:
        return _connect_http(place, model, purpose, **given, **meant_by_none(place, options))
    return _connect_entry_point(name, model, given)


# --- kinds of backends ---------------------------------------------------------------------------------------------


def _connect_local(model: str | None, options: dict[str, Any]) -> Backend:
    from shared_core.local import connect_local

    # What only means something over HTTP is no mistake here: the same arguments serve wherever the model runs.
    return connect_local(model or None, **{key: value for key, value in options.items() if key not in _ONLY_HTTP})


def _connect_entry_point(name: str, model: str | None, options: dict[str, Any]) -> Backend:
    found = next(iter(entry_points(group=ENTRY_POINTS, name=name)), None)
    if found is None:
        raise UnknownBackendError(_unknown(name))
    return cast("Backend", found.load()(model=model, **options))


def _unknown(name: str) -> str:
    known = sorted([*CATALOG, LOCAL, *(entry.name for entry in _registered())])
    near = get_close_matches(name, known, n=1)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    return f"there is no backend {name!r}.{guess} Known backends: {', '.join(known)}."


def _registered() -> list[EntryPoint]:
    return list(entry_points(group=ENTRY_POINTS))


def _connect_http(  # noqa: PLR0913 - the options that users know, by name
    place: Place,
    model: str | None,
    purpose: Purpose,
    *,
    api_key: str | SecretStr | None = None,
    base_url: str | None = None,
    timeout: float = 30.0,
    max_retries: int = 2,
    default_headers: Mapping[str, str] | None = None,
    http_client: httpx.Client | httpx.AsyncClient | None = None,
    async_http_client: httpx.AsyncClient | None = None,
    **own: Any,
) -> HttpBackend:
    embed = EmbedOptions.taken_from(own)
    known_or_raise(place, own, _COMMON)
    if timeout <= 0 or max_retries < 0:
        raise ConfigurationError(f"timeout={timeout!r} must be above 0 and max_retries={max_retries!r} not below 0")
    client, async_client = _clients(http_client, async_http_client)
    return HttpBackend(
        place,
        model or _default_model(place, purpose),
        _base_url(place, base_url, fields_of(place, own)),
        find_key(place, api_key),
        HttpOptions(
            Patience(timeout, max_retries),
            {**headers_of(place, own), **(default_headers or {})},
            body_of(place, own),
            embed,
        ),
        client=client,
        async_client=async_client,
    )


def _clients(
    client: httpx.Client | httpx.AsyncClient | None, async_client: httpx.AsyncClient | None
) -> tuple[httpx.Client | None, httpx.AsyncClient | None]:
    """Whichever of the two kinds came as `http_client`."""
    if client is None or hasattr(client, "close"):
        return cast("httpx.Client | None", client), async_client
    return None, async_client or client


def _default_model(place: Place, purpose: Purpose) -> str:
    model = place.chat_model if purpose == "chat" else place.embedding_model
    if model is None:
        raise ConfigurationError(
            f"{place.title} ({place.name}) has no default {purpose} model: pass model=... . "
            f"{place.base_url}/models lists what it serves."
        )
    return model


def _base_url(place: Place, given: str | None, filled: Mapping[str, str]) -> str:
    moved = given or (os.environ.get(place.url_variable, "").strip() if place.url_variable else "")
    if not moved:
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        return place.base_url.format(**{"region": region, **filled})
    url = moved.rstrip("/").removesuffix("/chat/completions")
    return _server_url(place, url) if place.server else url


def _server_url(place: Place, url: str) -> str:
    """Servers are named in short ways: "myhost:11434", "0.0.0.0" (Ollama's own OLLAMA_HOST), a URL without /v1."""
    usual = urlsplit(place.base_url)
    if "://" not in url:
        url = f"http://{url}" if ":" in url else f"http://{url}:{usual.port}"
    url = url.replace("//0.0.0.0", "//127.0.0.1", 1).replace("//:", "//127.0.0.1:", 1)
    path = urlsplit(url).path
    if usual.path:
        return url.removesuffix(path) + usual.path if path.strip("/") in ("", "v1") else url
    # Who has all APIs at the top is named with the path of one of them as well.
    named = next((end for end in ("/v1", "/api") if path.endswith(end)), "")
    return url.removesuffix(named) if named else url
