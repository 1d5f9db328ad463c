"""Holds a model to a GBNF grammar, by llama.cpp's own reader."""

from __future__ import annotations

from types import ModuleType

import numpy as np

from shared_core.errors import InvalidRequestError
from shared_core.local.candidates import Candidates
from shared_core.local.context import Logits
from shared_core.local.library import recorded_problems
from shared_core.local.vocabulary import Vocabulary


class GbnfConstraint:
    """The grammar's rule `root`, part of it already read. Raises `InvalidRequestError` if there is none."""

    finished = False  # llama.cpp does not tell; the model has to write its end token

    def __init__(self, llama: ModuleType, vocabulary: Vocabulary, gbnf: str) -> None:
        self._llama = llama
        self._all = Candidates(llama, vocabulary.size)
        self._one = Candidates(llama, 1)
        problems = recorded_problems()
        problems.clear()
        self._sampler = llama.llama_sampler_init_grammar(vocabulary.pointer, gbnf.encode(), b"root")
        if not self._sampler:
            reason = "; ".join(problems) or "it has no rule `root`"
            raise InvalidRequestError(f"the GBNF grammar is not valid: {reason}")

    def allows(self, token: int) -> bool:
        """Whether `token` may come next: a thousand times quicker than a whole mask."""
        self._one.fill(np.zeros(1, dtype=np.float32), first=token)
        self._one.apply(self._sampler)
        return not self._one.refused.size

    def mask(self, logits: Logits) -> None:
        """Set what may not come next to minus infinity, in place."""
        self._all.fill(logits)
        self._all.apply(self._sampler)
        logits[self._all.refused] = -np.inf

    def accept(self, token: int) -> None:
        """Read `token`, which must be allowed: llama.cpp ends the process over another."""
        self._llama.llama_sampler_accept(self._sampler, token)

    def close(self) -> None:
        """Give the memory back."""
        self._llama.llama_sampler_free(self._sampler)
