"""Going on with an answer that broke off: the caller sees one text, whole, and each character of it once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from shared_core import (
    AllBackendsFailedError,
    BackendError,
    BreakerRule,
    Capabilities,
    ChatRequest,
    Event,
    Finish,
    Grammar,
    JsonObject,
    Message,
    ReasoningDelta,
    Router,
    StreamInterruptedError,
    Target,
    TextDelta,
    Tool,
    connect,
    in_order,
)
from shared_core.routing.resuming import Resumption
from shared_core.routing.seam import Seam
from tests.halves import Half, half_named
from tests.raw_server import CLOSE, RawServer, Received, Step, delta, sse
from tests.routing.answering import HI, breaks_off, places, refuses, says, text_of, vllm


@pytest.fixture(params=["sync", "async"])
def half(request: pytest.FixtureRequest) -> Iterator[Half]:
    with half_named(request.param) as one:
        yield one


def resuming(servers: list[RawServer], **settings: Any) -> Router:
    return Router([vllm(one) for one in servers], **{"policy": in_order, "retries": 0, "resume": True, **settings})


def test_another_target_goes_on(half: Half) -> None:
    with places(breaks_off("The answer", " is"), says(" forty-", "two.")) as (first, second):
        events = half.events(resuming([first, second]), HI)
        assert text_of(events) == "The answer is forty-two."
        asked = second.received[0].json
        assert asked["messages"] == [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "The answer is"},
        ]
        assert (asked["continue_final_message"], asked["add_generation_prompt"]) == (True, False)
        assert "continue_final_message" not in first.received[0].json


def test_the_answer_tells_where(half: Half) -> None:
    with places(breaks_off("The answer"), breaks_off(" is"), says(" 42.")) as servers:
        route = resuming(servers)
        first, second, third = (one.name for one in route.status())
        events = half.events(route, HI)
        assert text_of(events) == "The answer is 42."
        assert servers[2].received[0].json["messages"][-1]["content"] == "The answer is"
        finish = events[-1]
        assert isinstance(finish, Finish)
        assert finish.reason == "stop"
        assert finish.metadata["resumed"] == [
            {"target": first, "at": len("The answer")},
            {"target": second, "at": len("The answer is")},
        ]
        assert [one["target"] for one in finish.metadata["attempts"]] == [first, second, third]


def test_an_answer_that_did_not_break_off_tells_nothing(half: Half) -> None:
    with places(says("whole")) as servers:
        finish = half.events(resuming(servers), HI)[-1]
        assert isinstance(finish, Finish)
        assert "resumed" not in finish.metadata


def test_it_is_off_by_default(half: Half) -> None:
    came: list[Event] = []
    with places(breaks_off("The answer"), says(" is")) as servers:
        with pytest.raises(StreamInterruptedError):
            half.events(resuming(servers, resume=False), HI, came)
        assert text_of(came) == "The answer"
        assert servers[1].received == []


@pytest.mark.parametrize(
    "more",
    [
        {"tools": (Tool(name="t"),)},
        {"response_format": JsonObject()},
        {"response_format": Grammar("root ::= 'a'")},
        {"logprobs": True},
        {"reasoning_effort": "low"},
    ],
    ids=lambda more: next(iter(more)),
)
def test_what_is_more_than_text_is_not_resumed(half: Half, more: dict[str, Any]) -> None:
    with places(breaks_off("The answer"), says(" is")) as servers:
        # Not vLLM: it takes no grammar.
        route = Router(
            [connect("llama_server", model="m", base_url=one.url) for one in servers],
            policy=in_order,
            retries=0,
            resume=True,
        )
        with pytest.raises(StreamInterruptedError):
            half.events(route, HI.model_copy(update=more))
        assert servers[1].received == []


@pytest.mark.parametrize(
    "piece",
    [
        {"reasoning_content": "hm"},
        {"tool_calls": [{"index": 0, "id": "1", "function": {"name": "t", "arguments": "{"}}]},
    ],
    ids=lambda piece: next(iter(piece)),
)
def test_reasoning_and_calls_are_not_resumed(half: Half, piece: dict[str, Any]) -> None:
    def begins(_: Received) -> list[Step]:
        return [*list(sse(delta(**piece)))[:2], CLOSE]

    with places(begins, says("answer")) as servers:
        with pytest.raises(StreamInterruptedError):
            half.events(resuming(servers), HI)
        assert servers[1].received == []


def test_mere_space_is_no_beginning() -> None:
    resumption = Resumption(HI)
    assert resumption.seen(TextDelta(" \n")) == (TextDelta(" \n"),)
    target = Target(connect("vllm/m"), "vllm/m", weight=1.0, rule=BreakerRule(), clock=lambda: 0.0)
    assert resumption.broke_off(target) is None


class Unable:
    """A backend that is not known to go on with a beginning, or reasons anew."""

    name, model = "unable", "m"

    def __init__(self, capabilities: Capabilities) -> None:
        self.capabilities = capabilities


UNABLE = [Capabilities(), Capabilities(prefill=False), Capabilities(prefill=True, reasoning=True)]


@pytest.mark.parametrize("capabilities", UNABLE, ids=["unknown", "no", "reasoning"])
def test_only_targets_that_can_are_asked(half: Half, capabilities: Capabilities) -> None:
    unable: Any = Unable(capabilities)
    with places(breaks_off("The answer"), says(" is")) as (first, second):
        skipping = Router([vllm(first), unable, vllm(second)], policy=in_order, resume=True)
        assert text_of(half.events(skipping, HI)) == "The answer is"
        came: list[Event] = []
        alone = Router([vllm(first), unable], policy=in_order, retries=0, resume=True)
        with pytest.raises(StreamInterruptedError):
            half.events(alone, HI, came)
        assert text_of(came) == "The answer"


def test_neither_is_a_fallback_that_cannot(half: Half) -> None:
    unable: Any = Unable(Capabilities())
    too_long = refuses(400, "This model's maximum context length is 8 tokens. However, you requested 9 tokens.")
    with places(breaks_off("The answer"), too_long) as servers:
        route = resuming(servers, on_context_overflow=[unable])
        with pytest.raises(BackendError):
            half.events(route, HI)


def test_a_target_that_refuses_the_beginning_is_left_for_the_next(half: Half) -> None:
    refusing = refuses(400, "Assistant response prefill is incompatible with enable_thinking.")
    with places(breaks_off("The answer"), refusing, says(" is")) as servers:
        assert text_of(half.events(resuming(servers), HI)) == "The answer is"


@pytest.mark.parametrize("broken", [1, 2])
def test_a_target_that_reasons_instead_is_left_for_the_next(half: Half, broken: int) -> None:
    def reasons(_: Received) -> list[Step]:
        return list(sse(delta(reasoning="hm"), delta(content="Anew."), delta("stop")))

    with places(breaks_off("The answer"), *[reasons] * broken, says(" is")) as servers:
        route = resuming(servers)
        events = half.events(route, HI)
        assert [event for event in events if not isinstance(event, Finish)] == [
            TextDelta("The answer"),
            TextDelta(" is"),
        ]
        finish = events[-1]
        assert isinstance(finish, Finish)
        assert finish.metadata["resumed"] == [{"target": route.status()[0].name, "at": len("The answer")}]
        assert [one.state for one in route.status()] == ["closed"] * (broken + 2)


def test_reasoning_after_the_seam_is_passed_on_and_ends_the_going_on(half: Half) -> None:
    def later(_: Received) -> list[Step]:
        return [*list(sse(delta(content=" is"), delta(reasoning="hm")))[:3], CLOSE]

    came: list[Event] = []
    with places(breaks_off("The answer"), later, says(" 42")) as servers:
        with pytest.raises(StreamInterruptedError):
            half.events(resuming(servers), HI, came)
        assert came == [TextDelta("The answer"), TextDelta(" is"), ReasoningDelta("hm")]


def test_the_same_target_may_go_on_itself(half: Half) -> None:
    def script(request: Received) -> list[Step]:
        begun = request.json["messages"][-1]["role"] == "assistant"
        return (says(" is") if begun else breaks_off("The answer"))(request)

    with places(script) as servers:
        route = resuming(servers, retries=1, breaker=BreakerRule(shortest=0.0))
        assert text_of(half.events(route, HI)) == "The answer is"


def test_where_nobody_can_go_on_the_errors_say_so(half: Half) -> None:
    came: list[Event] = []
    with places(breaks_off("The answer"), refuses(500), refuses(404)) as servers:
        with pytest.raises(AllBackendsFailedError) as caught:
            half.events(resuming(servers), HI, came)
        assert len(caught.value.errors) == 3
    assert text_of(came) == "The answer"


def test_a_beginning_that_the_caller_gave_is_part_of_it(half: Half) -> None:
    begun = ChatRequest(messages=(*HI.messages, Message(role="assistant", parts="Well, ", prefix=True)))
    with places(breaks_off("the answer"), says(" is")) as servers:
        assert text_of(half.events(resuming(servers), begun)) == "the answer is"
        assert [len(one.received[0].json["messages"]) for one in servers] == [2, 2]
        assert servers[1].received[0].json["messages"][-1]["content"] == "Well, the answer"


@pytest.mark.parametrize(("most", "left"), [(100, 98), (3, 1), (1, 1)])
def test_the_rest_has_the_tokens_that_are_left(half: Half, most: int, left: int) -> None:
    with places(breaks_off("The ", "answer"), says(" is")) as servers:
        half.events(resuming(servers), HI.model_copy(update={"max_tokens": most}))
        assert servers[1].received[0].json["max_tokens"] == left


def test_space_at_the_end_is_not_sent_and_not_seen_twice(half: Half) -> None:
    with places(breaks_off("One.\n", "\n"), says("\n", "\nTwo.")) as servers:
        assert text_of(half.events(resuming(servers), HI)) == "One.\n\nTwo."
        assert servers[1].received[0].json["messages"][-1]["content"] == "One."


def test_a_filtered_continuation_ends_the_answer(half: Half) -> None:
    unable: Any = Unable(Capabilities())
    with places(breaks_off("The answer"), says(finish="content_filter")) as servers:
        events = half.events(resuming(servers, on_content_filter=[unable]), HI)
        assert text_of(events) == "The answer"
        assert getattr(events[-1], "reason", None) == "content_filter"


# --- the seam ------------------------------------------------------------------------------------------------------

TEXT = "It was the best of times, it was the worst of times"


def joined(text: str, *pieces: str) -> str:
    seam = Seam(text)
    return text + "".join(seam.take(piece) for piece in pieces) + seam.close()


@pytest.mark.parametrize(
    "pieces",
    [
        (", it was the age of wisdom",),
        (",", " it", " was", " the", " age", " of", " wisdom"),
        # All of it once more, whole and in pieces.
        (TEXT + ", it was the age of wisdom",),
        tuple(TEXT + ", it was the age of wisdom"),
        # The sentence that was cut.
        (" it was the worst of times", ", it was the age of wisdom"),
        tuple("it was the worst of times, it was the age of wisdom"),
    ],
)
def test_a_repetition_of_the_end_is_left_out(pieces: tuple[str, ...]) -> None:
    assert joined(TEXT, *pieces) == "It was the best of times, it was the worst of times, it was the age of wisdom"


def test_a_short_overlap_is_the_models_own() -> None:
    assert joined("ha", "ha", "ha") == "hahaha"
    assert joined("1", "1") == "11"
    assert joined("very, ", "very", " good") == "very, very good"


def test_what_begins_like_the_text_and_goes_elsewhere_is_whole() -> None:
    assert joined(TEXT, " of", " times", " past") == f"{TEXT} of times past"
    assert joined(TEXT, "It was the best of", " all") == f"{TEXT}It was the best of all"


def test_what_ends_while_it_may_still_repeat_is_not_lost() -> None:
    assert joined(TEXT, " it", " was") == f"{TEXT} it was"
    assert joined(TEXT) == TEXT
    assert joined(TEXT, TEXT) == TEXT


@pytest.mark.parametrize(
    ("text", "pieces", "whole"),
    [
        ("One ", (" two",), "One two"),
        ("One ", ("two",), "One two"),
        ("One\n\n", ("\n", "\nTwo"), "One\n\nTwo"),
        ("One\n", ("\n\nTwo",), "One\n\nTwo"),
        ("One\n\n", ("\nTwo",), "One\n\n\nTwo"),
        (f"{TEXT}, ", (f"{TEXT},", " it"), f"{TEXT}, it"),
    ],
)
def test_the_space_at_the_end_is_there_once(text: str, pieces: tuple[str, ...], whole: str) -> None:
    assert joined(text, *pieces) == whole


def test_a_place_that_begins_anew_is_not_seen_twice(half: Half) -> None:
    with places(breaks_off(TEXT[:30], TEXT[30:]), says(*TEXT, ", it was", " the age of wisdom")) as servers:
        events = half.events(resuming(servers), HI)
        assert text_of(events) == f"{TEXT}, it was the age of wisdom"
        assert all(event.text for event in events if isinstance(event, TextDelta))
    with places(breaks_off(TEXT), says(" it was")) as servers:
        assert text_of(half.events(resuming(servers), HI)) == f"{TEXT} it was"


def test_after_the_seam_pieces_pass_as_they_are() -> None:
    seam = Seam("One")
    assert [seam.take(piece) for piece in (" two", " three", "", " three")] == [" two", " three", "", " three"]


def test_events_after_the_seam_are_the_places_own(half: Half) -> None:
    with places(breaks_off("The answer"), says(" is", " 42", ".")) as servers:
        events = half.events(resuming(servers), HI)
        assert events[:-1] == [TextDelta("The answer"), TextDelta(" is"), TextDelta(" 42"), TextDelta(".")]
