"""Reads log-probabilities of tokens, in the two forms they come in."""

from __future__ import annotations

from itertools import zip_longest

from shared_core.types import TokenLogprob
from shared_core.wire.base import Json


def read_logprobs(logprobs: object) -> list[TokenLogprob] | None:
    """One for each token of a piece, or `None` if the place told none.

    Chat completions have one object for each token; Together and llama-cpp-python use the parallel lists of the older
    completions API.
    """
    if not isinstance(logprobs, dict):
        return None
    if entries := logprobs.get("content"):
        return [_logprob(entry) for entry in entries]
    if logprobs.get("tokens") and logprobs.get("token_logprobs"):
        return _from_lists(logprobs)
    return None


def _logprob(entry: Json) -> TokenLogprob:
    top = [_logprob(other) for other in entry.get("top_logprobs") or ()]
    return TokenLogprob(entry["token"], entry["logprob"], entry.get("bytes"), top)


def _from_lists(lists: Json) -> list[TokenLogprob]:
    rows = zip_longest(lists["tokens"], lists["token_logprobs"], lists.get("top_logprobs") or ())
    return [
        TokenLogprob(token, logprob, top=[TokenLogprob(other, value) for other, value in (top or {}).items()])
        for token, logprob, top in rows
        if logprob is not None  # the first token of a text has none
    ]
