"""Lets another target go on with an answer that broke off, so that the caller sees no text twice."""

from __future__ import annotations

from collections.abc import Sequence

from shared_core.errors import UnsupportedError
from shared_core.routing.seam import Seam
from shared_core.routing.target import Target
from shared_core.types import ChatRequest, Event, Finish, Message, TextDelta

_BYTES_PER_TOKEN = 4


class Resumption:
    """What the caller of one stream has seen so far, and what asks another target for the rest.

    There is no going on where text alone does not say where the answer stood: with tools, response formats, reasoning
    or log-probabilities. A continuation may repeat the end of the text before it: see `Seam`. Its usage is that of the
    last call, which read the text so far with its prompt; what the calls before have used nobody told. A model that
    begins to reason, or to call tools, where it should go on is left for the next target.
    """

    def __init__(self, request: ChatRequest) -> None:
        self._request = request
        self._is_text = not (request.tools or request.response_format or request.logprobs) and (
            request.reasoning_effort in (None, "none")
        )
        self._shown: list[str] = []
        self._seam: Seam | None = None
        self._resumed: list[dict[str, object]] = []

    @property
    def is_under_way(self) -> bool:
        """Whether a target is to go on with what another began."""
        return self._seam is not None

    def seen(self, event: Event) -> Sequence[Event]:
        """What the caller gets to see of an event."""
        if isinstance(event, TextDelta):
            return self._text(event)
        if not isinstance(event, Finish):
            return self._other(event)
        rest = "" if self._seam is None else self._seam.close()
        if self._resumed:
            event.metadata["resumed"] = self._resumed
        return (TextDelta(rest), event) if rest else (event,)

    def _text(self, event: TextDelta) -> Sequence[Event]:
        if self._seam is not None:
            joined = self._seam.take(event.text)
            event = event if joined == event.text else TextDelta(joined)
        if not event.text:
            return ()
        self._shown.append(event.text)
        return (event,)

    def _other(self, event: Event) -> Sequence[Event]:
        if self._seam is not None and not self._seam.is_joined:
            raise UnsupportedError("instead of going on with an answer, the model began one of its own")
        self._is_text = False
        return (event,)

    def can_continue(self, target: Target) -> bool:
        """Whether a target goes on with the beginning of an answer. One that reasons would begin to do so anew."""
        # Of a route within the route all targets must, and none may.
        return target.backend.capabilities.prefill is True and target.capabilities.reasoning is not True

    def broke_off(self, target: Target) -> ChatRequest | None:
        """The request for the rest of the answer; `None` if text alone does not say where it stood."""
        text = "".join(self._shown)
        if not self._is_text or not text.strip():
            return None
        self._seam = Seam(text)
        if not self._resumed or self._resumed[-1]["at"] != len(text):
            self._resumed.append({"target": target.name, "at": len(text)})
        return self._request.model_copy(update={"messages": self._begun(text.rstrip()), **self._bound(text)})

    def _begun(self, text: str) -> tuple[Message, ...]:
        messages, last = self._request.messages, self._request.messages[-1]
        if last.prefix:
            messages, text = messages[:-1], last.text + text
        return (*messages, Message(role="assistant", parts=text, prefix=True))

    def _bound(self, text: str) -> dict[str, int]:
        """What is left of the tokens the answer may have, about: a piece has one at least."""
        if self._request.max_tokens is None:
            return {}
        spent = max(len(self._shown), len(text.encode()) // _BYTES_PER_TOKEN)
        return {"max_tokens": max(1, self._request.max_tokens - spent)}
