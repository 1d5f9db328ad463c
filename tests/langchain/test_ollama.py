"""The arguments of a model in this process, where the model is at Ollama."""

from __future__ import annotations

from typing import Any

import pytest

from langchain_multillm import ChatLlama, LlamaEmbeddings
from shared_core.wire.ollama import OllamaWire
from tests.core.speech import SPEECHES
from tests.raw_server import serving

ANSWER = SPEECHES[OllamaWire].answer


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ({}, {"options": {"num_ctx": 8192}}),
        ({"n_ctx": 4096, "keep_alive": 600}, {"options": {"num_ctx": 4096}, "keep_alive": 600}),
        ({"keep_alive": None}, {"options": {"num_ctx": 8192}, "keep_alive": -1}),
        ({"keep_alive": 0}, {"options": {"num_ctx": 8192}, "keep_alive": 0}),
    ],
)
def test_window_and_time_to_stay(arguments: dict[str, Any], sent: dict[str, Any]) -> None:
    with serving(ANSWER) as server:
        where = {"backend": "ollama", "model": "m", "base_url": server.url, **arguments}
        ChatLlama(**where).invoke("Hi")
        list(ChatLlama(**where).stream("Hi"))
        LlamaEmbeddings(**where).embed_query("Hi")
    for received in server.received:
        body = received.json
        assert {name: body[name] for name in ("options", "keep_alive") if name in body} == sent


def test_the_window_is_the_profiles() -> None:
    profile = ChatLlama(backend="ollama", model="mine", n_ctx=4096).profile
    assert profile is not None
    assert profile["max_input_tokens"] == 4096
