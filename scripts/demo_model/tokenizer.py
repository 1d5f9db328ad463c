"""The only module that makes tokens: a byte-level BPE whose words are cut the same way wherever they stand.

Copying a word is easy when its tokens do not depend on what precedes it. So merges are learned without spaces, and a
space joins only the most frequent words afterwards.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

if TYPE_CHECKING:
    from collections.abc import Iterable

PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CALL, CALL_END = "<tool_call>", "</tool_call>"
CONTROL = (PAD, START, END)
MARKS = (CALL, CALL_END)
VOCABULARY = 1024
SPACE = "Ġ"
SPACED = 180
_SPACED_MARKS = ('"', "{", "(", "-", "+", "*", "=")


def _cut() -> pre_tokenizers.PreTokenizer:
    # What llama.cpp calls "smollm": digits one by one, then GPT-2's pattern.
    digits = pre_tokenizers.Digits(individual_digits=True)
    return pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])


def _cut_at_spaces() -> pre_tokenizers.PreTokenizer:
    spaces = pre_tokenizers.Split(Regex(" "), behavior="isolated")
    return pre_tokenizers.Sequence([spaces, _cut()])


def _learn_merges(texts: Iterable[str], size: int) -> tuple[list[str], list[list[str]]]:
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = _cut_at_spaces()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    learner.train_from_iterator(texts, trainer)
    learned = json.loads(learner.to_str())["model"]
    return sorted(learned["vocab"], key=learned["vocab"].get), [list(pair) for pair in learned["merges"]]


def _frequent_words(texts: Iterable[str], known: set[str]) -> list[str]:
    counts = Counter(word for text in texts for word in text.split(" ")[1:])
    words = [word for word, _ in counts.most_common() if word in known and word.islower() and len(word) > 1]
    return [*_SPACED_MARKS, *words][:SPACED]


def train_tokenizer(texts: list[str]) -> Tokenizer:
    """Learn the vocabulary from texts."""
    specials = [*CONTROL, *MARKS]
    pieces, merges = _learn_merges(texts, VOCABULARY - SPACED - len(specials))
    for word in _frequent_words(texts, set(pieces)):
        pieces.append(SPACE + word)
        merges.append([SPACE, word])
    vocabulary = {piece: index for index, piece in enumerate([*specials, *pieces])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[(a, b) for a, b in merges]))
    tokenizer.pre_tokenizer = _cut()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in CONTROL])
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in MARKS])
    return tokenizer


def id_of(tokenizer: Tokenizer, token: str) -> int:
    """The id of a token that the vocabulary is known to have."""
    return int(tokenizer.token_to_id(token))


def supervised(tokenizer: Tokenizer, tokens: list[int]) -> list[bool]:
    """Which tokens the assistant wrote, the end of its turn included."""
    start, end = id_of(tokenizer, START), id_of(tokenizer, END)
    opening = [start, *tokenizer.encode("assistant\n").ids]
    marks, speaking = [False] * len(tokens), False
    for index, token in enumerate(tokens):
        if token == start:
            speaking = False
        marks[index] = speaking
        if token == end:
            speaking = False
        elif tokens[index - len(opening) + 1 : index + 1] == opening:
            speaking = True
    return marks
