from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_core import ReasoningDelta
from shared_core.wire.thinking import TagSplitter


def split(*pieces: str) -> tuple[str, str]:
    """(reasoning, text)"""
    splitter = TagSplitter()
    events = [event for piece in pieces for event in splitter.feed(piece)] + splitter.close()
    assert all(event.text for event in events), "no empty events"
    reasoning = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
    return reasoning, "".join(event.text for event in events if not isinstance(event, ReasoningDelta))


CASES = [
    ("", ("", "")),
    ("Hello", ("", "Hello")),
    ("<think>\nhm, 1 < 2</think>\n\nHello", ("hm, 1 < 2", "Hello")),
    ("\n<think>a</think>b", ("a", "b")),
    ("<think></think>b", ("", "b")),
    ("<think>never ends", ("never ends", "")),
    ("<think>a</thin", ("a</thin", "")),
    ("<think>\na\n\nb\n</think>\n\nHello", ("a\n\nb", "Hello")),
    ("<think>\n</think>\n\nHello", ("", "Hello")),
    ("<reasoning>a\n</reasoning><reasoning>\nb\n</reasoning>c", ("a\n\nb", "c")),
    ("<think>a\n</thin", ("a\n</thin", "")),
    ("<think>a</think>\n\n", ("a", "")),
    ("<reasoning>a</reasoning><reasoning>b</reasoning>c", ("ab", "c")),
    ("use <think>x</think> in prompts", ("", "use <think>x</think> in prompts")),
    ("<thinner>x", ("", "<thinner>x")),
    ("<think>a</think>b <think>c</think>", ("a", "b <think>c</think>")),
    ("  <", ("", "  <")),
]


@pytest.mark.parametrize(("text", "parts"), CASES)
def test_whole_and_letter_by_letter(text: str, parts: tuple[str, str]) -> None:
    assert split(text) == parts
    assert split(*text) == parts


@given(st.sampled_from(CASES), st.lists(st.integers(0, 60)))
def test_any_chunking_gives_the_same(case: tuple[str, tuple[str, str]], cuts: list[int]) -> None:
    text, parts = case
    edges = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    assert split(*(text[a:b] for a, b in itertools.pairwise(edges))) == parts


def test_text_is_not_held_back_once_it_is_text() -> None:
    splitter = TagSplitter()
    assert [event.text for event in splitter.feed("He")] == ["He"]
    assert [event.text for event in splitter.feed("<")] == ["<"]
