"""A backend made of backends: it keeps answering as long as one of them does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing, closing
from dataclasses import replace
from typing import Any, Self, cast

from shared_core.backends.base import AsyncStream, Backend, Stream
from shared_core.backends.connect import connect
from shared_core.errors import ConfigurationError
from shared_core.routing.attempts import Attempt, attempts
from shared_core.routing.breaker import BreakerRule
from shared_core.routing.budget import RetryBudget
from shared_core.routing.kinds import Fallbacks
from shared_core.routing.lanes import Lane
from shared_core.routing.limits import LimitsOf, limits_of
from shared_core.routing.naming import canonical_names, names_of
from shared_core.routing.picture import picture
from shared_core.routing.policies import Policy, in_order, two_choices
from shared_core.routing.reach import common
from shared_core.routing.shadow import Shadow
from shared_core.routing.state import Listeners, RouteState, Rules
from shared_core.routing.target import Target, TargetStatus
from shared_core.routing.watching import abounded, awatched, bounded, watched
from shared_core.types import Capabilities, ChatRequest, ChatResponse, EmbedRequest, EmbedResponse, Event, Finish, Usage

_MOMENT = 0.001


class Router:
    """A route over targets: backends, or their names as `connect` takes them.

    `policy` orders the targets for each request; by default that is `two_choices` where all serve the same model, else
    `in_order`. What is done about failures: `deadline` bounds a call over all its attempts, `retries` says how often a
    target may be tried again after all others were (0: never), `max_attempts` bounds the attempts of one call but for
    those that find out whether a target that failed is back, `longest_wait` the wait for a place that asks for one.
    Tries that are not the first at a target, or not in order, are bounded by a fifth of the calls and ten a second.
    `first_token_timeout` and `chunk_timeout` bound the waits within a stream, `answer_timeout` one target's whole
    answer where it is asked for whole. All are in seconds. `weights` are for the policies that ask for them, one for
    each target.

    No call begins with the targets of `on_context_overflow` and `on_content_filter`. The first are tried when a prompt
    is too long for a target of the route, or estimated to be too long for all; the second when an answer ends for the
    content filter before any text. Without any such an answer is handed on as it is.

    After the first piece of a stream its errors are passed on; with `resume`, another target that takes the beginning
    of an answer (`Capabilities.prefill`) goes on with the text so far, never with tools, response formats, reasoning or
    log-probabilities. `Finish.metadata["resumed"]` tells after how many characters which target broke off.

    The `shadow` gets a copy of each chat, to try a place out: at most four at once, and nothing waits for them. Its
    answers are dropped, and its failures are told to `Listeners.on_shadow_failure` and counted in `status()`.

    `limits` bound what targets are asked for: one `Limits` for all, a list with one for each, or a mapping by their
    names. Limits that places tell of in their headers are kept without being asked for. A call that its target has no
    room for goes to the next one, or waits in line for whichever has room first; without a `deadline` it waits for its
    turn however long the line is, but not for a target that is full for more than a minute (or `longest_wait`).

    A router is itself a backend: it nests, for any number of threads and event loops. Within it the targets do not
    retry by themselves. Pickling and copying keep its configuration and drop what it has learned.

    Raises `ConfigurationError` for targets and settings that make no route.
    """

    def __init__(  # noqa: PLR0913 - the settings that users know, by name
        self,
        targets: Sequence[Backend | str],
        *,
        policy: Policy | None = None,
        weights: Sequence[float] | None = None,
        deadline: float | None = None,
        retries: int = 1,
        max_attempts: int | None = None,
        longest_wait: float = 10.0,
        first_token_timeout: float | None = None,
        chunk_timeout: float | None = None,
        answer_timeout: float | None = None,
        on_context_overflow: Sequence[Backend | str] = (),
        on_content_filter: Sequence[Backend | str] = (),
        resume: bool = False,
        shadow: Backend | str | None = None,
        limits: LimitsOf | None = None,
        breaker: BreakerRule | None = None,
        listeners: Listeners | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        _check(targets, weights)
        self._backends = _members(targets)
        self._weights = tuple(weights or [1.0] * len(targets))
        self._on_overflow, self._on_filter = _members(on_context_overflow), _members(on_content_filter)
        self._shadow = None if shadow is None else _members([shadow])[0]
        waits = (longest_wait, first_token_timeout, chunk_timeout, answer_timeout)
        self._rules = Rules(deadline, retries, max_attempts, *waits, resume=resume)
        self._policy = policy or (two_choices if len(canonical_names(self._backends)) == 1 else in_order)
        self._breaker = breaker or BreakerRule()
        self._limits = limits_of(limits, self._names(), len(targets))
        self._listeners = listeners or Listeners()
        self._clock = clock
        self._state = self._fresh_state()
        self._siblings: dict[str, Self] = {}

    def _fresh_state(self) -> RouteState:
        extra = (*self._on_overflow, *self._on_filter)
        every = (*self._backends, *extra)
        weights = (*self._weights, *[1.0] * len(extra))
        targets = [
            Target(backend, name, weight=weight, rule=self._breaker, clock=self._clock, limits=limits)
            for backend, name, weight, limits in zip(every, self._names(), weights, self._limits, strict=True)
        ]
        own, overflow = len(self._backends), len(self._backends) + len(self._on_overflow)
        fallbacks = Fallbacks(targets[own:overflow], targets[overflow:])
        state = RouteState(targets[:own], RetryBudget(self._clock), self._clock, self._listeners, fallbacks=fallbacks)
        if self._shadow is not None:
            name = f"{self._shadow.name}/{self._shadow.model} (shadow)"
            target = Target(self._shadow, name, weight=1.0, rule=self._breaker, clock=self._clock)
            state.shadow = Shadow(target, state.lock, self._clock, self._listeners.on_shadow_failure)
        return state

    def _copied_to(self) -> Shadow | None:
        """What gets a copy of a call; of a hedged one, the first half alone is copied."""
        lane = self._rules.lane
        return None if lane is not None and lane.is_hedge else self._state.shadow

    def _names(self) -> list[str]:
        every = (*self._backends, *self._on_overflow, *self._on_filter)
        return names_of(every)

    # --- what it is ---

    @property
    def name(self) -> str:
        """The route."""
        return "router"

    @property
    def model(self) -> str:
        """The targets' model, by its canonical name where their ids differ; if they serve several, all of them."""
        ids = dict.fromkeys(backend.model for backend in self._backends)
        canonical = canonical_names(self._backends)
        return ", ".join(canonical if len(ids) > 1 == len(canonical) else ids)

    @property
    def backends(self) -> tuple[Backend, ...]:
        """What the route is made of, in the order given."""
        return self._backends

    @property
    def capabilities(self) -> Capabilities:
        """What all targets can do: the AND of their flags, and the smallest window."""
        return common(backend.capabilities for backend in self._backends)

    def status(self) -> list[TargetStatus]:
        """How each target is, at this moment."""
        with self._state.lock:
            return [target.status(self._clock()) for target in self._state.all_targets]

    def with_model(self, model: str) -> Self:
        """The same route with another model everywhere, over the same connections; what it learns there is kept."""
        if model not in self._siblings:
            changed = tuple(backend.with_model(model) for backend in self._backends)
            self._siblings[model] = self._sibling(_backends=changed)
        return self._siblings[model]

    def without_retries(self) -> Self:
        """The same route that tries each target once: for use within another one."""
        other = object.__new__(type(self))
        # What is learned there counts here too.
        other.__dict__.update(self.__dict__, _rules=replace(self._rules, retries=0), _siblings={})
        return other

    def on_lane(self, lane: Lane | None, spent: float) -> Self:
        """The same route, and what it has learned, for one lane of a call that has taken `spent` seconds so far."""
        deadline = None if self._rules.deadline is None else max(_MOMENT, self._rules.deadline - spent)
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, _rules=replace(self._rules, lane=lane, deadline=deadline))
        return other

    def _sibling(self, **changed: object) -> Self:
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, **changed)
        other.__dict__.update(_state=other._fresh_state(), _siblings={})
        return other

    # --- calls ---

    def chat(self, request: ChatRequest) -> ChatResponse:
        """Answer, whole. Raises a `BackendError`."""
        if (shadow := self._copied_to()) is not None:
            shadow.start(request, stream=False)
        tries = attempts(self._state, self._policy, self._rules, request)
        while True:
            with (attempt := next(tries)):
                if attempt.delay:
                    time.sleep(attempt.delay)
                if attempt.target is not None:
                    return _done(attempt, bounded(attempt.target.backend.chat, attempt))

    async def achat(self, request: ChatRequest) -> ChatResponse:
        """Answer, whole. Raises a `BackendError`."""
        if (shadow := self._copied_to()) is not None:
            shadow.astart(request, stream=False)
        tries = attempts(self._state, self._policy, self._rules, request)
        while True:
            with (attempt := next(tries)):
                if attempt.delay:
                    await asyncio.sleep(attempt.delay)
                if attempt.target is not None:
                    return _done(attempt, await abounded(attempt.target.backend.achat, attempt))

    def stream(self, request: ChatRequest) -> Stream:
        """Answer, as it comes. Other targets are tried until the first piece came. Raises a `BackendError`."""
        if (shadow := self._copied_to()) is not None:
            shadow.start(request, stream=True)
        for attempt in attempts(self._state, self._policy, self._rules, request):
            with attempt:
                if attempt.delay:
                    time.sleep(attempt.delay)
                if attempt.target is not None:
                    with closing(watched(attempt.target.backend.stream, attempt)) as events:
                        for event in events:
                            yield from _seen(attempt, event)

    async def astream(self, request: ChatRequest) -> AsyncStream:
        """Answer, as it comes. Other targets are tried until the first piece came. Raises a `BackendError`."""
        if (shadow := self._copied_to()) is not None:
            shadow.astart(request, stream=True)
        for attempt in attempts(self._state, self._policy, self._rules, request):
            with attempt:
                if attempt.delay:
                    await asyncio.sleep(attempt.delay)
                if attempt.target is not None:
                    opened = awatched(attempt.target.backend.astream, attempt)
                    async with aclosing(opened) as events:
                        async for event in events:
                            for one in _seen(attempt, event):
                                yield one

    def embed(self, request: EmbedRequest) -> EmbedResponse:
        """Vectors in the order of the texts. Raises a `BackendError`, and `ConfigurationError` for unlike models."""
        self.check_same_model()
        tries = attempts(self._state, self._policy, self._rules, request)
        while True:
            with (attempt := next(tries)):
                if attempt.delay:
                    time.sleep(attempt.delay)
                if attempt.target is not None:
                    response = bounded(attempt.target.backend.embed, attempt)
                    attempt.done(Finish("stop", Usage(response.usage.input, 0)))
                    return response

    async def aembed(self, request: EmbedRequest) -> EmbedResponse:
        """Vectors in the order of the texts. Raises a `BackendError`, and `ConfigurationError` for unlike models."""
        self.check_same_model()
        tries = attempts(self._state, self._policy, self._rules, request)
        while True:
            with (attempt := next(tries)):
                if attempt.delay:
                    await asyncio.sleep(attempt.delay)
                if attempt.target is not None:
                    response = await abounded(attempt.target.backend.aembed, attempt)
                    attempt.done(Finish("stop", Usage(response.usage.input, 0)))
                    return response

    def check_same_model(self) -> None:
        """Raise `ConfigurationError` where targets embed with different models: an index over both would be corrupt."""
        names = canonical_names(self._backends)
        if len(names) > 1:
            raise ConfigurationError(
                f"a route embeds with one model only, and its targets have {', '.join(sorted(names))}: "
                "vectors of different models cannot be compared"
            )

    # --- copies and pictures ---

    def __repr__(self) -> str:
        return f"<router over {', '.join(target.name for target in self._state.targets)}>"

    def _repr_html_(self) -> str:
        return picture(self.status())

    def __copy__(self) -> Self:
        return self._sibling()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self._sibling()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key not in ("_state", "_siblings")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._state = self._fresh_state()
        self._siblings = {}


def _done(attempt: Attempt[ChatRequest], response: ChatResponse) -> ChatResponse:
    attempt.check_filter(response.finish, is_empty=not (response.text or response.tool_calls))
    attempt.done(response.finish)
    return response


def _seen(attempt: Attempt[ChatRequest], event: Event) -> Sequence[Event]:
    if isinstance(event, Finish):
        attempt.check_filter(event, is_empty=True)
    attempt.first()
    if isinstance(event, Finish):
        attempt.done(event)
    else:
        attempt.check_deadline()
    return attempt.seen(event)


def _check(targets: Sequence[Backend | str], weights: Sequence[float] | None) -> None:
    if isinstance(targets, str) or not targets:
        raise ConfigurationError("a route needs a list of targets: backends, or names such as 'groq/gpt-oss-20b'")
    if weights is not None and (len(weights) != len(targets) or min(weights) <= 0):
        raise ConfigurationError(f"a route over {len(targets)} targets needs as many weights, all above 0")


def _members(targets: Sequence[Backend | str]) -> tuple[Backend, ...]:
    """The backends, each of which makes a call once: the route alone says when there is another attempt."""
    backends = (connect(target) if isinstance(target, str) else target for target in targets)
    return tuple(_once(backend) for backend in backends)


def _once(backend: Backend) -> Backend:
    without = getattr(backend, "without_retries", None)
    return backend if without is None else cast("Backend", without())
