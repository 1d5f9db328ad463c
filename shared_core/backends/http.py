"""A backend reached over HTTP: a place, a transport and one model."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar

from shared_core.backends.advice import explain, images_explained, warn_dropped
from shared_core.backends.base import AsyncStream, Stream
from shared_core.backends.catalog import Place
from shared_core.backends.embed_job import Plan, fitting
from shared_core.backends.embed_options import EmbedOptions
from shared_core.backends.embedding import aembed_all, embed_all
from shared_core.backends.keys import SECRET_HEADERS, find_key, secrets_in
from shared_core.backends.names import without_own_prefix
from shared_core.backends.options import window_of
from shared_core.backends.retry import attempts
from shared_core.backends.surface import Surface, Way
from shared_core.errors import BackendError, ToolCallRefusedError
from shared_core.folding import fold
from shared_core.models import find_model, resolve_model
from shared_core.transport import AsyncStreamReply, StreamReply, Transport
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
from shared_core.version import __version__
from shared_core.wire import Call, Reader, Reply
from shared_core.wire.failed_calls import recover_answer, recover_calls
from shared_core.wire.merging import merged

if TYPE_CHECKING:
    import httpx
    from pydantic import SecretStr

_Answer = TypeVar("_Answer", ChatResponse, EmbedResponse, list[ListedModel])
_NO_MODEL = ""
_Encode: TypeAlias = Callable[[str], Call]


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """How a place is called: seconds for each wait (`math.inf`: no bound), retries, headers and body of every call."""

    timeout: float = 30.0
    max_retries: int = 2
    headers: Mapping[str, str] | None = None
    body: Mapping[str, Any] = field(default_factory=dict)
    embed: EmbedOptions = field(default_factory=EmbedOptions)


class HttpBackend:
    """One model at one place that is reached over HTTP; immutable, for any number of threads and event loops.

    Pickling leaves out the key, secret headers and injected clients: the copy reads its key from the place's own
    environment variable, and raises `MissingKeyError` where that is not set.
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
        self._key = key
        self._options = options
        self._default_headers = _default_headers(options.headers or {})
        self._surface = Surface(place.roots)
        self._transport = Transport(base_url, self._headers, self._error, client=client, async_client=async_client)

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
        return self._transport.base_url

    @property
    def capabilities(self) -> Capabilities:
        """What the sources say of this model, under what holds for all models of the place."""
        info = find_model(self.name, self._id, base_url=self.base_url)
        known = info.capabilities if info else Capabilities()
        windows = [size for size in (known.context_window, window_of(self._place, self._options.body)) if size]
        return replace(known, **_set_flags(self._place.capabilities), context_window=min(windows, default=None))

    def with_model(self, model: str) -> Self:
        """The same place with another model, over the same connections."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._id = resolve_model(self.name, without_own_prefix(self.name, model), base_url=self.base_url)
        return other

    # --- calls ---

    def chat(self, request: ChatRequest) -> ChatResponse:
        """Answer, whole. Raises a `BackendError`."""
        try:
            with images_explained(self._place, request):
                encode, reader = self._chat_encoder(request)
                return self._send(self._id, encode, request.timeout, reader.decode_chat)
        except ToolCallRefusedError as error:
            return fold(self._recovered(error, request))

    async def achat(self, request: ChatRequest) -> ChatResponse:
        """Answer, whole. Raises a `BackendError`."""
        try:
            with images_explained(self._place, request):
                encode, reader = self._chat_encoder(request)
                return await self._asend(self._id, encode, request.timeout, reader.decode_chat)
        except ToolCallRefusedError as error:
            return fold(self._recovered(error, request))

    def stream(self, request: ChatRequest) -> Stream:
        """Answer, as it comes. Tried again only until the first event. Raises a `BackendError`."""
        try:
            with images_explained(self._place, request):
                yield from self._try_stream(request)
        except ToolCallRefusedError as error:
            yield from self._recovered(error, request)

    async def astream(self, request: ChatRequest) -> AsyncStream:
        """Answer, as it comes. Tried again only until the first event. Raises a `BackendError`."""
        try:
            with images_explained(self._place, request):
                async with aclosing(self._atry_stream(request)) as events:
                    async for event in events:
                        yield event
        except ToolCallRefusedError as error:
            for event in self._recovered(error, request):
                yield event

    def _try_stream(self, request: ChatRequest) -> Stream:
        (encode, reader), way = self._chat_encoder(request, stream=True), Way(self._surface, self._id)
        for attempt in attempts(self._options.max_retries, way.mends):
            time.sleep(attempt.delay)
            with attempt, self._explained():
                if way.asks:
                    with way.asking(way.asks):
                        way.learn(self.models())
                call = way.locate(encode(way.model))
                with self._transport.stream(call, self._timeout(request.timeout)) as reply:
                    for event in self._events(reply, reader):
                        attempt.commit()
                        yield event

    async def _atry_stream(self, request: ChatRequest) -> AsyncStream:
        (encode, reader), way = self._chat_encoder(request, stream=True), Way(self._surface, self._id)
        for attempt in attempts(self._options.max_retries, way.mends):
            await asyncio.sleep(attempt.delay)
            with attempt, self._explained():
                if way.asks:
                    with way.asking(way.asks):
                        way.learn(await self.amodels())
                call = way.locate(encode(way.model))
                async with (
                    self._transport.astream(call, self._timeout(request.timeout)) as reply,
                    aclosing(self._aevents(reply, reader)) as events,
                ):
                    async for event in events:
                        attempt.commit()
                        yield event

    def embed(self, request: EmbedRequest) -> EmbedResponse:
        """Vectors in the order of the texts, by as many calls as it takes. Raises a `BackendError`, with `partial`."""
        return embed_all(self._embed_batch, request, self._embed_plan())

    async def aembed(self, request: EmbedRequest) -> EmbedResponse:
        """Vectors in the order of the texts, by as many calls as it takes. Raises a `BackendError`, with `partial`."""
        return await aembed_all(self._aembed_batch, request, self._embed_plan())

    def with_embed_options(self, options: EmbedOptions) -> Self:
        """The same model; what `options` say goes before what was said when it was connected."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._options = replace(self._options, embed=options.over(self._options.embed))
        return other

    def _embed_batch(self, request: EmbedRequest) -> EmbedResponse:
        return self._send(self._id, self._embed_encoder(request), request.timeout, self._embed_decoder(request))

    async def _aembed_batch(self, request: EmbedRequest) -> EmbedResponse:
        return await self._asend(self._id, self._embed_encoder(request), request.timeout, self._embed_decoder(request))

    def models(self) -> list[ListedModel]:
        """Ask the place what it serves. Raises a `BackendError`."""
        return self._send(_NO_MODEL, *self._listing())

    async def amodels(self) -> list[ListedModel]:
        """Ask the place what it serves. Raises a `BackendError`."""
        wire = self._place.wire
        return await self._asend(
            _NO_MODEL, lambda _: wire.encode_models(), None, lambda reply, _: wire.decode_models(reply)
        )

    def _listing(self) -> tuple[_Encode, None, Callable[[Reply, str], list[ListedModel]]]:
        wire = self._place.wire
        return lambda _: wire.encode_models(), None, lambda reply, _: wire.decode_models(reply)

    # --- drivers ---

    def _send(
        self, asked: str, encode: _Encode, timeout: float | None, decode: Callable[[Reply, str], _Answer]
    ) -> _Answer:
        way = Way(self._surface, asked)
        tries = attempts(self._options.max_retries, way.mends)
        while True:
            attempt = next(tries)
            time.sleep(attempt.delay)
            with attempt, self._explained():
                if way.asks:
                    with way.asking(way.asks):
                        way.learn(self.models())
                reply = self._transport.send(way.locate(encode(way.model)), self._timeout(timeout))
                return self._signed(decode(reply, self._id))

    async def _asend(
        self,
        asked: str,
        encode: _Encode,
        timeout: float | None,  # noqa: ASYNC109 - on each wait, not on the whole
        decode: Callable[[Reply, str], _Answer],
    ) -> _Answer:
        way = Way(self._surface, asked)
        tries = attempts(self._options.max_retries, way.mends)
        while True:
            attempt = next(tries)
            await asyncio.sleep(attempt.delay)
            with attempt, self._explained():
                if way.asks:
                    with way.asking(way.asks):
                        way.learn(await self.amodels())
                reply = await self._transport.asend(way.locate(encode(way.model)), self._timeout(timeout))
                return self._signed(decode(reply, self._id))

    def _events(self, reply: StreamReply, reader: Reader) -> Iterator[Event]:
        decoder = reader.decoder(reply.headers, self._id)
        try:
            for chunk in reply.chunks:
                yield from self._all_signed(decoder.feed(chunk))
        except BackendError:
            if not decoder.done:  # after the answer, only the connection's next use is at stake
                raise
        yield from self._all_signed(decoder.close())

    async def _aevents(self, reply: AsyncStreamReply, reader: Reader) -> AsyncGenerator[Event, None]:
        decoder = reader.decoder(reply.headers, self._id)
        try:
            async with aclosing(reply.chunks) as chunks:
                async for chunk in chunks:
                    for event in self._all_signed(decoder.feed(chunk)):
                        yield event
        except BackendError:
            if not decoder.done:
                raise
        for event in self._all_signed(decoder.close()):
            yield event

    # --- what all calls share ---

    def _chat_encoder(self, request: ChatRequest, *, stream: bool = False) -> tuple[_Encode, Reader]:
        """What makes the call for a model id, and what reads the answer; what has no form is refused here, at once."""
        if body := self._options.body:
            request = request.model_copy(update={"extra": merged(body, request.extra)})
        with self._explained():
            call = self._place.wire.encode_chat(request, self._id, stream=stream)
        if call.dropped:
            warn_dropped(self.name, call.dropped)

        def encode(model: str) -> Call:
            return call if model == self._id else self._place.wire.encode_chat(request, model, stream=stream)

        return encode, call.reader or self._place.wire

    def _embed_encoder(self, request: EmbedRequest) -> _Encode:
        if body := self._options.body:
            request = request.model_copy(update={"extra": merged(body, request.extra)})
        return lambda model: self._place.wire.encode_embed(request, model)

    def _embed_decoder(self, request: EmbedRequest) -> Callable[[Reply, str], EmbedResponse]:
        return lambda reply, model: fitting(self._place.wire.decode_embed(reply, model), request)

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
        return self._all_signed([*answer, *calls, finish])

    def _timeout(self, of_request: float | None) -> float | None:
        timeout = of_request or self._options.timeout
        return None if math.isinf(timeout) else timeout

    def _signed(self, answer: _Answer) -> _Answer:
        if isinstance(answer, EmbedResponse):
            answer.backend = self.name
        elif isinstance(answer, ChatResponse):
            self._sign(answer.finish)
        return answer

    def _all_signed(self, events: list[Event]) -> list[Event]:
        if events and isinstance(events[-1], Finish):
            self._sign(events[-1])
        return events

    def _sign(self, finish: Finish) -> None:
        finish.backend = self.name
        finish.model = finish.model or self._id

    def _headers(self) -> dict[str, str]:
        if self._key is None:
            return self._default_headers
        return {"authorization": f"Bearer {self._key.get_secret_value()}", **self._default_headers}

    def _secrets(self) -> list[str]:
        key = [] if self._key is None else [self._key.get_secret_value()]
        return [*key, *secrets_in(self._default_headers)]

    def _error(self, reply: Reply) -> BackendError:
        return self._place.wire.error(reply, self._id)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except BackendError as error:
            explain(error, self._place, self._id, self._secrets())
            raise

    # --- copies and pictures ---

    def __repr__(self) -> str:
        return f"<{self.name} {self.model} at {self.base_url}>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        headers = {k: v for k, v in (self._options.headers or {}).items() if k.lower() not in SECRET_HEADERS}
        options = replace(self._options, headers=headers)
        return _rebuild, (self._place, self._id, self.base_url, options)


def _rebuild(place: Place, model: str, base_url: str, options: HttpOptions) -> HttpBackend:
    return HttpBackend(place, model, base_url, find_key(place, None), options)


def _default_headers(given: Mapping[str, str]) -> dict[str, str]:
    return {
        "accept": "*/*",
        "user-agent": f"multillm-plugins/{__version__}",
        **{name.lower(): value for name, value in given.items()},
    }


def _set_flags(capabilities: Capabilities) -> dict[str, Any]:
    named = ((field.name, getattr(capabilities, field.name)) for field in fields(Capabilities))
    return {name: value for name, value in named if value is not None}
