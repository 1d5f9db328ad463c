"""Going on with the beginning of an answer, in process."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared_core import Finish, Router, connect, in_order
from shared_core.errors import UnsupportedError
from shared_core.local import LocalBackend, connect_local
from shared_core.types import ChatRequest, Message, TextDelta
from tests.halves import Half
from tests.local.asking import ask
from tests.local.tiny import write_model
from tests.raw_server import serving
from tests.routing.answering import breaks_off, text_of

QUESTION = "What is the capital of France?"


def begun(text: str) -> ChatRequest:
    question = ask(QUESTION, temperature=0)
    messages = (*question.messages, Message(role="assistant", content=text, prefix=True))
    return question.model_copy(update={"messages": messages})


def test_the_demo_model_goes_on_as_if_it_had_not_stopped(half: Half) -> None:
    demo = connect_local()
    pieces = [event.text for event in half.events(demo, ask(QUESTION, temperature=0)) if isinstance(event, TextDelta)]
    assert len(pieces) > 4
    for at in range(1, len(pieces)):
        so_far = "".join(pieces[:at])
        assert so_far + half.chat(demo, begun(so_far)).text == "".join(pieces)


def test_a_route_ends_at_home_what_a_place_began(half: Half) -> None:
    demo = connect_local()
    whole = half.chat(demo, ask(QUESTION, temperature=0)).text
    first, rest = whole[:12], whole[12:]
    assert rest
    with serving(breaks_off(first)) as place:
        route = Router([connect("vllm", model="m", base_url=place.url), demo], policy=in_order, retries=0, resume=True)
        events = half.events(route, ask(QUESTION, temperature=0))
    assert text_of(events) == whole
    finish = events[-1]
    assert isinstance(finish, Finish)
    assert (finish.backend, finish.metadata["resumed"][0]["at"]) == ("llama_cpp", 12)


def test_a_template_that_leaves_the_beginning_out_is_refused(half: Half, tmp_path: Path) -> None:
    deaf = connect_local(str(write_model(tmp_path / "m.gguf")), chat_template="{{ messages[0].content }}")
    with pytest.raises(UnsupportedError, match="leaves out the beginning"):
        half.chat(deaf, begun("The"))


def test_who_can_chat_can_go_on(tiny: LocalBackend) -> None:
    assert tiny.capabilities.prefill is True
