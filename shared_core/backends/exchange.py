"""Sends the calls of one place: to where its API lies, tried again where that may help, with errors that explain."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from shared_core.backends.advice import explain
from shared_core.backends.base import AsyncStream, Stream
from shared_core.backends.keys import secrets_in
from shared_core.backends.place import Place
from shared_core.backends.retry import attempts
from shared_core.backends.surface import Surface, Way
from shared_core.errors import BackendError
from shared_core.transport import AsyncStreamReply, StreamReply, Transport
from shared_core.types import ChatResponse, EmbedResponse, Event, ListedModel
from shared_core.version import __version__
from shared_core.wire import Call, Reader, Reply

if TYPE_CHECKING:
    import httpx
    from pydantic import SecretStr

_Answer = TypeVar("_Answer", ChatResponse, EmbedResponse, list[ListedModel])
Encode: TypeAlias = Callable[[str], Call]
"""Makes the call for a model id: which one a server knows may be found out on the way."""

_NO_MODEL = ""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds for each wait (`math.inf`: no bound), and how often a call is tried again."""

    timeout: float = 30.0
    max_retries: int = 2

    def wait(self, of_request: float | None) -> float | None:
        """Seconds for the transport; what a request says goes first."""
        timeout = of_request or self.timeout
        return None if math.isinf(timeout) else timeout


class Exchange:
    """The way to one place, shared by all models that are used there; for any number of threads and event loops."""

    def __init__(
        self,
        place: Place,
        base_url: str,
        key: SecretStr | None,
        headers: Mapping[str, str],
        *,
        client: httpx.Client | None = None,
        async_client: httpx.AsyncClient | None = None,
    ) -> None:
        self.place = place
        self._key = key
        self._default_headers = _default_headers(headers)
        self._surface = Surface(place.roots)
        self._transport = Transport(base_url, self._headers, self._error, client=client, async_client=async_client)

    @property
    def base_url(self) -> str:
        """Where the place is."""
        return self._transport.base_url

    # --- drivers ---

    def send(
        self,
        model: str,
        encode: Encode,
        decode: Callable[[Reply, str], _Answer],
        patience: Patience,
        timeout: float | None,
    ) -> _Answer:
        """One call, its answer whole. Raises a `BackendError`."""
        way = Way(self._surface, model)
        tries = attempts(patience.max_retries, way.mends)
        while True:
            attempt = next(tries)
            time.sleep(attempt.delay)
            with attempt, self.explained(model):
                if way.asks:
                    with way.asking(way.asks):
                        way.learn(self.models(patience))
                return decode(self._transport.send(way.locate(encode(way.model)), patience.wait(timeout)), model)

    async def asend(
        self,
        model: str,
        encode: Encode,
        decode: Callable[[Reply, str], _Answer],
        patience: Patience,
        timeout: float | None,  # noqa: ASYNC109 - on each wait, not on the whole
    ) -> _Answer:
        """One call, its answer whole. Raises a `BackendError`."""
        way = Way(self._surface, model)
        tries = attempts(patience.max_retries, way.mends)
        while True:
            attempt = next(tries)
            await asyncio.sleep(attempt.delay)
            with attempt, self.explained(model):
                if way.asks:
                    with way.asking(way.asks):
                        way.learn(await self.amodels(patience))
                reply = await self._transport.asend(way.locate(encode(way.model)), patience.wait(timeout))
                return decode(reply, model)

    def stream(self, model: str, encode: Encode, reader: Reader, patience: Patience, timeout: float | None) -> Stream:
        """One call, its answer as it comes. Tried again only until the first event. Raises a `BackendError`."""
        way = Way(self._surface, model)
        for attempt in attempts(patience.max_retries, way.mends):
            time.sleep(attempt.delay)
            with attempt, self.explained(model):
                if way.asks:
                    with way.asking(way.asks):
                        way.learn(self.models(patience))
                with self._transport.stream(way.locate(encode(way.model)), patience.wait(timeout)) as reply:
                    for event in _events(reply, reader, model):
                        attempt.commit()
                        yield event

    async def astream(
        self,
        model: str,
        encode: Encode,
        reader: Reader,
        patience: Patience,
        timeout: float | None,  # noqa: ASYNC109 - on each wait, not on the whole
    ) -> AsyncStream:
        """One call, its answer as it comes. Tried again only until the first event. Raises a `BackendError`."""
        way = Way(self._surface, model)
        for attempt in attempts(patience.max_retries, way.mends):
            await asyncio.sleep(attempt.delay)
            with attempt, self.explained(model):
                if way.asks:
                    with way.asking(way.asks):
                        way.learn(await self.amodels(patience))
                async with (
                    self._transport.astream(way.locate(encode(way.model)), patience.wait(timeout)) as reply,
                    aclosing(_aevents(reply, reader, model)) as events,
                ):
                    async for event in events:
                        attempt.commit()
                        yield event

    def models(self, patience: Patience) -> list[ListedModel]:
        """Ask the place what it serves. Raises a `BackendError`."""
        return self.send(_NO_MODEL, self._encode_models, self._decode_models, patience, None)

    async def amodels(self, patience: Patience) -> list[ListedModel]:
        """Ask the place what it serves. Raises a `BackendError`."""
        return await self.asend(_NO_MODEL, self._encode_models, self._decode_models, patience, None)

    def _encode_models(self, _: str) -> Call:
        return self.place.wire.encode_models()

    def _decode_models(self, reply: Reply, _: str) -> list[ListedModel]:
        return self.place.wire.decode_models(reply)

    # --- keys and errors ---

    @contextmanager
    def explained(self, model: str) -> Iterator[None]:
        """Complete the errors of the place with backend, model and advice, and take the secrets out."""
        try:
            yield
        except BackendError as error:
            explain(error, self.place, model, self._secrets())
            raise

    def _headers(self) -> dict[str, str]:
        if self._key is None:
            return self._default_headers
        return {"authorization": f"Bearer {self._key.get_secret_value()}", **self._default_headers}

    def _secrets(self) -> list[str]:
        key = [] if self._key is None else [self._key.get_secret_value()]
        return [*key, *secrets_in(self._default_headers)]

    def _error(self, reply: Reply) -> BackendError:
        return self.place.wire.error(reply, _NO_MODEL)


def _events(reply: StreamReply, reader: Reader, model: str) -> Iterator[Event]:
    decoder = reader.decoder(reply.headers, model)
    try:
        for chunk in reply.chunks:
            yield from decoder.feed(chunk)
    except BackendError:
        if not decoder.done:  # after the answer, only the connection's next use is at stake
            raise
    yield from decoder.close()


async def _aevents(reply: AsyncStreamReply, reader: Reader, model: str) -> AsyncGenerator[Event, None]:
    decoder = reader.decoder(reply.headers, model)
    try:
        async with aclosing(reply.chunks) as chunks:
            async for chunk in chunks:
                for event in decoder.feed(chunk):
                    yield event
    except BackendError:
        if not decoder.done:
            raise
    for event in decoder.close():
        yield event


def _default_headers(given: Mapping[str, str]) -> dict[str, str]:
    return {
        "accept": "*/*",
        "user-agent": f"multillm-plugins/{__version__}",
        **{name.lower(): value for name, value in given.items()},
    }
