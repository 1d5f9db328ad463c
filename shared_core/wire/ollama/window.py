"""How much context a request asks for, and whether the prompt fitted into it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from shared_core.errors import ContextLengthError
from shared_core.wire.base import Json

LEAST = 8192
"""Tokens that are always asked for: room for a conversation with tools, and 1 GiB of an 8B Llama's memory."""

_BYTES = 3
"""A token has more bytes than this in nearly every text and language, so that estimates err to the long side."""
_IMAGE = 1024
_ANSWER = 1024


class TruncatedPromptWarning(UserWarning):
    """A server counted fewer tokens than the prompt has words: it seems to have left out a part of it."""


def context_for(texts: object, images: int, answer: int | None) -> int:
    """Tokens for the texts, the images and the answer, as a power of two: another number reloads the model.

    A conversation that grows so reloads it once with each doubling, and no sooner than it must.
    """
    tokens = len(to_json(texts)) // _BYTES + images * _IMAGE + (answer or _ANSWER)
    return max(LEAST, 1 << (tokens - 1).bit_length())


@dataclass(frozen=True, slots=True)
class Window:
    """The context that a request asks for, and the `fewest` tokens that its prompt can have; 0 where it is short."""

    size: int | None = None
    fewest: int = 0

    def check_prompt(self) -> None:
        """Raise `ContextLengthError` where the prompt cannot fit, which servers before October 2025 do not say."""
        if self.size is not None and self.fewest > self.size:
            raise ContextLengthError(
                f"the prompt has at least {self.fewest:,} tokens, and num_ctx is {self.size:,}",
                context_window=self.size,
            )

    def check_count(self, counted: int | None) -> None:
        """Say what the server's count of the prompt's tokens shows: that it was cut for certain, or so it seems."""
        if self.size is None or counted is None:
            return
        if counted == self.size:
            raise ContextLengthError(
                f"the prompt was cut to num_ctx: the server read {counted:,} tokens of it", context_window=self.size
            )
        if counted < self.fewest:
            warnings.warn(
                f"Ollama counted {counted:,} tokens in a prompt of {self.fewest:,} words: it left out the rest, which "
                f"the model has no window for (or had it in its cache, which only very old servers do not count).",
                TruncatedPromptWarning,
                stacklevel=2,
            )


def window_of(body: Mapping[str, Any]) -> Window:
    """The window of a request as it goes out; there is nothing to check where the caller lets the prompt be cut."""
    options = body.get("options")
    size = options.get("num_ctx") if isinstance(options, Mapping) else None
    if not isinstance(size, int) or body.get("truncate") is not False:
        return Window()
    return Window(size, _fewest_tokens(body.get("messages") or (), size))


def _fewest_tokens(messages: Sequence[Json], size: int) -> int:
    """Words: no tokenizer makes one token of two. They are counted only where there may be too many."""
    contents = [str(message.get("content") or "") for message in messages]
    if sum(map(len, contents)) < size:
        return 0
    return sum(len(content.split()) for content in contents)
