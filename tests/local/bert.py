"""all-MiniLM-L6-v2 in numpy, after the BERT paper: a check on llama.cpp that shares nothing with it."""

from __future__ import annotations

import json
import math
import re
import unicodedata

import numpy as np
from numpy.typing import NDArray

from convert_minilm import read_safetensors, source_directory

Array = NDArray[np.float32]


def erf(x: Array) -> Array:
    """Abramowitz and Stegun 7.1.26, right to seven digits."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    series = np.polyval([1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592, 0], t)
    return np.asarray(np.sign(x) * (1 - series * np.exp(-(x**2))))


class Bert:
    """Embeds one text at a time: mean pooling, length 1."""

    def __init__(self) -> None:
        source = source_directory()
        config = json.loads((source / "config.json").read_text())
        self.layers, self.heads = config["num_hidden_layers"], config["num_attention_heads"]
        self.epsilon = config["layer_norm_eps"]
        self.weights = {
            name: tensor.astype(np.float32) for name, tensor in read_safetensors(source / "model.safetensors")
        }
        self.ids = {word: index for index, word in enumerate((source / "vocab.txt").read_text().splitlines())}

    def tokenize(self, text: str) -> list[int]:
        bare = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")
        words = re.findall(r"[\u4e00-\u9fff]|[^\W\u4e00-\u9fff]+|[^\w\s]", bare)
        return [self.ids["[CLS]"], *(piece for word in words for piece in self._pieces(word)), self.ids["[SEP]"]]

    def _pieces(self, word: str) -> list[int]:
        pieces, start = [], 0
        while start < len(word):
            mark = "##" if start else ""
            end = next(end for end in range(len(word), start, -1) if mark + word[start:end] in self.ids)
            pieces.append(self.ids[mark + word[start:end]])
            start = end
        return pieces

    def embed(self, text: str) -> Array:
        tokens = self.tokenize(text)
        table = "embeddings.{}_embeddings.weight"
        state = (
            self.weights[table.format("word")][tokens]
            + self.weights[table.format("position")][: len(tokens)]
            + self.weights[table.format("token_type")][0]
        )
        state = self._norm(state, "embeddings.LayerNorm")
        for layer in range(self.layers):
            state = self._layer(state, f"encoder.layer.{layer}.")
        mean = state.mean(axis=0)
        return np.asarray(mean / np.linalg.norm(mean))

    def _layer(self, state: Array, at: str) -> Array:
        state = self._norm(state + self._attention(state, at + "attention."), at + "attention.output.LayerNorm")
        inner = self._linear(state, at + "intermediate.dense")
        inner = inner * 0.5 * (1 + erf(inner / math.sqrt(2)))
        return self._norm(state + self._linear(inner, at + "output.dense"), at + "output.LayerNorm")

    def _attention(self, state: Array, at: str) -> Array:
        query, key, value = (
            self._linear(state, f"{at}self.{part}").reshape(len(state), self.heads, -1).swapaxes(0, 1)
            for part in ("query", "key", "value")
        )
        scores = query @ key.swapaxes(1, 2) / math.sqrt(query.shape[-1])
        chances = np.exp(scores - scores.max(axis=-1, keepdims=True))
        chances /= chances.sum(axis=-1, keepdims=True)
        return self._linear((chances @ value).swapaxes(0, 1).reshape(len(state), -1), at + "output.dense")

    def _linear(self, state: Array, at: str) -> Array:
        return state @ self.weights[at + ".weight"].T + self.weights[at + ".bias"]

    def _norm(self, state: Array, at: str) -> Array:
        centred = state - state.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + self.epsilon)
        return np.asarray(scaled * self.weights[at + ".weight"] + self.weights[at + ".bias"])
