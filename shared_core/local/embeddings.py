"""Turns texts into vectors: the model's own pooling, unit length."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shared_core.errors import ContextLengthError, InvalidRequestError, ServerError, UnsupportedError
from shared_core.local.cancellation import Cancellation
from shared_core.local.context import open_context
from shared_core.local.options import LoadOptions
from shared_core.types import EmbedRequest, EmbedResponse, Usage

if TYPE_CHECKING:
    from shared_core.local.model import Model

_MOST_SEQUENCES = 64
_LEAST_ROOM = 512
_POOLINGS = {"mean": "LLAMA_POOLING_TYPE_MEAN", "cls": "LLAMA_POOLING_TYPE_CLS", "last": "LLAMA_POOLING_TYPE_LAST"}


class EmbeddingContext:
    """Embeds batches of texts that together have at most `room` tokens. Belongs to the thread that made it."""

    def __init__(self, llama: ModuleType, model: int, options: LoadOptions, longest: int) -> None:
        self._llama = llama
        # A text must be read in one piece, so the buffers must hold the longest: they grow only when it comes.
        self.room = max(_LEAST_ROOM, 1 << (longest - 1).bit_length())
        self._context = open_context(llama, model, _parameters(llama, options, self.room), options)
        self.width: int = llama.llama_model_n_embd_out(model)

    def embed(self, texts: list[list[int]]) -> NDArray[np.float32]:
        """One row per text, of length 1. Raises `ServerError` if llama.cpp fails."""
        tokens = [token for text in texts for token in text]
        batch = self._llama.llama_batch_init(len(tokens), 0, 1)
        try:
            _fill(batch, texts)
            code = self._llama.llama_decode(self._context, batch)
        finally:
            self._llama.llama_batch_free(batch)
        if code != 0:
            raise ServerError(f"llama.cpp could not embed {len(tokens)} tokens (code {code})")
        rows = np.stack([self._row(index) for index in range(len(texts))])
        self._forget()
        return rows

    def _row(self, sequence: int) -> NDArray[np.float32]:
        pointer = self._llama.llama_get_embeddings_seq(self._context, sequence)
        return np.array(np.ctypeslib.as_array(pointer, shape=(self.width,)))

    def _forget(self) -> None:
        memory = self._llama.llama_get_memory(self._context)
        if memory:  # an encoder keeps nothing
            self._llama.llama_memory_clear(memory, False)  # noqa: FBT003

    def close(self) -> None:
        """Give the memory back."""
        self._llama.llama_free(self._context)


def _parameters(llama: ModuleType, options: LoadOptions, room: int) -> object:
    parameters = llama.llama_context_default_params()
    parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = room
    parameters.n_seq_max = _MOST_SEQUENCES
    parameters.kv_unified = True
    parameters.embeddings = True
    parameters.n_threads = parameters.n_threads_batch = options.n_threads
    parameters.pooling_type = _pooling(llama, options)
    return parameters


def _pooling(llama: ModuleType, options: LoadOptions) -> int:
    """The pooling asked for, else the model's own, else the mean, which suits models that were not made to embed."""
    own = options.header.number("pooling_type")
    if options.pooling is None and own:
        return own
    return int(getattr(llama, _POOLINGS[options.pooling or "mean"]))


def _fill(batch: ctypes.Structure, texts: list[list[int]]) -> None:
    at = 0
    for sequence, text in enumerate(texts):
        for position, token in enumerate(text):
            batch.token[at], batch.pos[at] = token, position
            batch.n_seq_id[at], batch.seq_id[at][0], batch.logits[at] = 1, sequence, 1
            at += 1
    batch.n_tokens = at


def embed(model: Model, request: EmbedRequest, cancellation: Cancellation) -> EmbedResponse:
    """The vectors of `request`.

    Raises `ContextLengthError` for a text beyond the window (none is cut), `UnsupportedError` for a model that
    ranks, and `InvalidRequestError` for a text without tokens or more `dimensions` than there are.
    """
    if model.options.header.number("pooling_type") == model.llama.LLAMA_POOLING_TYPE_RANK:
        raise UnsupportedError(f"the model {model.options.path.name} ranks texts and gives no vectors of them")
    alone = len(request.texts) == 1
    texts = [_tokens(model, "the text" if alone else f"text {index}", text) for index, text in enumerate(request.texts)]
    return EmbedResponse(
        vectors=[_unit(row, request.dimensions).tolist() for row in _rows(model, texts, cancellation)],
        usage=Usage(input=sum(map(len, texts)), output=0),
        model=model.options.path.stem,
        backend="llama_cpp",
    )


def _tokens(model: Model, name: str, text: str) -> list[int]:
    tokens = model.vocabulary.tokenize(text, frame=True)
    window = min(model.options.window, model.options.header.training_window)
    if len(tokens) > window:
        raise ContextLengthError(
            f"{name} has {len(tokens)} tokens, the window of {model.options.path.name} {window}; split it",
            prompt_tokens=len(tokens),
            context_window=window,
        )
    if not tokens:
        raise InvalidRequestError(f"{name} is empty, and {model.options.path.name} needs at least one token")
    return tokens


def _rows(model: Model, texts: list[list[int]], cancellation: Cancellation) -> Iterator[NDArray[np.float32]]:
    if not texts:
        return
    context = model.embedding_context(max(map(len, texts)))
    for batch in _batches(texts, context.room):
        cancellation.check()
        yield from context.embed(batch)


def _batches(texts: list[list[int]], room: int) -> Iterator[list[list[int]]]:
    batch: list[list[int]] = []
    used = 0
    for text in texts:
        if batch and (used + len(text) > room or len(batch) == _MOST_SEQUENCES):
            yield batch
            batch, used = [], 0
        batch.append(text)
        used += len(text)
    yield batch


def _unit(row: NDArray[np.float32], dimensions: int | None) -> NDArray[np.float32]:
    """`row` at length 1; its first `dimensions` for models trained so that these mean most (Matryoshka)."""
    if dimensions is not None and dimensions > len(row):
        raise InvalidRequestError(f"{dimensions} dimensions were asked for; the model gives {len(row)}")
    kept = row[:dimensions]
    length = float(np.linalg.norm(kept))
    return kept / length if length else kept
