"""Which backend a set of constructor arguments stands for, and how it is kept, copied, shown and pickled."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, SkipValidation, field_serializer

from langchain_multillm.errors import langchain_errors
from langchain_multillm.routes import by_name, placed
from shared_core import (
    Backend,
    ConfigurationError,
    MissingKeyError,
    harmless,
    harmless_url,
    revealed,
)

Place: TypeAlias = str | Sequence[str | Backend] | Backend | None

_DEFAULT_KEEP_ALIVE = 300.0
_HTTP = ("api_key", "base_url", "default_headers", "http_client", "async_http_client")
_CALLS = ("timeout", "max_retries")
_LOCAL = ("n_ctx", "n_gpu_layers", "n_threads", "model_dir", "load_timeout", "chat_template", "pooling")
_PLACE = ("backend", "model", *_HTTP, *_CALLS, *_LOCAL, "keep_alive")
_COMMON = frozenset(
    {"backend", "purpose", "model", *_HTTP, *_CALLS, "batch_size", "max_concurrency", "prefixes", "normalize"}
)
_NOT_PICKLED = frozenset({"api_key", "http_client", "async_http_client"})
_FILTERED = ("default_headers", "backend_options")
_SHARED = frozenset({"backend", "http_client", "async_http_client", "rate_limiter", "cache", "callbacks"})


class Connected(BaseModel):
    """The arguments that say where a model runs, and the backend they stand for."""

    model_config = ConfigDict(
        arbitrary_types_allowed=True,
        extra="forbid",
        protected_namespaces=(),
        hide_input_in_errors=True,  # it may be a key
    )

    backend: Annotated[Place, SkipValidation] = None
    """A place ("groq", "llama_cpp", ...), or any object that is a backend. Without it the model's prefix decides.

    A list of these is a route: the first is asked as long as it works, then the next, as `shared_core.connect_route`
    has it. Other policies, deadlines and the like are those of a `Router`, which is a backend too.
    """

    model: str | None = None
    """The model: its canonical name or its id at the place, maybe with a prefix ("groq/gpt-oss-20b")."""

    api_key: SecretStr | None = Field(default=None, exclude=True, repr=False)
    """The key; by default from the place's own environment variable. It is never pickled or shown."""

    base_url: str | None = None
    """The URL, for a place other than the default one."""

    timeout: float | None = Field(default=None, gt=0)
    """Seconds for a call, and between the pieces of a stream."""

    max_retries: int | None = Field(default=None, ge=0)
    """How often a call is tried again when that may help; at a route, each target after all others failed too."""

    default_headers: dict[str, str] | None = Field(default=None, exclude=True, repr=False)
    """Headers sent with every call."""

    http_client: object | None = Field(default=None, exclude=True, repr=False)
    """An `httpx.Client` (or `AsyncClient`) of yours; whoever opened it closes it."""

    async_http_client: object | None = Field(default=None, exclude=True, repr=False)
    """An `httpx.AsyncClient` of yours, beside an `httpx.Client`."""

    n_ctx: int | None = Field(default=None, ge=1)
    """Context window in tokens, for a model in this process or at Ollama."""

    n_gpu_layers: int | None = None
    """Layers on the GPU, for a model in this process; -1 is all."""

    n_threads: int | None = Field(default=None, ge=1)
    """Threads, for a model in this process."""

    model_dir: str | None = None
    """Where model files are searched, for a model in this process."""

    load_timeout: float | None = Field(default=None, gt=0)
    """Seconds that loading may take, for a model in this process."""

    chat_template: str | None = None
    """A chat template instead of the model's own, Jinja or "chatml", for a model in this process."""

    pooling: Literal["mean", "cls", "last"] | None = None
    """How tokens' vectors become a text's, instead of the model's own way, for a model in this process."""

    keep_alive: float | None = _DEFAULT_KEEP_ALIVE
    """Idle seconds after which a model in this process, or at Ollama, is unloaded; 0 is at once, None is never.

    Ollama's own default is the same, unless who runs it has set another: that is left as it is.
    """

    backend_options: dict[str, Any] | None = Field(default=None, repr=False)
    """Options of the place's own, as `connect` takes them, such as `{"region": "eu-west-1"}` for Bedrock.

    They may hold keys, as `SecretStr` or text: Llama Stack's "provider_data", "api_key" and whatever else is named like
    one, at any depth, is never shown, dumped or pickled. An unpickled copy is without it.
    """

    _kept: tuple[tuple[object, ...], Backend] | None = PrivateAttr(default=None)
    _unpickled: bool = PrivateAttr(default=False)

    purpose: ClassVar[Literal["chat", "embedding"]] = "chat"
    """Decides a place's default model."""

    synonyms: ClassVar[Mapping[str, str]] = {"model_name": "model", "request_timeout": "timeout"}
    """Other packages' names of our arguments."""

    if not TYPE_CHECKING:  # type checkers get the signature that pydantic makes of the fields

        def __init__(self, **arguments: Any) -> None:
            with langchain_errors():
                super().__init__(**_known(type(self), arguments))
                # Here and not in a validator: pydantic would wrap the error, and show the arguments, key and all.
                _ = self.connection

    def model_post_init(self, context: Any, /) -> None:  # noqa: ANN401 - pydantic's type
        """Go on to LangChain's: pydantic's own, made for private attributes, would end here."""
        super().model_post_init(context)

    @property
    def connection(self) -> Backend:
        """The backend, connected on first use and again after a change of an argument it depends on."""
        named = self.__dict__.get("backend")
        listed = tuple(named) if isinstance(named, list) else None  # as it is now: lists change
        key = (listed, *map(self.__dict__.get, _PLACE), revealed(self.__dict__.get("backend_options")))
        if self._kept is None or self._kept[0] != key:
            with langchain_errors():
                self._kept = (key, self._connect())
        return self._kept[1]

    @property
    def call_timeout(self) -> float | None:
        """What a call must carry itself: a backend that came built does not know our `timeout`."""
        return None if self.backend is None or isinstance(self.backend, str) else self.timeout

    def _connect(self) -> Backend:
        if not isinstance(self.backend, str | list | tuple | None):
            return self._given()
        from shared_core import connect, connect_route  # here, because it loads the HTTP library

        options = {"model": self.model, "purpose": self.purpose, **self._options()}
        try:
            if self.backend is None or isinstance(self.backend, str):
                return connect(self.backend, **options)
            return connect_route(self.backend, **options | {"timeout": None})  # which each call carries
        except MissingKeyError as error:
            if self._unpickled:
                error.add_note("Keys are not pickled: the copy reads the environment variable.")
            raise

    def _given(self) -> Backend:
        """Take a backend that the caller built; the arguments that would have built one cannot apply to it."""
        place = self.backend
        if not hasattr(place, "with_model"):
            raise ConfigurationError(
                f"backend={place!r} is neither the name of a place, nor an object with a backend's methods, nor a list "
                "of these"
            )
        if unused := [name for name in (*_HTTP, *_LOCAL, "backend_options") if getattr(self, name) is not None]:
            raise ConfigurationError(
                f"{', '.join(unused)} cannot be applied to a backend that is already built; "
                "pass them where you build it, or pass the backend's name"
            )
        return place if self.model is None else place.with_model(self.model)  # type: ignore[union-attr, return-value]

    def _options(self) -> dict[str, Any]:
        options = {name: getattr(self, name) for name in (*_HTTP, *_CALLS, *_LOCAL)}
        if self.keep_alive != _DEFAULT_KEEP_ALIVE:  # only given where it means something
            options["keep_alive"] = self.keep_alive
        return options | self._own_options()

    def _own_options(self) -> dict[str, Any]:
        own: dict[str, Any] = revealed(self.backend_options) or {}
        if common := sorted(own.keys() & _COMMON):
            raise ConfigurationError(
                f"{', '.join(common)}: not one of a place's own options, pass this to {type(self).__name__} itself"
            )
        return own

    # --- showing, copying, pickling --------------------------------------------------------------------------------

    def place(self) -> dict[str, Any]:
        """Say where this is, without secrets: backend, base URL, model; of a route those of its targets too."""
        return placed(self.connection, self.base_url)

    @field_serializer("backend", when_used="json")
    def _routes_by_name(self, backend: Any) -> Any:  # noqa: ANN401 - pydantic's type
        return by_name(backend, with_model=self.model is None)

    @field_serializer("backend_options")
    def _harmless_options(self, options: dict[str, Any] | None) -> dict[str, Any] | None:
        return harmless(options) or None

    def __repr_args__(self) -> Any:  # noqa: ANN401 - pydantic's type
        shown = {name for name, field in type(self).model_fields.items() if not field.exclude} & self.model_fields_set
        for name, value in super().__repr_args__():
            if name in shown and value is not None:
                told = by_name(value, with_model=True) if name == "backend" else value
                yield name, harmless_url(told) if name == "base_url" else told

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        fields = {key: value for key, value in state["__dict__"].items() if key not in _NOT_PICKLED}
        fields |= dict.fromkeys(_NOT_PICKLED)
        fields |= {name: harmless(fields[name]) or None for name in _FILTERED}
        private = {**(state["__pydantic_private__"] or {}), "_kept": None, "_unpickled": True}
        return {**state, "__dict__": fields, "__pydantic_private__": private}

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        # Connections, limiters and caches are shared by design, and their locks could not be copied.
        shared = {name: value for name, value in self.__dict__.items() if name in _SHARED}
        stand_in = copy(self)
        stand_in.__dict__.update(dict.fromkeys(shared))
        stand_in.__pydantic_private__ = {**(self.__pydantic_private__ or {}), "_kept": None}
        copied = super(Connected, stand_in).__deepcopy__(memo)
        copied.__dict__.update(shared)
        return copied


def _known(kind: type[Connected], arguments: dict[str, Any]) -> dict[str, Any]:
    """Translate synonyms; report a name that nobody knows together with the nearest one."""
    given = {kind.synonyms.get(name, name): value for name, value in arguments.items()}
    names = {field.alias or name for name, field in kind.model_fields.items()} | set(kind.model_fields)
    if unknown := sorted(given.keys() - names):
        near = difflib.get_close_matches(unknown[0], names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigurationError(
            f"{kind.__name__} has no argument {unknown[0]!r}{hint} "
            "(what only one place knows goes into the request body with `extra`)"
        )
    return given
