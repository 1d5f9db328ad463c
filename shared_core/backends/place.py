"""What is known of a place that is reached over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared_core.errors import BackendError
from shared_core.types import Capabilities
from shared_core.wire import Wire
from shared_core.wire.openai import OpenAIWire


@dataclass(frozen=True, slots=True)
class Option:
    """Where the value of one of a place's own options goes: to a path in the body, to headers, or into the URL.

    `none` is what `None` means, where it does not mean that the option is not given. An option that is a `window`
    bounds the context window.
    """

    body: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    url: str | None = None
    none: object = None
    window: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """One place, and all that must be known to use it.

    `base_url` may hold `{region}`. `key` is the only environment variable an API key is ever read from.
    `url_variable` is one that may move `base_url`. `chat_model` and `embedding_model` are taken when the caller names
    none; `None` means that the place serves what its operator chose. A `server` is run by its users, so its URL may
    come without `/v1`; one that is `free` bills no tokens, but where the base URL or the model's id has one of
    `billed_marks` in it. A flag of `capabilities` that is set holds for every model of the place. `options` are those
    that `connect` takes for this place alone. `image_limits` are told when images are refused. `embed_batch` is the
    most texts that one call for vectors may have, where that is known. Where versions of a server have their API below
    different paths, `roots` are these, the likeliest first. `advice` is what to do about an error there, instead of
    what is said elsewhere; it may hold `{model}`.
    """

    name: str
    title: str
    base_url: str
    key: str | None = None
    key_required: bool = True
    chat_model: str | None = None
    embedding_model: str | None = None
    aliases: tuple[str, ...] = ()
    url_variable: str | None = None
    server: bool = False
    free: bool = False
    billed_marks: tuple[str, ...] = ()
    capabilities: Capabilities = field(default_factory=Capabilities)
    options: Mapping[str, Option] = field(default_factory=dict)
    roots: tuple[str, ...] = ("",)
    advice: Mapping[type[BackendError], str] = field(default_factory=dict)
    image_limits: str | None = None
    embed_batch: int | None = None
    wire: Wire = field(default_factory=OpenAIWire)

    @property
    def tells_kind(self) -> bool:
        """Whether the place is told if a text asks, and puts before it what its model wants."""
        return isinstance(self.wire, OpenAIWire) and bool(self.wire.embed_kinds)
