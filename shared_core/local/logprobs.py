"""Log-probabilities of one token and its likeliest rivals, from one row of logits."""

from __future__ import annotations

import numpy as np

from shared_core.local.context import Logits
from shared_core.local.vocabulary import Vocabulary
from shared_core.types import TokenLogprob


def token_logprob(vocabulary: Vocabulary, logits: Logits, token: int, top: int) -> TokenLogprob:
    """What the model itself gave `token`, before temperature, penalties and grammar; with the `top` likeliest."""
    peak = logits.max()
    logprobs = logits - (peak + np.log(np.exp(logits - peak).sum()))
    likeliest = np.argsort(-logprobs, kind="stable")[:top] if top else np.empty(0, dtype=np.int64)
    rivals = [_entry(vocabulary, int(rival), float(logprobs[rival])) for rival in likeliest]
    entry = _entry(vocabulary, token, float(logprobs[token]))
    entry.top = rivals
    return entry


def _entry(vocabulary: Vocabulary, token: int, logprob: float) -> TokenLogprob:
    spelling = vocabulary.spelling(token)
    return TokenLogprob(token=spelling.decode(errors="replace"), logprob=logprob, bytes=list(spelling))
