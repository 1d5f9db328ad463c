"""One request for vectors in pieces: which texts go next, what came, and what an error leaves."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, fields
from math import hypot
from threading import Lock
from types import TracebackType
from typing import Self

from shared_core.backends.embed_failure import told
from shared_core.backends.embed_options import EmbedOptions
from shared_core.errors import (
    BackendError,
    ContextLengthError,
    InvalidRequestError,
    ProtocolError,
    ServerError,
    UnsupportedError,
)
from shared_core.models.prefixes import prefixed
from shared_core.types import EmbedRequest, EmbedResponse, PartialEmbedding, Usage

DEFAULT_BATCH = 64
"""Texts in a call where no number is given: enough to be quick, few enough to be done before a timeout."""
DEFAULT_CONCURRENCY = 4
_TOO_LARGE = 413

# What places say of a call with too many texts, or too much text; the status codes differ.
_TOO_MUCH = re.compile(
    r"batch.?size|too (?:many|much) (?:inputs|texts|items|tokens)|too (?:large|long)|tokens per request|\$\.input"
    r"|(?:max(?:imum)?|at most|up to|more than|larger than|longer than|limit)\b.{0,40}\b(?:inputs|texts|items|array)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is known before a call: the caller's options, the model and its place, and the most texts a call may have.

    `tells_kind`: the place is told whether a text asks, and does by itself what the model wants.
    """

    options: EmbedOptions
    model: str
    backend: str
    most: int | None = None
    tells_kind: bool = False

    @property
    def batch(self) -> int:
        """Texts in one call."""
        wanted = self.options.batch_size or DEFAULT_BATCH
        return wanted if self.most is None else min(wanted, self.most)

    def prepared(self, request: EmbedRequest) -> EmbedRequest:
        """The request with the prefixes that its texts are to have."""
        prefixes = None if self.options.prefixes == "auto" and self.tells_kind else self.options.prefixes
        texts = prefixed(request.texts, request.kind, prefixes, self.model)
        return request if texts is request.texts else request.model_copy(update={"texts": texts})

    def finished(self, vectors: list[list[float]]) -> list[list[float]]:
        """The vectors as the caller wants them."""
        return [_unit(vector) for vector in vectors] if self.options.normalize else vectors


class Piece:
    """Some of the texts, for one call. Its `with` block swallows an error of the call, which the job then knows."""

    __slots__ = ("_job", "_span", "request")

    def __init__(self, job: Job, span: range, request: EmbedRequest) -> None:
        self._job = job
        self._span = span
        self.request = request

    def answer(self, response: EmbedResponse) -> None:
        """Take the vectors of the texts. Raises `ProtocolError` and `UnsupportedError` if they cannot be that."""
        self._job.keep(self._span, fitting(response, self.request))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False  # none, or a cancellation
        self._job.fail(self._span, error)
        return True


class Job:
    """One request in pieces. After the first error no more are handed out; those under way are let finish.

    A piece that is too much for the place comes back in halves.
    """

    def __init__(self, request: EmbedRequest, plan: Plan) -> None:
        everything = range(len(request.texts))
        self._request = request
        self._plan = plan
        self._size = plan.batch
        self._waiting = deque(everything[start : start + self._size] for start in everything[:: self._size])
        self._lock = Lock()
        self._open = True
        self._vectors: list[list[float] | None] = [None] * len(everything)
        self._answers: list[EmbedResponse] = []
        self._failed: list[int] = []
        self._error: Exception | None = None
        self.workers = max(1, min(plan.options.max_concurrency or DEFAULT_CONCURRENCY, len(self._waiting)))
        """How many may ask for pieces at once."""

    def next_piece(self) -> Piece | None:
        """The next texts to send, `None` when there are none or something has failed."""
        with self._lock:
            if not self._open or not self._waiting:
                return None
            span = self._waiting.popleft()
            if len(span) > self._size:  # which the place has refused meanwhile
                self._waiting.appendleft(span[self._size :])
                span = span[: self._size]
        texts = self._request.texts[span.start : span.stop]
        return Piece(self, span, self._plan.prepared(self._request.model_copy(update={"texts": texts})))

    def stop(self) -> None:
        """Hand out no more."""
        self._open = False

    def keep(self, span: range, response: EmbedResponse) -> None:
        """Keep the vectors of the texts in `span`."""
        vectors = self._plan.finished(response.vectors)
        with self._lock:
            self._vectors[span.start : span.stop] = vectors
            self._answers.append(response)

    def fail(self, span: range, error: Exception) -> None:
        """Put halves in the place of a piece that was too much; anything else ends the job."""
        with self._lock:
            if self._open and len(span) > 1 and _is_too_much(error):
                self._halve(span, error)
                return
            self._open = False
            self._error = self._error or error
            self._note(span, error)

    def _halve(self, span: range, error: Exception) -> None:
        half = (len(span) + 1) // 2
        self._waiting.extendleft((span[half:], span[:half]))
        if not isinstance(error, ContextLengthError):  # that may be one text's fault; the rest is every piece's
            self._size = min(self._size, half)

    def _note(self, span: range, error: Exception) -> None:
        inner = error.partial if isinstance(error, BackendError) else None
        if inner is None or not inner.failed or len(inner.vectors) != len(span):
            self._failed += span
            return
        self._failed += [span[index] for index in inner.failed]
        self._vectors[span.start : span.stop] = inner.vectors
        self._answers.append(EmbedResponse([], usage=inner.usage))

    def response(self) -> EmbedResponse:
        """All vectors. Raises the first error; a `BackendError` says what has failed, and has the vectors."""
        if self._error is not None:
            raise self._told(self._error)
        first = self._answers[0] if self._answers else EmbedResponse([])
        return EmbedResponse(
            vectors=[vector for vector in self._vectors if vector is not None],
            usage=self._usage(),
            model=first.model or self._plan.model,
            backend=first.backend or self._plan.backend,
        )

    def _usage(self) -> Usage:
        usages = [answer.usage for answer in self._answers] or [Usage()]
        return Usage(**{field.name: _sum([getattr(usage, field.name) for usage in usages]) for field in fields(Usage)})

    def _told(self, error: Exception) -> Exception:
        if isinstance(error, BackendError):
            partial = PartialEmbedding(self._vectors, sorted(self._failed), self._usage())
            error.args = (told(error, partial, self._request.texts), *error.args[1:])
            error.partial = partial
        return error


def fitting(response: EmbedResponse, request: EmbedRequest) -> EmbedResponse:
    """The response, if it has what was asked for. Raises `ProtocolError`, and `UnsupportedError` for other dimensions.

    Some servers ignore `dimensions` without a word.
    """
    if len(response.vectors) != len(request.texts):
        raise ProtocolError(f"{len(response.vectors)} vectors came for {len(request.texts)} texts")
    wanted = request.dimensions
    if wanted is not None and (others := {len(vector) for vector in response.vectors} - {wanted}):
        raise UnsupportedError(
            f"vectors of {wanted} dimensions were asked for, and came with {max(others)}: leave out dimensions, or "
            "ask for another model"
        )
    return response


def _is_too_much(error: Exception) -> bool:
    """Whether the same texts may go through in smaller pieces."""
    if not isinstance(error, InvalidRequestError | ServerError) or error.partial is not None:
        return False
    said = isinstance(error, ContextLengthError) or _TOO_MUCH.search(str(error.args[0]))
    return error.status == _TOO_LARGE or bool(said)


def _unit(vector: list[float]) -> list[float]:
    """At length 1, but for one of zeros."""
    length = hypot(*vector)
    return [number / length for number in vector] if length else vector


def _sum(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
