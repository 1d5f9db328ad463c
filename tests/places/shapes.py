"""The shapes in which a place's answers come, each a field or a method that a place of its own overrides."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from shared_core import Finish, FinishReason, ListedModel, RateLimits, Timings, Usage
from tests.places.brain import Answer, pieces
from tests.places.faults import Fault
from tests.places.instances import Json
from tests.raw_server import Cut

_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
}


@dataclass
class Said:
    """One answer as it was decided, before it took the place's shape."""

    body: Json
    answer: Answer
    usage: Usage
    number: int

    @property
    def id(self) -> str:
        return f"chatcmpl-{self.number}"

    @property
    def model(self) -> str:
        return str(self.body["model"])

    @property
    def tokens(self) -> list[str]:
        return pieces(self.answer.text)


class Shapes:
    """What a place makes of an answer; `told` is what must be read from it."""

    name = ""
    models: tuple[ListedModel, ...] = ()

    # --- what it says ---
    thought: str | None = "reasoning_content"
    """The key of reasoning; `None` writes it into the text, between <think> tags."""
    calls: Literal["whole", "name_first", "fragments"] = "fragments"
    calls_at_once: Literal["unasked", "asked", "never"] = "unasked"
    """When it calls several tools in one turn."""
    filters = True
    """Whether answers may end because of what they contain."""
    silent = False
    """Whether a stream that it refuses ends without a word of why."""
    usage_at: Literal["finish", "own", "choice"] = "own"
    usage_unasked = False
    counts_streams = True
    """Whether there is usage in streams at all."""
    says_done = True
    """Whether a stream ends with [DONE]."""
    tells_cached = True
    tells_thought = True
    tells_ids = True
    """Whether calls have ids of the place's own, streamed and not."""
    limits: Mapping[str, str] = {}
    """The rate-limit headers of every answer, and what they must be read as."""
    rate_limits: RateLimits | None = None

    # --- answers ---

    def head(self, said: Said | None = None) -> dict[str, str]:
        """The headers of every answer; `said` is `None` for errors, lists and vectors."""
        return {"x-request-id": "req_played", **self.limits}

    def about(self, said: Said, kind: str) -> Json:
        """What stands around the choices."""
        return {"id": said.id, "object": kind, "created": 1_700_000_000, "model": said.model}

    def told(self, said: Said) -> Finish:
        """What a reader must have understood at the end of the answer."""
        return Finish(
            _REASONS[said.answer.finish],
            usage=said.usage,
            model=said.model,
            backend=self.name,
            id=said.id,
            request_id="req_played",
            rate_limits=self.rate_limits,
            timings=self.timings(),
        )

    def timings(self) -> Timings | None:
        """The timings that answers carry."""
        return None

    def usage(self, said: Said) -> Json:
        """The usage, as the place writes it."""
        usage = said.usage
        told: Json = {"prompt_tokens": usage.input, "completion_tokens": usage.output, "total_tokens": usage.total}
        if usage.cached is not None:
            told["prompt_tokens_details"] = {"cached_tokens": usage.cached}
        if usage.reasoning is not None:
            told["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning}
        return told

    def message(self, said: Said) -> Json:
        """The message of a whole answer."""
        answer = said.answer
        message: Json = {"role": "assistant", "content": self._text(answer) or (None if answer.calls else "")}
        if answer.reasoning and self.thought:
            message[self.thought] = answer.reasoning
        if answer.calls:
            message["tool_calls"] = [self.call(number, call) for number, call in enumerate(answer.calls)]
        return message

    def _text(self, answer: Answer) -> str:
        inline = answer.reasoning and not self.thought
        return f"<think>\n{answer.reasoning}\n</think>\n\n{answer.text}" if inline else answer.text

    def whole(self, said: Said) -> Json:
        """The body of an answer that is not streamed."""
        choice: Json = {"index": 0, "message": self.message(said), "finish_reason": said.answer.finish}
        if said.body.get("logprobs"):
            choice["logprobs"] = {"content": [self.logprob(token) for token in said.tokens]}
        return {**self.about(said, "chat.completion"), "choices": [choice], "usage": self.usage(said)}

    def call_id(self, unique: str) -> str:
        """An id in the place's manner, from 32 hexadecimal digits."""
        return f"call_{unique[:24]}"

    def call(self, number: int, call: tuple[str, str]) -> Json:
        name, arguments = call
        unique = hashlib.sha256(f"{number}{name}{arguments}".encode()).hexdigest()[:32]
        return {"id": self.call_id(unique), "type": "function", "function": {"name": name, "arguments": arguments}}

    def logprob(self, token: str) -> Json:
        entry = {"token": token, "logprob": -0.25, "bytes": list(token.encode())}
        return {**entry, "top_logprobs": [entry]}

    # --- streams ---

    def _frames(self, said: Said, fault: Fault | None) -> Iterator[bytes | Cut]:
        end = {"truncated": 3, "cut": 3}.get(said.model)
        yield from self.before()
        for number, event in enumerate(self.chunks(said)):
            if number == end:
                if said.model == "cut":
                    yield Cut()
                return
            if fault is not None and (number == 3 or _has_calls(event)):
                yield frame(fault.body, fault.event or "")
                if fault.done:
                    yield DONE
                return
            yield frame(event)
        if self.says_done:
            yield DONE

    def before(self) -> Iterable[bytes]:
        """What comes before the first chunk, such as comments."""
        return ()

    def chunks(self, said: Said) -> Iterator[Json]:
        """The chunks of a streamed answer."""
        about = self.about(said, "chat.completion.chunk")
        for delta, logprobs in self._deltas(said):
            choice = self.choice(delta, None)
            yield {**about, "choices": [{**choice, "logprobs": logprobs} if logprobs else choice]}
        yield from self.ending(said, about)

    def choice(self, delta: Json, finish: str | None) -> Json:
        """The one choice of a chunk."""
        return {"index": 0, "delta": delta, "finish_reason": finish}

    def ending(self, said: Said, about: Json) -> Iterator[Json]:
        """The last chunks: the finish reason and, where it stands there, the usage."""
        choice = self.choice({}, said.answer.finish)
        asked = self.usage_unasked or (said.body.get("stream_options") or {}).get("include_usage")
        usage = {"usage": self.usage(said)} if asked else {}
        match self.usage_at:
            case "finish":
                yield {**about, "choices": [choice], **usage}
            case "choice":
                yield {**about, "choices": [{**choice, **usage}]}
            case _:
                yield {**about, "choices": [choice]}
                if usage:
                    yield {**about, "choices": [], **usage}

    def _deltas(self, said: Said) -> Iterator[tuple[Json, Json | None]]:
        answer = said.answer
        yield {"role": "assistant", "content": ""}, None
        if self.thought:
            for piece in pieces(answer.reasoning):
                yield {self.thought: piece}, None
        elif answer.reasoning:
            yield from (
                ({"content": piece}, None) for piece in ("<thi", "nk>\n", *pieces(answer.reasoning), "\n</think>\n\n")
            )
        for piece in said.tokens:
            yield {"content": piece}, {"content": [self.logprob(piece)]} if said.body.get("logprobs") else None
        while said.model == "endless":
            time.sleep(0.005)  # or it is all that this machine does until the client has left
            yield {"content": " and on"}, None
        for number, call in enumerate(answer.calls):
            yield from ((delta, None) for delta in self._call_deltas(number, call))

    def _call_deltas(self, number: int, call: tuple[str, str]) -> Iterator[Json]:
        first = {"index": number, **self.call(number, call)}
        arguments = call[1]
        if self.calls == "whole":
            yield {"tool_calls": [first]}
            return
        yield {"tool_calls": [{**first, "function": {"name": call[0], "arguments": ""}}]}
        size = len(arguments) if self.calls == "name_first" else 7
        for start in range(0, len(arguments), size):
            yield {"tool_calls": [{"index": number, "function": {"arguments": arguments[start : start + size]}}]}

    # --- lists ---

    def listing(self) -> Any:
        """What it serves."""
        return {"object": "list", "data": [self.entry(listed) for listed in self.models]}

    def entry(self, listed: ListedModel) -> Json:
        """One model of the list."""
        return {"id": listed.id, "object": "model", "created": 1_700_000_000, "owned_by": self.name}


def _has_calls(event: Json) -> bool:
    """Whether a call begins here: an error about a call comes instead of it."""
    return any("tool_calls" in choice["delta"] for choice in event["choices"] or ())


DONE = b"data: [DONE]\n\n"


def frame(data: object, event: str = "") -> bytes:
    """One server-sent event."""
    named = f"event: {event}\n" if event else ""
    return f"{named}data: {json.dumps(data)}\n\n".encode()


def comment(text: str) -> bytes:
    """A comment line of a stream."""
    return f": {text}\n\n".encode()
