"""Holds a model to a JSON schema or a Lark grammar, by llguidance."""

from __future__ import annotations

from typing import Protocol

import llguidance
import numpy as np

from shared_core.errors import BackendError, InvalidRequestError, ServerError, UnsupportedError
from shared_core.local.context import Logits
from shared_core.local.vocabulary import Vocabulary

# llguidance's mark of a token that is no text.
_SPECIAL = b"\xff"
_SENTINEL = b"\x02"


class Constraint(Protocol):
    """A grammar, part of it already read."""

    def allows(self, token: int) -> bool:
        """Whether `token` may come next."""
        ...

    def mask(self, logits: Logits) -> None:
        """Set what may not come next to minus infinity, in place."""
        ...

    def accept(self, token: int) -> None:
        """Read `token`, which must be allowed."""
        ...

    @property
    def finished(self) -> bool:
        """Whether nothing but the end may follow."""
        ...

    def close(self) -> None:
        """Give the memory back."""
        ...


class SchemaCompiler:
    """Compiles Lark grammars (with JSON schemas in them) for one vocabulary, by llguidance."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._tokenizer = llguidance.LLTokenizer(
            llguidance.TokenizerWrapper(_Tokenizer(vocabulary)), eos_token=vocabulary.end_tokens
        )

    def compile(self, grammar: str) -> Constraint:
        """A constraint at its beginning.

        Raises `UnsupportedError` for a schema with keywords llguidance lacks, `InvalidRequestError` for a wrong one.
        """
        matcher = llguidance.LLMatcher(self._tokenizer, grammar, log_level=0)
        if matcher.is_error():
            raise _refusal(matcher.get_error())
        return _SchemaConstraint(matcher, self._vocabulary.size)


# What llguidance lacks, and not the schema.
_LACKS = ("nimplemented", "regex", "too ")


def _refusal(message: str) -> BackendError:
    reason = message.strip().splitlines()[0].rpartition("JSON schema: ")[2]
    kind = UnsupportedError if any(lack in reason for lack in _LACKS) else InvalidRequestError
    return kind(f"the JSON schema cannot be turned into a grammar: {reason}")


class _Tokenizer:
    """A vocabulary as llguidance wants to see it."""

    bos_token_id = None

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._sentinels = len(vocabulary.tokenize(_SENTINEL))
        self.eos_token_id = vocabulary.end_tokens[0]
        self.special_token_ids = list(filter(vocabulary.is_control, range(vocabulary.size)))
        special = set(self.special_token_ids)
        self.tokens = [
            (_SPECIAL if token in special else b"") + vocabulary.spelling(token) for token in range(vocabulary.size)
        ]

    def __call__(self, text: bytes) -> list[int]:
        # Some tokenizers put a blank before every text; the sentinel takes it.
        return self._vocabulary.tokenize(_SENTINEL + text)[self._sentinels :]


class _SchemaConstraint:
    def __init__(self, matcher: llguidance.LLMatcher, size: int) -> None:
        self._matcher = matcher
        self._size = size

    def allows(self, token: int) -> bool:
        return bool(self._matcher.validate_tokens([token]))

    def mask(self, logits: Logits) -> None:
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        allowed = np.unpackbits(bits, count=self._size, bitorder="little").astype(bool)
        logits[~allowed] = -np.inf

    def accept(self, token: int) -> None:
        if not self._matcher.consume_token(token):
            raise ServerError(f"the grammar came to a dead end: {self._matcher.get_error()}")

    @property
    def finished(self) -> bool:
        return bool(self._matcher.is_stopped())

    def close(self) -> None:
        """Nothing outside Python's memory is held."""
