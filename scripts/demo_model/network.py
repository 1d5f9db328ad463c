"""The only module that defines the network: a Llama decoder small enough to train on two CPU cores."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Shape:
    """Sizes of the network; every matrix side is a multiple of 32, which q8_0 asks for."""

    vocabulary: int
    width: int = 192
    layers: int = 6
    heads: int = 6
    hidden: int = 512
    rope_base: float = 10_000.0
    epsilon: float = 1e-5
    context: int = 2048

    @property
    def head_width(self) -> int:
        """Channels of one attention head."""
        return self.width // self.heads


def rotary_tables(shape: Shape, length: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary embedding, each `(length, head_width / 2)`."""
    half = shape.head_width // 2
    speeds = shape.rope_base ** (-torch.arange(half) / half)
    angles = torch.outer(torch.arange(length), speeds)
    return angles.cos(), angles.sin()


def rotate(heads: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn channel `i` with channel `i + half`; export reorders to llama.cpp's neighbouring pairs."""
    first, second = heads.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


class Norm(nn.Module):
    """Root-mean-square normalisation."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(shape.width))
        self.epsilon = shape.epsilon

    def forward(self, hidden: Tensor) -> Tensor:
        """Normalise the last dimension."""
        scale = torch.rsqrt(hidden.float().square().mean(-1, keepdim=True) + self.epsilon)
        return hidden * scale * self.weight


class Attention(nn.Module):
    """Causal self-attention with rotary positions."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.qkv = nn.Linear(shape.width, 3 * shape.width, bias=False)
        self.output = nn.Linear(shape.width, shape.width, bias=False)

    def forward(self, hidden: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Mix every position with those before it."""
        batch, length, width = hidden.shape
        heads = self.qkv(hidden).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        query, key = rotate(query, cos, sin), rotate(key, cos, sin)
        mixed = functional.scaled_dot_product_attention(query.type_as(value), key.type_as(value), value, is_causal=True)
        return self.output(mixed.transpose(1, 2).reshape(batch, length, width))  # type: ignore[no-any-return]


class Block(nn.Module):
    """One decoder layer: attention, then a gated feed-forward."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.attention_norm = Norm(shape)
        self.attention = Attention(shape)
        self.hidden_norm = Norm(shape)
        self.gate_up = nn.Linear(shape.width, 2 * shape.hidden, bias=False)
        self.down = nn.Linear(shape.hidden, shape.width, bias=False)

    def forward(self, hidden: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Add both halves to the residual stream."""
        hidden = hidden + self.attention(self.attention_norm(hidden), cos, sin)
        gate, up = self.gate_up(self.hidden_norm(hidden)).chunk(2, dim=-1)
        return hidden + self.down(functional.silu(gate) * up)  # type: ignore[no-any-return]


class Network(nn.Module):
    """The decoder with tied embeddings."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = Norm(shape)
        cos, sin = rotary_tables(shape, shape.context)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self.apply(initialise)

    def forward(self, tokens: Tensor) -> Tensor:
        """Final hidden states `(batch, length, width)` of token ids `(batch, length)`."""
        length = tokens.shape[1]
        cos, sin = self.cos[:length], self.sin[:length]  # type: ignore[index]
        hidden = self.embedding(tokens)
        for block in self.blocks:
            hidden = block(hidden, cos, sin)
        return self.norm(hidden)  # type: ignore[no-any-return]

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores over the vocabulary."""
        return functional.linear(hidden, self.embedding.weight)


def initialise(module: nn.Module) -> None:
    """Start a linear or embedding small, and everything else as PyTorch does."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=module.in_features**-0.5 / 2)
    if isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
