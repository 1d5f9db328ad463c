"""What a wire is: it turns our types into calls, and replies into our types, and never does I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from shared_core.errors import BackendError
from shared_core.types import ChatRequest, ChatResponse, EmbedRequest, EmbedResponse, Event, ListedModel

Json: TypeAlias = dict[str, Any]
"""A JSON object."""


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request: a path below the base URL, headers of its own, and an encoded body.

    `dropped` names the options of the caller's that the place does not take and that were left out. `reader` reads
    the answer where the wire alone cannot, because it must know what this call asked for.
    """

    path: str
    body: bytes
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    reader: Reader | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """One whole HTTP answer; header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Decoder(Protocol):
    """Turns the bytes of one streamed answer into events, in whatever pieces they come."""

    @property
    def done(self) -> bool:
        """Whether the answer is whole, its `Finish` handed out; what may still come means nothing."""
        ...

    def feed(self, chunk: bytes) -> list[Event]:
        """Take the next bytes. Raises a `BackendError` for an error the place sends in its stream."""
        ...

    def close(self) -> list[Event]:
        """Take the end of the bytes; if the `Finish` is not out yet, it comes here. Raises `StreamInterruptedError`."""
        ...


class Reader(Protocol):
    """What turns the answers to a chat call into our types."""

    def decode_chat(self, reply: Reply, model: str) -> ChatResponse:
        """The answer in a whole reply. Raises `ProtocolError`."""
        ...

    def decoder(self, headers: Mapping[str, str], model: str) -> Decoder:
        """A fresh decoder for one streamed reply with these headers."""
        ...


class Wire(Reader, Protocol):
    """One HTTP API."""

    def encode_chat(self, request: ChatRequest, model: str, *, stream: bool) -> Call:
        """The call that asks for an answer. Raises `UnsupportedError` for what the API has no form for."""
        ...

    def encode_embed(self, request: EmbedRequest, model: str) -> Call:
        """The call that asks for vectors."""
        ...

    def decode_embed(self, reply: Reply, model: str) -> EmbedResponse:
        """The vectors, in the order of the texts. Raises `ProtocolError`."""
        ...

    def encode_models(self) -> Call:
        """The call that asks what the place serves."""
        ...

    def decode_models(self, reply: Reply) -> list[ListedModel]:
        """What the place serves. Raises `ProtocolError`."""
        ...

    def error(self, reply: Reply, model: str) -> BackendError:
        """What a reply with an error status means."""
        ...
