"""Prompt and window, out of the words that places have for "too long"."""

from __future__ import annotations

import pytest

from shared_core.wire.overflow import read_overflow


@pytest.mark.parametrize(
    ("message", "prompt", "window"),
    [
        ("The input (170071 tokens) is longer than the model's context length (131072 tokens).", 170071, 131072),
        (
            "`inputs` tokens + `max_new_tokens` must be <= 32769. Given: 30 `inputs` tokens and 999999999 `max_new_tokens`",
            30,
            32769,
        ),
        ("`inputs` must have less than 1024 tokens. Given: 2048", 2048, 1024),
        ("Current length is 8677 while limit is 8192", 8677, 8192),
        ("The prompt is too long: 221,782, model maximum context length: 202,752", 221782, 202752),
        (
            ("This model's maximum context length is 2048 tokens. However, you requested 2100 tokens "
            "(2000 in the messages, 100 in the completion)."),
            2000,
            2048,
        ),
        (
            ("This model's maximum context length is 4096 tokens. However, you requested 512 output tokens and your "
            "prompt contains at least 3999 input tokens, for a total of at least 4511 tokens."),
            3999,
            4096,
        ),
        (
            "This endpoint's maximum context length is 131072 tokens. However, you requested about 537812 tokens.",
            537812,
            131072,
        ),
        ("request (100500 tokens) exceeds the available context size (100000 tokens), try increasing it", 100500, 100000),
        (
            ("You passed 894 input characters and requested 4096 output tokens. However, the model's context length is "
            "only 4096 tokens, resulting in a maximum input length of 0 tokens (at most 0 characters)."),
            None,
            4096,
        ),
        (
            "Error code: 400 - This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
            9000,
            8192,
        ),
        (
            "'max_tokens' is too large: 5000. This model's maximum context length is 4096 tokens and your request has 300 input tokens",
            300,
            4096,
        ),
        ("maximum context length is 8192 tokens, got 1 and 2000 and 9000", None, 8192),
        ("Please reduce the length of the messages.", None, None),
        ("1000 2000 3000", None, None),
    ],
)  # fmt: skip
def test_the_numbers_by_the_words_around_them(message: str, prompt: int | None, window: int | None) -> None:
    assert read_overflow(message) == (prompt, window)
