"""The context a model writes in: reads tokens, gives logits."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from shared_core.errors import ModelFileError, ServerError
from shared_core.local.cancellation import Cancellation, Cancelled
from shared_core.local.options import LoadOptions

Logits: TypeAlias = NDArray[np.float32]

# Prompt tokens read between two looks at the cancellation, where a device cannot be stopped midway.
PROMPT_BATCH = 512
_ABORTED = 2


class ChatContext:
    """One sequence of tokens. Belongs to the thread that made it."""

    def __init__(self, llama: ModuleType, model: int, options: LoadOptions, vocabulary_size: int) -> None:
        self._llama = llama
        self._size = vocabulary_size
        self._context = open_context(llama, model, _parameters(llama, options), options)
        self._cancellation = Cancellation()

    @contextmanager
    def sequence(self, cancellation: Cancellation) -> Iterator[None]:
        """Begin an empty sequence, whose reading `cancellation` stops."""
        self._llama.llama_memory_clear(self._llama.llama_get_memory(self._context), False)  # noqa: FBT003
        self._cancellation = cancellation
        self._llama.llama_set_abort_callback(self._context, _string_length(self._llama), cancellation.address)
        try:
            yield
        finally:
            self._llama.llama_set_abort_callback(self._context, self._llama.ggml_abort_callback(), None)

    def read(self, tokens: list[int]) -> Logits:
        """Append `tokens` and give the logits of the token to come, valid until the next `read`.

        Raises `Cancelled`, or `ServerError` if llama.cpp fails.
        """
        for start in range(0, len(tokens), PROMPT_BATCH):
            self._cancellation.check()
            self._decode(tokens[start : start + PROMPT_BATCH])
        row = self._llama.llama_get_logits_ith(self._context, -1)
        return np.ctypeslib.as_array(row, shape=(self._size,))

    def _decode(self, tokens: list[int]) -> None:
        array = (ctypes.c_int32 * len(tokens))(*tokens)
        code = self._llama.llama_decode(self._context, self._llama.llama_batch_get_one(array, len(tokens)))
        if code == _ABORTED:
            raise Cancelled
        if code != 0:
            raise ServerError(f"llama.cpp could not decode {len(tokens)} tokens (code {code})")

    def close(self) -> None:
        """Give the memory back."""
        self._llama.llama_free(self._context)


def open_context(llama: ModuleType, model: int, parameters: object, options: LoadOptions) -> int:
    """A new llama.cpp context. Raises `ModelFileError` if there is no room for it."""
    context = llama.llama_init_from_model(model, parameters)
    if not context:
        raise ModelFileError(
            f"llama.cpp could not make a context of {options.window} tokens for {options.path}; "
            "with a smaller n_ctx it needs less memory"
        )
    return int(context)


def _parameters(llama: ModuleType, options: LoadOptions) -> object:
    parameters = llama.llama_context_default_params()
    parameters.n_ctx = options.window
    parameters.n_batch = min(PROMPT_BATCH, options.window)
    parameters.n_threads = parameters.n_threads_batch = options.n_threads
    return parameters


def _string_length(llama: ModuleType) -> object:
    """C's `strlen` as abort callback: true once the string at the given address is no longer empty.

    llama.cpp asks hundreds of times a token; a Python callback would take the interpreter's lock each time.
    """
    strlen = ctypes.CDLL("msvcrt" if os.name == "nt" else None).strlen
    return ctypes.cast(strlen, llama.ggml_abort_callback)
