"""In which order targets are tried; a policy is any function of a request and the targets that may take it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from shared_core.routing.fitness import prompt_tokens
from shared_core.routing.target import Target
from shared_core.types import ChatRequest, EmbedRequest

Request: TypeAlias = ChatRequest | EmbedRequest
Policy: TypeAlias = Callable[[Request, Sequence[Target]], Sequence[Target]]

_NEAR = 2.0
_USUAL_ANSWER = 500
"""Tokens an answer is taken to have where the request has no bound."""


def in_order(request: Request, targets: Sequence[Target]) -> Sequence[Target]:
    """As they were given: the first as long as it works."""
    del request
    return targets


def round_robin(request: Request, targets: Sequence[Target]) -> Sequence[Target]:
    """The one whose last turn is longest ago."""
    del request
    return sorted(targets, key=lambda target: target.last_turn)


def weighted(request: Request, targets: Sequence[Target]) -> Sequence[Target]:
    """At random, each as often as its weight says (Efraimidis and Spirakis: keys of random ** (1 / weight))."""
    del request
    return sorted(targets, key=lambda target: -(random.random() ** (1 / target.weight)))  # noqa: S311 - no secret


def least_busy(request: Request, targets: Sequence[Target]) -> Sequence[Target]:
    """The one with the fewest calls on their way for its weight, at random among equals."""
    del request
    return sorted(targets, key=lambda target: (target.in_flight / target.weight, random.random()))  # noqa: S311


def fastest(request: Request, targets: Sequence[Target]) -> Sequence[Target]:
    """The one with the quickest first token of late. What is never tried becomes attractive with time."""
    del request
    return sorted(targets, key=lambda target: target.latency.seconds)


def two_choices(request: Request, targets: Sequence[Target]) -> Sequence[Target]:
    """The better of two drawn at random, by what the next call may take: its pace times the calls on their way.

    Nothing herds to whoever looks best at the moment (Mitzenmacher's power of two choices, over Finagle's peak EWMA).
    Who would take more than twice as long as the best is not drawn: it would leave no choice.
    """
    del request
    if len(targets) <= 1:
        return targets
    loads = [_load(target) for target in targets]
    order = sorted(range(len(loads)), key=loads.__getitem__)
    is_unknown, least = loads[order[0]]
    bound = is_unknown, _NEAR * least
    near = [at for at in order if loads[at] <= bound]
    if len(near) > 1:
        one = int(random.random() * len(near))  # noqa: S311 - no secret, and random.sample takes as long as all else here
        other = int(random.random() * (len(near) - 1))  # noqa: S311
        one, other = near[one], near[other + (other >= one)]
        first = one if loads[one] <= loads[other] else other
        order.remove(first)
        order.insert(0, first)
    return [targets[at] for at in order]


def _load(target: Target) -> tuple[bool, float]:
    """Seconds that the next call may take. While nobody knows that of a target, one call is enough to find out."""
    pace, calls = target.pace.seconds, target.in_flight
    return (True, calls) if calls and not pace else (False, pace * (calls + 1))


def cheapest(request: Request, targets: Sequence[Target]) -> Sequence[Target]:
    """The lowest price for this prompt and the longest answer it allows; unknown prices last."""
    tokens = prompt_tokens(request)
    answer = (request.max_tokens or _USUAL_ANSWER) if isinstance(request, ChatRequest) else 0
    return sorted(targets, key=lambda target: _cost(target, tokens, answer))


def _cost(target: Target, tokens: int, answer: int) -> float:
    price = target.price
    return float("inf") if price is None else tokens * price.input + answer * (price.output or 0.0)


def where(predicate: Callable[[Request, Target], bool], then: Policy = in_order) -> Policy:
    """Only targets of which the predicate holds for this request, in the order of another policy."""
    return _Where(predicate, then)


@dataclass(frozen=True, slots=True)
class _Where:
    """A class, because a route that is pickled takes its policy along."""

    predicate: Callable[[Request, Target], bool]
    then: Policy

    def __call__(self, request: Request, targets: Sequence[Target]) -> Sequence[Target]:
        return self.then(request, [target for target in targets if self.predicate(request, target)])
