"""A backend reached over HTTP: one model at one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Self, TypeVar

from shared_core.backends.advice import images_explained, warn_dropped
from shared_core.backends.base import AsyncStream, Stream
from shared_core.backends.embed_job import Plan, fitting
from shared_core.backends.embed_options import EmbedOptions
from shared_core.backends.embedding import aembed_all, embed_all
from shared_core.backends.exchange import Encode, Exchange, Patience
from shared_core.backends.keys import find_key
from shared_core.backends.names import without_own_prefix
from shared_core.backends.options import window_of
from shared_core.backends.place import Place
from shared_core.disclosure import harmless
from shared_core.errors import ToolCallRefusedError
from shared_core.folding import fold
from shared_core.models import Price, find_model, find_price, resolve_model
from shared_core.types import (
    Capabilities,
    ChatRequest,
    ChatResponse,
    EmbedRequest,
    EmbedResponse,
    Event,
    Finish,
    FinishReason,
    ListedModel,
)
from shared_core.wire import Call, Reader, Reply
from shared_core.wire.failed_calls import recover_answer, recover_calls
from shared_core.wire.merging import merged

if TYPE_CHECKING:
    import httpx
    from pydantic import SecretStr

_Request = TypeVar("_Request", ChatRequest, EmbedRequest)


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """How a place is called: for how long, with which headers and body on every call, and how texts are embedded."""

    patience: Patience = field(default_factory=Patience)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    embed: EmbedOptions = field(default_factory=EmbedOptions)


class HttpBackend:
    """One model at one place that is reached over HTTP; immutable, for any number of threads and event loops.

    Pickling leaves out the key, injected clients, and what looks secret in headers and body: the copy reads its key
    from the place's own environment variable, and raises `MissingKeyError` where that is not set.
    """

    def __init__(
        self,
        place: Place,
        model: str,
        base_url: str,
        key: SecretStr | None,
        options: HttpOptions,
        *,
        client: httpx.Client | None = None,
        async_client: httpx.AsyncClient | None = None,
    ) -> None:
        self._place = place
        self._id = resolve_model(place.name, model, base_url=base_url)
        self._options = options
        self._exchange = Exchange(place, base_url, key, options.headers, client=client, async_client=async_client)

    @property
    def name(self) -> str:
        """The place, such as "groq"."""
        return self._place.name

    @property
    def model(self) -> str:
        """The model's id at that place."""
        return self._id

    @property
    def base_url(self) -> str:
        """Where the place is."""
        return self._exchange.base_url

    @property
    def capabilities(self) -> Capabilities:
        """What the sources say of this model, under what holds for all models of the place."""
        info = find_model(self.name, self._id, base_url=self.base_url)
        known = info.capabilities if info else Capabilities()
        windows = [size for size in (known.context_window, window_of(self._place, self._options.body)) if size]
        return replace(known, **_set_flags(self._place.capabilities), context_window=min(windows, default=None))

    @property
    def price(self) -> Price | None:
        """What it costs by list price, nothing at a server that does not bill; `None` is unknown."""
        where = f"{self.base_url}/{self._id}"
        if self._place.free and not any(mark in where for mark in self._place.billed_marks):
            return Price(0.0, 0.0)
        return find_price(self.name, self._id, base_url=self.base_url)

    # --- siblings, over the same connections ---

    def with_model(self, model: str) -> Self:
        """The same place with another model."""
        return self._sibling(_id=resolve_model(self.name, without_own_prefix(self.name, model), base_url=self.base_url))

    def with_embed_options(self, options: EmbedOptions) -> Self:
        """The same model; what `options` say goes before what was said when it was connected."""
        return self._sibling(_options=replace(self._options, embed=options.over(self._options.embed)))

    def without_retries(self) -> Self:
        """The same model, each call made once: a route alone decides whether there is another attempt."""
        once = replace(self._options.patience, max_retries=0)
        return self._sibling(_options=replace(self._options, patience=once))

    def _sibling(self, **changed: object) -> Self:
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, **changed)
        return other

    # --- calls ---

    def chat(self, request: ChatRequest) -> ChatResponse:
        """Answer, whole. Raises a `BackendError`."""
        try:
            with images_explained(self._place, request):
                encode, reader = self._chat_call(request)
                return self._signed(
                    self._exchange.send(self._id, encode, reader.decode_chat, self._options.patience, request.timeout)
                )
        except ToolCallRefusedError as error:
            return fold(self._recovered(error, request))

    async def achat(self, request: ChatRequest) -> ChatResponse:
        """Answer, whole. Raises a `BackendError`."""
        try:
            with images_explained(self._place, request):
                encode, reader = self._chat_call(request)
                return self._signed(
                    await self._exchange.asend(
                        self._id, encode, reader.decode_chat, self._options.patience, request.timeout
                    )
                )
        except ToolCallRefusedError as error:
            return fold(self._recovered(error, request))

    def stream(self, request: ChatRequest) -> Stream:
        """Answer, as it comes. Tried again only until the first event. Raises a `BackendError`."""
        try:
            with images_explained(self._place, request):
                encode, reader = self._chat_call(request, stream=True)
                for event in self._exchange.stream(self._id, encode, reader, self._options.patience, request.timeout):
                    yield self._sign(event)
        except ToolCallRefusedError as error:
            yield from self._recovered(error, request)

    async def astream(self, request: ChatRequest) -> AsyncStream:
        """Answer, as it comes. Tried again only until the first event. Raises a `BackendError`."""
        try:
            with images_explained(self._place, request):
                encode, reader = self._chat_call(request, stream=True)
                events = self._exchange.astream(self._id, encode, reader, self._options.patience, request.timeout)
                async with aclosing(events):
                    async for event in events:
                        yield self._sign(event)
        except ToolCallRefusedError as error:
            for event in self._recovered(error, request):
                yield event

    def embed(self, request: EmbedRequest) -> EmbedResponse:
        """Vectors in the order of the texts, by as many calls as it takes. Raises a `BackendError`, with `partial`."""
        return embed_all(self._embed_batch, request, self._embed_plan())

    async def aembed(self, request: EmbedRequest) -> EmbedResponse:
        """Vectors in the order of the texts, by as many calls as it takes. Raises a `BackendError`, with `partial`."""
        return await aembed_all(self._aembed_batch, request, self._embed_plan())

    def _embed_batch(self, request: EmbedRequest) -> EmbedResponse:
        encode, decode = self._embed_call(request)
        return self._exchange.send(self._id, encode, decode, self._options.patience, request.timeout)

    async def _aembed_batch(self, request: EmbedRequest) -> EmbedResponse:
        encode, decode = self._embed_call(request)
        return await self._exchange.asend(self._id, encode, decode, self._options.patience, request.timeout)

    def models(self) -> list[ListedModel]:
        """Ask the place what it serves. Raises a `BackendError`."""
        return self._exchange.models(self._options.patience)

    async def amodels(self) -> list[ListedModel]:
        """Ask the place what it serves. Raises a `BackendError`."""
        return await self._exchange.amodels(self._options.patience)

    # --- what the halves share ---

    def _chat_call(self, request: ChatRequest, *, stream: bool = False) -> tuple[Encode, Reader]:
        """What makes the call for a model id, and what reads the answer; what has no form is refused here, at once."""
        request, wire = self._completed(request), self._place.wire
        with self._exchange.explained(self._id):
            call = wire.encode_chat(request, self._id, stream=stream)
        if call.dropped:
            warn_dropped(self.name, call.dropped)

        def encode(model: str) -> Call:
            return call if model == self._id else wire.encode_chat(request, model, stream=stream)

        return encode, call.reader or wire

    def _embed_call(self, request: EmbedRequest) -> tuple[Encode, Callable[[Reply, str], EmbedResponse]]:
        completed, wire = self._completed(request), self._place.wire

        def decode(reply: Reply, model: str) -> EmbedResponse:
            response = fitting(wire.decode_embed(reply, model), request)
            response.backend = self.name
            return response

        return lambda model: wire.encode_embed(completed, model), decode

    def _completed(self, request: _Request) -> _Request:
        """With the body entries that the caller wants on every call."""
        if not self._options.body:
            return request
        return request.model_copy(update={"extra": merged(self._options.body, request.extra)})

    def _embed_plan(self) -> Plan:
        place = self._place
        return Plan(self._options.embed, self._id, self.name, place.embed_batch, place.tells_kind)

    def _recovered(self, error: ToolCallRefusedError, request: ChatRequest) -> list[Event]:
        """The call or answer that the place refused, if it is usable after all. Raises the error if not."""
        calls = recover_calls(error.generation, request.tools)
        answer = recover_answer(error.generation)
        if not calls and not answer:
            raise error
        reason: FinishReason = "tool_calls" if calls else "stop"
        finish = Finish(reason, request_id=error.request_id, metadata={"recovered": error.code})
        return [*answer, *calls, self._sign(finish)]

    def _signed(self, response: ChatResponse) -> ChatResponse:
        self._sign(response.finish)
        return response

    def _sign(self, event: Event) -> Event:
        if isinstance(event, Finish):
            event.backend = self.name
            event.model = event.model or self._id
        return event

    # --- copies and pictures ---

    def __repr__(self) -> str:
        return f"<{self.name} {self.model} at {self.base_url}>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        given = self._options
        options = replace(given, headers=harmless(given.headers), body=harmless(given.body))
        return _rebuild, (self._place, self._id, self.base_url, options)


def _rebuild(place: Place, model: str, base_url: str, options: HttpOptions) -> HttpBackend:
    return HttpBackend(place, model, base_url, find_key(place, None), options)


def _set_flags(capabilities: Capabilities) -> dict[str, Any]:
    named = ((field.name, getattr(capabilities, field.name)) for field in fields(Capabilities))
    return {name: value for name, value in named if value is not None}
