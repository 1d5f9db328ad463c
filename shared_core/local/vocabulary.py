"""A model's tokens: text to ids, ids to bytes. Safe from any thread while the model is loaded."""

from __future__ import annotations

import ctypes
from functools import cached_property
from types import ModuleType

_FIRST_BUFFER = 64
# Tokens that mark a tool call or reasoning: text to us, even where the file declares them control tokens.
MARKERS = frozenset({
    "<tool_call>", "</tool_call>", "<tool_calls>", "</tool_calls>", "[TOOL_CALLS]", "[ARGS]", "[CALL_ID]",
    "<|python_tag|>", "<think>", "</think>", "[THINK]", "[/THINK]",
})  # fmt: skip


class Vocabulary:
    """The tokens of the loaded model at `model`."""

    def __init__(self, llama: ModuleType, model: int) -> None:
        self._llama = llama
        self._vocab = llama.llama_model_get_vocab(model)
        self._pieces: dict[int, bytes] = {}
        self.size: int = llama.llama_vocab_n_tokens(self._vocab)

    @property
    def pointer(self) -> int:
        """llama.cpp's own vocabulary object, valid while the model is loaded."""
        return int(self._vocab)

    def tokenize(self, text: str | bytes, *, special: bool = False, frame: bool = False) -> list[int]:
        """Token ids of `text`. `special` reads control tokens out of it, `frame` adds the model's own start and end."""
        data = text.encode() if isinstance(text, str) else text
        count, tokens = -(len(data) + 8), list[int]()
        while count < 0:  # the number of tokens it would have been: some tokenizers make more of them than bytes
            count, tokens = self._tokenize(data, -count, special=special, frame=frame)
        return tokens[:count]

    def _tokenize(self, data: bytes, room: int, *, special: bool, frame: bool) -> tuple[int, list[int]]:
        tokens = (ctypes.c_int32 * room)()
        count = self._llama.llama_tokenize(self._vocab, data, len(data), tokens, room, frame, special)
        return count, list(tokens)

    def prompt_tokens(self, text: str) -> list[int]:
        """Token ids of a rendered prompt: control tokens read, exactly one start token where the model wants one."""
        tokens = self.tokenize(text, special=True)
        if self.adds_start and self.start is not None and tokens[:1] != [self.start]:
            return [self.start, *tokens]
        return tokens

    def piece(self, token: int) -> bytes:
        """The bytes that `token` adds to an answer; none for a control token that is not a marker."""
        known = self._pieces.get(token)
        if known is None:
            known = self._pieces[token] = b"" if self.is_control(token) else self.spelling(token)
        return known

    def spelling(self, token: int) -> bytes:
        """How `token` is written, control tokens too."""
        count, data = self._spell(token, _FIRST_BUFFER)
        return data[:count] if count >= 0 else self._spell(token, -count)[1]

    def _spell(self, token: int, room: int) -> tuple[int, bytes]:
        buffer = ctypes.create_string_buffer(room)
        count = self._llama.llama_token_to_piece(self._vocab, token, buffer, room, 0, True)  # noqa: FBT003
        return count, buffer.raw

    def is_control(self, token: int) -> bool:
        """Whether `token` steers the model and is no text."""
        control = self._llama.llama_vocab_is_control(self._vocab, token) or self.ends(token)
        return bool(control) and self.spelling(token).decode(errors="replace") not in MARKERS

    def ends(self, token: int) -> bool:
        """Whether `token` ends an answer."""
        return bool(self._llama.llama_vocab_is_eog(self._vocab, token))

    @cached_property
    def end_tokens(self) -> list[int]:
        """All tokens that end an answer, the model's own first."""
        own = self._llama.llama_vocab_eos(self._vocab)
        return sorted(filter(self.ends, range(self.size)), key=lambda token: token != own)

    @cached_property
    def start(self) -> int | None:
        """The token that begins a text, if the model has one."""
        token = self._llama.llama_vocab_bos(self._vocab)
        return None if token == self._llama.LLAMA_TOKEN_NULL else int(token)

    @property
    def adds_start(self) -> bool:
        """Whether the model was trained with its start token before every text."""
        return bool(self._llama.llama_vocab_get_add_bos(self._vocab))

    @property
    def start_text(self) -> str:
        """The start token as templates write it."""
        return "" if self.start is None else self.spelling(self.start).decode(errors="replace")

    @property
    def end_text(self) -> str:
        """The end token as templates write it."""
        token = self._llama.llama_vocab_eos(self._vocab)
        return "" if token == self._llama.LLAMA_TOKEN_NULL else self.spelling(token).decode(errors="replace")
