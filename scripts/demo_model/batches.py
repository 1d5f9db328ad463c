"""The only module that turns conversations into batches: rows of like length, and how much each token counts."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import torch

from .corpus import draw
from .template import render
from .tokenizer import PAD, id_of, supervised
from .words import TRAINING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokenizers import Tokenizer
    from torch import Tensor

    from .conversation import Conversation
    from .corpus import Phase

PROMPT_WEIGHT = 0.05
_POOL = 1500
_ROUND = 32


@dataclass(frozen=True)
class Row:
    """A conversation's tokens, and which of them the assistant wrote."""

    tokens: list[int]
    marks: list[bool]


def encode(tokenizer: Tokenizer, conversations: list[Conversation]) -> list[Row]:
    """Render and tokenise conversations."""
    texts = [render(conversation.messages, conversation.tools) for conversation in conversations]
    encoded = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    return [Row(tokens, supervised(tokenizer, tokens)) for tokens in encoded]


def collate(rows: list[Row], pad: int) -> tuple[Tensor, Tensor]:
    """Token ids and loss weights, both `(rows, length)`, padded to a round length."""
    length = -(-max(len(row.tokens) for row in rows) // _ROUND) * _ROUND
    tokens = torch.full((len(rows), length + 1), pad)
    weights = torch.zeros(len(rows), length + 1)
    for index, row in enumerate(rows):
        tokens[index, : len(row.tokens)] = torch.tensor(row.tokens)
        weights[index, : len(row.tokens)] = torch.tensor(row.marks).float().clamp(min=PROMPT_WEIGHT)
    return tokens, weights


def _group(rows: list[Row], budget: int) -> list[list[Row]]:
    # From the longest down, so that the group left over, which is dropped, holds a few of the shortest.
    groups: list[list[Row]] = [[]]
    for row in sorted(rows, key=lambda row: -len(row.tokens)):
        if groups[-1] and (len(groups[-1]) + 1) * len(groups[-1][0].tokens) > budget:
            groups.append([])
        groups[-1].append(row)
    return groups[:-1]


def pool(tokenizer: Tokenizer, phase: Phase, seed: str, budget: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of about `budget` tokens from one deterministic drawing, in random order."""
    rng = Random(seed)
    rows = encode(tokenizer, [draw(rng, TRAINING, phase) for _ in range(_POOL)])
    groups = _group([row for row in rows if len(row.tokens) <= phase.longest], budget)
    rng.shuffle(groups)
    pad = id_of(tokenizer, PAD)
    return (collate(group, pad) for group in groups)
