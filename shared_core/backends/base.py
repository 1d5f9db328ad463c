"""The protocols: whatever has these methods is a backend."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import Protocol, Self, TypeAlias, runtime_checkable

from shared_core.types import Capabilities, ChatRequest, ChatResponse, EmbedRequest, EmbedResponse, Event

Stream: TypeAlias = Generator[Event, None, None]
AsyncStream: TypeAlias = AsyncGenerator[Event, None]


@runtime_checkable
class ChatBackend(Protocol):
    """One chat model at one place.

    A stream ends with exactly one `Finish`, last, or raises a `BackendError`; `fold(stream(r))` equals `chat(r)`.
    Closing a stream (`close`, `aclose`), or cancelling the task that reads it, stops the work behind it.
    All methods may be called from any number of threads and event loops at once.
    """

    @property
    def name(self) -> str:
        """The place, such as "groq"."""
        ...

    @property
    def model(self) -> str:
        """The model's id at that place."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What this model can do there; data, no network."""
        ...

    def with_model(self, model: str) -> Self:
        """The same place with another model, over the same connections."""
        ...

    def chat(self, request: ChatRequest) -> ChatResponse:
        """Answer, whole."""
        ...

    def stream(self, request: ChatRequest) -> Stream:
        """Answer, as it comes."""
        ...

    async def achat(self, request: ChatRequest) -> ChatResponse:
        """Answer, whole, without blocking the event loop."""
        ...

    def astream(self, request: ChatRequest) -> AsyncStream:
        """Answer, as it comes, without blocking the event loop."""
        ...


@runtime_checkable
class EmbedBackend(Protocol):
    """One embedding model at one place."""

    @property
    def name(self) -> str:
        """The place, such as "together"."""
        ...

    @property
    def model(self) -> str:
        """The model's id at that place."""
        ...

    def with_model(self, model: str) -> Self:
        """The same place with another model, over the same connections."""
        ...

    def embed(self, request: EmbedRequest) -> EmbedResponse:
        """Vectors in the order of the texts."""
        ...

    async def aembed(self, request: EmbedRequest) -> EmbedResponse:
        """Vectors in the order of the texts, without blocking the event loop."""
        ...


@runtime_checkable
class CountsTokens(Protocol):
    """A backend that has the model's own tokenizer at hand."""

    def count_tokens(self, text: str) -> int:
        """Tokens of `text`, special tokens not added."""
        ...


class Backend(ChatBackend, EmbedBackend, Protocol):
    """A place that chats and embeds; which of the two its model can do shows when it is asked."""
