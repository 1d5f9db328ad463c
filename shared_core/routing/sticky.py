"""Sends what belongs together to one target, so that the place still has its prompt in the cache."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from hashlib import blake2b
from typing import TypeAlias
from urllib.parse import urlsplit

from shared_core.routing.policies import Policy, Request, two_choices
from shared_core.routing.target import Target

Key: TypeAlias = Callable[[Request], str | None] | str


def sticky(key: Key, then: Policy = two_choices) -> Policy:
    """The same target for the same key while it is healthy, else the key's next; without a key, another policy's order.

    `key` finds the key of a request, or names the field ("user") or the entry of `extra` that has it. Each target draws
    for each key, in proportion to its weight, and the highest draw has it (rendezvous hashing): when a target is added,
    only the keys that it wins move, and when one is ill, only its own.
    """
    return partial(_ordered, key, then)  # which pickles, as far as `key` does


def _ordered(key: Key, then: Policy, request: Request, targets: Sequence[Target]) -> Sequence[Target]:
    found = _named(key, request) if isinstance(key, str) else key(request)
    if found is None:
        return then(request, targets)
    return sorted(targets, key=lambda target: _draw(found, target))


def _named(name: str, request: Request) -> str | None:
    value = getattr(request, name) if name in type(request).model_fields else request.extra.get(name)
    return None if value is None else str(value)


def _draw(key: str, target: Target) -> float:
    """The lowest wins: times to the first event of Poisson processes, which happen at the rates of the weights."""
    said = f"{len(key)}:{key}{_lasting(target.name, getattr(target.backend, 'base_url', ''))}"
    drawn = int.from_bytes(blake2b(said.encode(errors="surrogatepass"), digest_size=8).digest())
    return -math.log((drawn + 1) / (2**64 + 1)) / target.weight


@lru_cache(maxsize=1_024)
def _lasting(name: str, url: str) -> str:
    """The target's name as it stays when others join: with its host, and without the number of a first one."""
    plain, _, number = name.partition("#")
    at = f"@{urlsplit(url).netloc}"
    named = plain if at == "@" or plain.endswith(at) else plain + at
    return named if number in ("", "1") else f"{named}#{number}"
