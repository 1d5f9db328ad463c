"""The attempts of one call over a route, as a driver goes through them: each one try, or a wait without one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Generic, Self, TypeVar

from shared_core.errors import BackendError, BackendTimeoutError, ContentFilteredError
from shared_core.routing.call import Call
from shared_core.routing.policies import Policy
from shared_core.routing.state import RouteState, Rules
from shared_core.routing.target import Target
from shared_core.routing.verdict import told
from shared_core.types import ChatRequest, EmbedRequest, Event, Finish

_Request = TypeVar("_Request", bound=ChatRequest | EmbedRequest)


class Attempt(Generic[_Request]):
    """One try at one target, or a wait without one; its `with` block swallows errors after which there may be more."""

    __slots__ = ("_began", "_call", "_first", "delay", "error", "request", "seconds", "target")

    def __init__(self, call: Call[_Request], target: Target | None, request: _Request, delay: float) -> None:
        self._call = call
        self.target = target
        self.request = request
        self.delay = delay
        self.error: BackendError | None = None
        self.seconds = 0.0
        self._first: float | None = None
        self._began = 0.0

    def first(self) -> None:
        """The first piece of the answer came: from here on no other target can take its place."""
        if self._first is None and self.target is not None:
            self._first = self._call.state.clock() - self._began
            self._call.answered(self.target, self._first)

    def done(self, finish: Finish) -> None:
        """The answer is whole; its `Finish` is told which attempts it took."""
        if self.target is None:
            return
        self.seconds = self._call.state.clock() - self._began
        inner = {"attempts": known} if (known := finish.metadata.get("attempts")) else {}  # of a route in this one
        finish.metadata["attempts"] = [*self._call.told, told(self.target, self.seconds, None) | inner]
        self._call.succeeded(self.target, self.seconds, finish, answered=self._first is not None)

    def check_filter(self, finish: Finish, *, is_empty: bool) -> None:
        """Raise `ContentFilteredError` for an answer of which a filter left nothing, if there is a fallback."""
        if is_empty and finish.reason == "content_filter" and self._first is None and self._call.has_unfiltered():
            raise ContentFilteredError("the place's content filter left nothing of the answer")

    def seen(self, event: Event) -> Sequence[Event]:
        """What the caller gets to see of an event: itself, unless it goes on with another target's answer."""
        return (event,) if self._call.resumption is None else self._call.resumption.seen(event)

    def time_for_answer(self) -> float | None:
        """Seconds that the whole answer may take."""
        left, bound = self._call.time_left(), self._call.rules.answer_timeout
        return bound if left is None else left if bound is None else min(bound, left)

    @property
    def is_bounded(self) -> bool:
        """Whether anything bounds the waits within a stream."""
        rules = self._call.rules
        return any(bound is not None for bound in (rules.first_token_timeout, rules.chunk_timeout, rules.deadline))

    def patience(self) -> float | None:
        """Seconds that the next piece of the answer may take."""
        rules, left = self._call.rules, self._call.time_left()
        bound = rules.first_token_timeout if self._first is None else rules.chunk_timeout
        return bound if left is None else left if bound is None else min(bound, left)

    def check_deadline(self) -> None:
        """Raise `BackendTimeoutError` when the whole call has taken too long."""
        if self._call.is_over:
            raise self._call.overdue()

    def late(self, timeout: float | None, what: str = "no piece of the answer came for") -> BackendTimeoutError:
        """The error of an answer, or of its next piece, for which nobody waits longer than that."""
        if self._call.is_over:
            return self._call.overdue()
        return BackendTimeoutError(f"{what} {timeout:g} s")

    def __enter__(self) -> Self:
        self._began = self._call.state.clock() + self.delay
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.seconds = self._call.state.clock() - self._began
        if self.target is None:
            if kind is not None:
                self._call.close()
            return False
        if not isinstance(error, BackendError):
            self._call.left(self.target)
            return False
        self.error = error
        self._call.failed(self.target, self.seconds, error, answered=self._first is not None)
        if self._first is not None:
            return error.failover and self._call.resume(self.target)
        # That one target does not take the beginning of an answer says nothing of the others.
        return error.failover or self._call.is_resuming


def attempts(state: RouteState, policy: Policy, rules: Rules, request: _Request) -> Iterator[Attempt[_Request]]:
    """The attempts of one call, until one succeeds; then raises what explains why there is no other."""
    call = Call(state, policy, rules, request)
    try:
        while True:
            target, delay = call.next()
            attempt = Attempt(call, target, call.request, delay)
            yield attempt
            if attempt.target is not None and attempt.error is None:
                return
    finally:
        call.close()
