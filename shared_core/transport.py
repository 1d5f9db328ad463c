"""The only module that talks HTTP."""

from __future__ import annotations

import asyncio
import atexit
import os
import ssl
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

from shared_core.errors import (
    BackendConnectionError,
    BackendError,
    BackendTimeoutError,
    ConfigurationError,
    ProtocolError,
    StreamInterruptedError,
)
from shared_core.wire.base import Call, Reply

_REDIRECT = range(300, 400)
_ERROR = 400
_STILL_RUNNING = 202
_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=256, keepalive_expiry=30.0)
"""No cap on connections: with httpx's own (100, and 5 s to get one) 1,000 slow streams mostly end in a PoolTimeout."""


# --- clients, shared by all backends of the process ----------------------------------------------------------------


@cache
def _tls_context() -> ssl.SSLContext:
    """One for the process: reading the CA bundle costs about 20 ms and 0.9 MB each time."""
    return httpx.create_ssl_context()


@cache
def _no_tls_context() -> ssl.SSLContext:
    """For plain http: it trusts nobody, and costs nothing to build."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _options(*, secure: bool) -> dict[str, Any]:
    # Clients are shared by backends with different keys, so no place's cookies may be kept for the next caller.
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    return {"verify": _tls_context() if secure else _no_tls_context(), "limits": _LIMITS, "cookies": no_cookies}


class _Clients:
    """One client for threads, and one for each running event loop; each twice, for https and for plain http."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sync: dict[bool, httpx.Client] = {}
        self._async: dict[tuple[asyncio.AbstractEventLoop, bool], _LoopClient] = {}

    def sync(self, *, secure: bool) -> httpx.Client:
        with self._lock:
            if secure not in self._sync:
                self._sync[secure] = httpx.Client(**_options(secure=secure))
            return self._sync[secure]

    def close(self) -> None:
        """Give the threads' connections back, at exit."""
        for client in self._sync.values():
            client.close()

    async def for_this_loop(self, *, secure: bool) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        found = self._async.get((loop, secure))
        if found is None:
            with self._lock:
                self._forget_closed_loops()
                found = self._async[loop, secure] = _LoopClient(secure=secure)
            await found.close_with_loop(lambda: self._async.pop((loop, secure), None))
        return found.client

    def _forget_closed_loops(self) -> None:
        """Loops that ended without shutting down their generators (`loop.close()` alone) leave their client here."""
        for key in [key for key in self._async if key[0].is_closed()]:
            del self._async[key]


class _LoopClient:
    """An async client that ends with its event loop."""

    def __init__(self, *, secure: bool) -> None:
        self.client = httpx.AsyncClient(**_options(secure=secure))
        self._keeper: AsyncGenerator[None, None] | None = None

    async def close_with_loop(self, forget: Callable[[], object]) -> None:
        """`asyncio.run` closes all asynchronous generators before its loop: the only hook there is."""

        async def keeper() -> AsyncGenerator[None, None]:
            try:
                yield
            finally:
                forget()
                await self.client.aclose()

        self._keeper = keeper()
        await anext(self._keeper)


_clients = _Clients()
_of_parents: list[_Clients] = []


def _forget_clients() -> None:
    """A forked child must not write into its parent's sockets, nor be the one that closes them."""
    global _clients  # noqa: PLW0603 - replaced whole, so that no lock held by the parent is waited for
    _of_parents.append(_clients)
    _clients = _Clients()


getattr(os, "register_at_fork", lambda **_: None)(after_in_child=_forget_clients)  # Windows has no fork


@atexit.register
def _close_clients() -> None:
    _clients.close()


# --- the transport of one backend ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StreamReply:
    """A streamed answer: its headers, and its bytes as they come."""

    headers: Mapping[str, str]
    chunks: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class AsyncStreamReply:
    """A streamed answer: its headers, and its bytes as they come."""

    headers: Mapping[str, str]
    chunks: AsyncGenerator[bytes, None]


class Transport:
    """Moves the calls of one backend, sync and async.

    `headers` is asked for each call, so that a key is in memory in clear no longer than the call. Clients that the
    caller brings (`client`, `async_client`) are used as they are and never closed here. Errors have no backend name
    yet; `read_error` turns a reply with an error status into one.
    """

    def __init__(
        self,
        base_url: str,
        headers: Callable[[], Mapping[str, str]],
        read_error: Callable[[Reply], BackendError],
        *,
        client: httpx.Client | None = None,
        async_client: httpx.AsyncClient | None = None,
    ) -> None:
        self.base_url = base_url
        self._headers = headers
        self._read_error = read_error
        self._client = client
        self._async_client = async_client
        self._secure = not base_url.startswith("http://")
        self._urls: dict[str, httpx.URL] = {}
        _check_url(base_url)

    def send(self, call: Call, timeout: float | None) -> Reply:
        """One call, one whole reply. Raises a `BackendError`, also for an error status."""
        with self._errors():
            client = self._sync()
            response = client.send(self._request(client, call, timeout))
            return self._checked(_reply(response, response.content))

    async def asend(self, call: Call, timeout: float | None) -> Reply:  # noqa: ASYNC109 - httpx's, on each wait
        """One call, one whole reply. Raises a `BackendError`, also for an error status."""
        with self._errors():
            client = await self._async()
            response = await client.send(self._request(client, call, timeout))
            return self._checked(_reply(response, response.content))

    @contextmanager
    def stream(self, call: Call, timeout: float | None) -> Iterator[StreamReply]:
        """One call, its reply as it comes; leaving the `with` ends it. `timeout` bounds the wait for each next byte."""
        with self._errors():
            client = self._sync()
            response = client.send(self._request(client, call, timeout), stream=True)
        try:
            with self._errors():
                if not response.is_success or response.status_code == _STILL_RUNNING:
                    self._checked(_reply(response, response.read()))
            yield StreamReply(_headers(response), self._chunks(response))
        finally:
            response.close()

    @asynccontextmanager
    async def astream(
        self,
        call: Call,
        timeout: float | None,  # noqa: ASYNC109 - httpx's, on each wait
    ) -> AsyncIterator[AsyncStreamReply]:
        """One call, its reply as it comes; leaving the `with` ends it. `timeout` bounds the wait for each next byte."""
        with self._errors():
            client = await self._async()
            response = await client.send(self._request(client, call, timeout), stream=True)
        try:
            with self._errors():
                if not response.is_success or response.status_code == _STILL_RUNNING:
                    self._checked(_reply(response, await response.aread()))
            yield AsyncStreamReply(_headers(response), self._achunks(response))
        finally:
            await response.aclose()

    def _chunks(self, response: httpx.Response) -> Iterator[bytes]:
        with self._errors(streaming=True):
            yield from response.iter_bytes()

    async def _achunks(self, response: httpx.Response) -> AsyncGenerator[bytes, None]:
        with self._errors(streaming=True):
            async for chunk in response.aiter_bytes():
                yield chunk

    def _sync(self) -> httpx.Client:
        return self._client or _clients.sync(secure=self._secure)

    async def _async(self) -> httpx.AsyncClient:
        return self._async_client or await _clients.for_this_loop(secure=self._secure)

    def _request(self, client: httpx.Client | httpx.AsyncClient, call: Call, timeout: float | None) -> httpx.Request:
        url = self._urls.get(call.path) or self._urls.setdefault(call.path, httpx.URL(f"{self.base_url}{call.path}"))
        headers, timeouts = {**self._headers(), **call.headers}, httpx.Timeout(timeout)
        if client is self._client or client is self._async_client:  # the caller's own headers and cookies count
            return client.build_request(call.method, url, headers=headers, content=call.body, timeout=timeouts)
        extensions = {"timeout": timeouts.as_dict()}
        return httpx.Request(call.method, url, headers=headers, content=call.body, extensions=extensions)

    def _checked(self, reply: Reply) -> Reply:
        if reply.status in _REDIRECT:
            raise ProtocolError(
                f"HTTP {reply.status}: redirected to {reply.headers.get('location', 'nowhere')}, and keys are not "
                f"sent after redirects: set base_url to the address it ends at (now {self.base_url})"
            )
        if reply.status >= _ERROR or reply.status == _STILL_RUNNING:
            raise self._read_error(reply)
        return reply

    @contextmanager
    def _errors(self, *, streaming: bool = False) -> Iterator[None]:
        try:
            yield
        except httpx.TimeoutException as error:
            raise BackendTimeoutError(_timed_out(error, self.base_url, streaming=streaming)) from error
        except httpx.ConnectError as error:
            raise BackendConnectionError(f"cannot connect to {self.base_url}: {error}") from error
        except httpx.DecodingError as error:
            raise ProtocolError(f"the answer from {self.base_url} is compressed in a broken way: {error}") from error
        except httpx.TransportError as error:
            kind = StreamInterruptedError if streaming else BackendConnectionError
            raise kind(f"the connection to {self.base_url} was lost: {str(error) or type(error).__name__}") from error


def _timed_out(error: httpx.TimeoutException, url: str, *, streaming: bool) -> str:
    allowed = (error.request.extensions.get("timeout") or {}).get("read")
    what = "connecting to" if isinstance(error, httpx.ConnectTimeout) else "waiting for"
    return f"timed out {what} {'the rest of the answer from ' if streaming else ''}{url} (timeout={allowed} s)"


def _check_url(url: str) -> None:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ConfigurationError(f"base_url {url!r} is not a URL: {error}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ConfigurationError(f"base_url {url!r} must begin with http:// or https:// and name a host")


def _headers(response: httpx.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _reply(response: httpx.Response, body: bytes) -> Reply:
    return Reply(response.status_code, _headers(response), body)
