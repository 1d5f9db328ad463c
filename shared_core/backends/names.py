"""What backends are called, in every spelling, and where a backend's name stands in front of a model's."""

from __future__ import annotations

from shared_core.backends.catalog import CATALOG
from shared_core.errors import ConfigurationError
from shared_core.models import find_model

DEFAULT = "together"
LOCAL = "llama_cpp"
_LOCAL_ALIASES = frozenset({"llama_cpp", "llamacpp", "llama_cpp_python"})


def find_backend_name(name: str) -> str | None:
    """The proper name for any accepted spelling ("llama-cpp", "Together_AI"); `None` if no backend has it."""
    normal = _normal(name)
    if normal in CATALOG:
        return normal
    if normal in _LOCAL_ALIASES:
        return LOCAL
    return next((place.name for place in CATALOG.values() if normal in place.aliases), None)


def split_name(backend: str | None, model: str | None) -> tuple[str, str | None]:
    """The backend's proper name, and the model's without it. Raises `ConfigurationError` if a model is named twice."""
    if backend is not None:
        return _split_backend(backend, model)
    if model is None:
        return DEFAULT, None
    prefix, slash, rest = model.partition("/")
    name = find_backend_name(prefix) if slash else None
    if name is not None:
        return name, rest
    return (LOCAL if model.lower().endswith(".gguf") else DEFAULT), model


def without_own_prefix(name: str, model: str) -> str:
    """`backend="groq", model="groq/gpt-oss-20b"` says it twice; but gateways and vendors have ids that look so."""
    prefix, slash, rest = model.partition("/")
    if not slash or find_backend_name(prefix) != name:
        return model
    return rest if name == LOCAL or (find_model(name, rest) and not find_model(name, model)) else model


def _normal(name: str) -> str:
    return name.strip().lower().replace("-", "_").replace(".", "_").replace(" ", "_")


def _split_backend(backend: str, model: str | None) -> tuple[str, str | None]:
    prefix, slash, rest = backend.partition("/")
    name = find_backend_name(prefix) or _normal(prefix)
    if slash and model is not None:
        raise ConfigurationError(f"backend {backend!r} names a model already: leave out model={model!r}, or the '/...'")
    if slash:
        return name, rest
    return name, None if model is None else without_own_prefix(name, model)
