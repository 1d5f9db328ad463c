"""Where a model runs: the constructor arguments that the LLM and the embedding share."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from llama_index.core.schema import BaseComponent
from pydantic import ConfigDict, Field, PrivateAttr, SecretStr, field_serializer

from shared_core import (
    Backend,
    ChatBackend,
    ConfigurationError,
    EmbedBackend,
    as_names,
    harmless,
    harmless_url,
    revealed,
    targets,
)

_OPTIONS = (
    "api_key", "base_url", "timeout", "max_retries", "default_headers", "http_client", "async_http_client"
)  # fmt: skip
_LOCAL_OPTIONS = (
    "n_ctx", "n_gpu_layers", "n_threads", "model_dir", "keep_alive", "load_timeout", "chat_template", "pooling"
)  # fmt: skip
_ARGUMENTS = ("backend", "model", *_OPTIONS, *_LOCAL_OPTIONS)
_NOT_WRITTEN = ("api_key", "http_client", "async_http_client")
_SHARED = ("backend", "http_client", "async_http_client", "rate_limiter", "callback_manager", "embeddings_cache")
_COMMON = frozenset(
    {"backend", "model", "purpose", *_OPTIONS, "batch_size", "max_concurrency", "prefixes", "normalize"}
)
_OTHER_NAMES = {"api_base": "base_url", "request_timeout": "timeout"}


class Connected(BaseComponent):
    """A component over one backend.

    What is misspelt, unknown or lacks a key is reported when the object is made, as `shared_core` words it. The key
    is no part of `repr`, `to_dict` or a pickle; whoever restores an object from these reads it from the environment.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        arbitrary_types_allowed=True, extra="forbid", hide_input_in_errors=True, protected_namespaces=()
    )

    backend: str | ChatBackend | EmbedBackend | Sequence[str | ChatBackend | EmbedBackend] | None = Field(
        default=None,
        description="A place by name, or anything that is a backend; serialised as its name. A list of these is a "
        "route: the first is asked as long as it works, then the next; other policies are those of a Router.",
    )
    model: str | None = Field(default=None, description="The model's name or id, or `backend/model`.")
    api_key: SecretStr | None = Field(default=None, exclude=True, repr=False, description="Else from the environment.")
    base_url: str | None = Field(default=None, description="Instead of the place's own URL.")
    timeout: float | None = Field(default=None, description="Seconds for one request.")
    max_retries: int | None = Field(
        default=None, description="Further attempts of a request that failed, at each target of a route."
    )
    default_headers: dict[str, str] | None = Field(
        default=None, repr=False, description="Sent with every request; those that look secret are not written down."
    )
    http_client: object | None = Field(
        default=None, exclude=True, repr=False, description="An httpx client of your own, of either kind."
    )
    async_http_client: object | None = Field(default=None, exclude=True, repr=False, description="The async one.")
    n_ctx: int | None = Field(default=None, description="llama.cpp and Ollama: context window in tokens.")
    n_gpu_layers: int | None = Field(default=None, description="llama.cpp: layers on the GPU, -1 for all.")
    n_threads: int | None = Field(default=None, description="llama.cpp: CPU threads.")
    model_dir: str | Path | None = Field(default=None, description="llama.cpp: where model files are searched.")
    keep_alive: float | None = Field(
        default=300, description="llama.cpp and Ollama: idle seconds until the model is unloaded, `None` for never."
    )

    load_timeout: float | None = Field(default=None, description="llama.cpp: seconds for loading the model.")
    chat_template: str | None = Field(default=None, description="llama.cpp: Jinja, instead of the model's own.")
    pooling: Literal["mean", "cls", "last"] | None = Field(
        default=None, description="llama.cpp: how vectors of tokens become one, instead of the model's own."
    )
    backend_options: dict[str, Any] | None = Field(
        default=None,
        repr=False,
        description="Options of the place's own, as connect() takes them, such as a region; what may be a key, like "
        "Llama Stack's provider_data, is not written down, and is gone when the object is restored.",
    )

    _purpose: ClassVar[Literal["chat", "embedding"]] = "chat"
    _connection: tuple[tuple[object, ...], Backend] | None = PrivateAttr(default=None)

    if not TYPE_CHECKING:  # checkers see the fields as arguments, which is more than this signature says

        def __init__(self, model: str | None = None, **options: object) -> None:
            super().__init__(**_without_plain_key(_known(type(self), {"model": model, **options})))
            # Not in a validator: pydantic would wrap the error, and show the arguments with it.
            _ = self._place

    @property
    def api_base(self) -> str | None:
        """`base_url` by its older name."""
        return self.base_url

    @property
    def _place(self) -> Backend:
        """The backend, connected again when an argument it depends on has changed."""
        listed = tuple(self.backend) if isinstance(self.backend, list) else None  # as it is now: lists change
        wanted = (listed, *map(self.__dict__.get, _ARGUMENTS), revealed(self.backend_options))
        if self._connection is None or self._connection[0] != wanted:
            self._connection = (wanted, self._connect())
        return self._connection[1]

    def _connect(self) -> Backend:
        # With these comes the HTTP library, which importing this package need not load.
        from shared_core import connect, connect_route

        backend = self.backend
        if backend is None or isinstance(backend, str):
            return connect(backend, model=self.model, purpose=self._purpose, **self._options() | self._own_options())
        if isinstance(backend, Sequence):
            listed = cast("Sequence[str | Backend]", backend)
            options = self._options() | self._own_options()
            return connect_route(listed, model=self.model, purpose=self._purpose, **options)
        own = sorted([*self._options(), *([] if self.backend_options is None else ["backend_options"])])
        if own:
            raise ConfigurationError(f"{', '.join(own)}: a backend object brings its own, pass this to connect()")
        chosen = backend.with_model(self.model) if self.model else backend
        return cast("Backend", chosen)  # which half of the protocol it lacks shows when it is asked

    def _options(self) -> dict[str, Any]:
        given = {name: getattr(self, name) for name in (*_OPTIONS, *_LOCAL_OPTIONS)}
        fields = type(self).model_fields
        changed = {name: value for name, value in given.items() if value != fields[name].default}
        # For connect() an option that is None is not given.
        return {name: math.inf if value is None else value for name, value in changed.items()}

    def _own_options(self) -> dict[str, Any]:
        own: dict[str, Any] = revealed(self.backend_options) or {}
        if common := sorted(own.keys() & _COMMON):
            raise ConfigurationError(
                f"{', '.join(common)}: not one of a place's own options, pass this to {type(self).__name__} itself"
            )
        return own

    @field_serializer("default_headers", "backend_options")
    def _harmless(self, given: dict[str, Any] | None) -> dict[str, Any] | None:
        return harmless(given) or None

    @field_serializer("model_dir")
    def _as_text(self, path: str | Path | None) -> str | None:
        return None if path is None else str(path)

    @field_serializer("backend")
    def _backend_as_names(self, backend: Any) -> object:  # noqa: ANN401 - whatever stands for a backend
        if not isinstance(backend, str) and (isinstance(backend, Sequence) or targets(backend)):
            return as_names(backend, with_model=self.model is None)
        return backend if backend is None or isinstance(backend, str) else self._place.name

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        try:
            is_route = targets(self._place)
            yield "backend", as_names(self._place, with_model=True) if is_route else self._place.name
            yield "model", self._place.model
        except ConfigurationError:  # while one argument is changed after the other
            yield from (("backend", self.backend), ("model", self.model))
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            told = field.repr and not field.exclude and name not in {"backend", "model"}
            if told and value != field.get_default(call_default_factory=True, validated_data={}):
                yield name, harmless_url(value) if name == "base_url" else value

    # --- changing, copying, pickling -------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, _without_plain_key({name: value})[name])

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Any:  # noqa: ANN401 - pydantic's signature
        # These are shared, not doubled: their connections, limits and contents are the point of them.
        shared = [*map(self.__dict__.get, _SHARED), *(self.__pydantic_private__ or {}).values()]
        return super().__deepcopy__({**(memo or {}), **{id(item): item for item in shared}})

    def __getstate__(self) -> dict[str, Any]:
        filtered = {name: harmless(getattr(self, name)) or None for name in ("default_headers", "backend_options")}
        bare = self.model_copy(update={**dict.fromkeys(_NOT_WRITTEN), **filtered})
        object.__setattr__(bare, "__pydantic_private__", None)
        state = super(Connected, bare).__getstate__()
        if "backend" not in state["__dict__"]:
            raise pickle.PicklingError(f"the backend {self._place.name!r} cannot be pickled: pass one by name")
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state["__dict__"])  # type: ignore[misc]


def _known(kind: type[Connected], arguments: dict[str, Any]) -> dict[str, Any]:
    given = {_OTHER_NAMES.get(name, name): value for name, value in arguments.items() if name != "class_name"}
    for name in given.keys() - kind.model_fields.keys():
        near = get_close_matches(name, kind.model_fields, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigurationError(f"{kind.__name__} takes no argument {name!r}.{hint}")
    return given


def _without_plain_key(options: dict[str, Any]) -> dict[str, Any]:
    key = options.get("api_key")
    return {**options, "api_key": SecretStr(key)} if isinstance(key, str) else options
