"""llama.cpp's list of tokens that may come next, in numpy's memory."""

from __future__ import annotations

import ctypes
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from shared_core.local.context import Logits

_LAYOUT = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])


class Candidates:
    """Room for `size` candidates, which llama.cpp's samplers narrow down."""

    def __init__(self, llama: ModuleType, size: int) -> None:
        self._llama = llama
        self._data = np.zeros(size, dtype=_LAYOUT)
        self._ids = np.arange(size, dtype=np.int32)
        self._array = llama.llama_token_data_array()

    def fill(self, logits: Logits, first: int = 0) -> None:
        """Begin with tokens `first` and on, as likely as `logits` say."""
        self._data["id"] = self._ids + first
        self._data["logit"] = logits
        self._array.data = ctypes.cast(self._data.ctypes.data, type(self._array.data))
        self._array.size, self._array.selected, self._array.sorted = len(self._data), -1, False

    def apply(self, sampler: int) -> None:
        """Let a llama.cpp sampler work on them."""
        self._llama.llama_sampler_apply(sampler, ctypes.byref(self._array))

    @property
    def refused(self) -> NDArray[np.int32]:
        """The tokens that a grammar has ruled out."""
        return self._data["id"][np.isneginf(self._data["logit"])]

    @property
    def selected(self) -> int:
        """The token that the last sampler has chosen."""
        return int(self._array.data[self._array.selected].id)
