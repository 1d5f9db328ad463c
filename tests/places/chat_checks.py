"""What must hold of conversations and tools at every place."""

from __future__ import annotations

import json

import pytest

from shared_core import (
    ChatRequest,
    InvalidRequestError,
    Message,
    NamedTool,
    ReasoningPart,
    StreamInterruptedError,
    TextDelta,
    TextPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
)
from tests.places.under_check import CLOCK, WEATHER, Check, UnderCheck, ask, drops


def plain(at: UnderCheck) -> None:
    for body in at.sent(ask("Name a city.")):
        assert body["messages"] == [{"role": "user", "content": "Name a city."}]


def nothing_is_asked_for_that_comes_unasked(at: UnderCheck) -> None:
    """A body holds what the caller said, what the place's documentation advises, and no more."""
    whole, streamed = at.sent(ask())
    assert whole.keys() == {"model", "messages", *at.sim.advised}
    extra = set() if at.sim.usage_unasked else {"stream_options"}
    assert streamed.keys() - whole.keys() == {"stream", *extra}


def all_that_is_told(at: UnderCheck) -> None:
    """Request id, timings, cost, service tier, limits: whatever the place tells beside the answer."""
    for request in (ask(), ask("Paris", tools=(WEATHER,))):
        for response, said in at.both(request):
            assert response.finish == at.sim.told(said)


def the_stream_in_any_pieces(at: UnderCheck) -> None:
    request = ask("In Ünïcode: 日本語 😀 please.", tools=(WEATHER, CLOCK))
    for size in ("1", "7", "4096"):
        at.agrees(*at.streamed(request, "reasoning", **{"x-cut": size}))


def system_and_developer(at: UnderCheck) -> None:
    turns = (Message(role="system", content="Be brief."), Message(role="user", content="Hi"))
    for body in at.sent(ChatRequest(messages=turns)):
        assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    turns = (Message(role="developer", content="Be brief."), Message(role="user", content="Hi"))
    own_role = "developer" if "developer" in at.sim.rules.turns else "system"
    for body in at.sent(ChatRequest(messages=turns)):
        assert body["messages"][0] == {"role": own_role, "content": "Be brief."}


def several_texts_in_one_message(at: UnderCheck) -> None:
    """A list of text parts is no text everywhere: what is only text goes as text."""
    for body in at.sent(ask(TextPart(text="One."), TextPart(text="Two."))):
        assert body["messages"][0]["content"] == "One.\nTwo."


def named_messages(at: UnderCheck) -> None:
    request = ChatRequest(messages=(Message(role="user", name="Ann", content="Hi"),))
    takes = "name" in at.sim.rules.turns["user"]
    with drops() as said:
        bodies = at.sent(request)
    for body in bodies:
        assert body["messages"][0].get("name") == ("Ann" if takes else None)
    assert bool(said) is not takes


def conversation_with_tools(at: UnderCheck) -> None:
    """Question, calls, results, answer, and on; with every message that came back replayed as it was."""
    turns = [Message(role="user", content="How is the weather in Paris?")]
    request = ChatRequest(messages=tuple(turns), tools=(WEATHER, CLOCK))
    for response, _ in at.both(request, "reasoning"):
        assert [call.name for call in response.tool_calls] == ["get_weather"]
        assert response.reasoning
        results = tuple(ToolResultPart(call_id=call.id, content="Sunny") for call in response.tool_calls)
        on = (*turns, response.message, Message(role="tool", parts=results))
        for answer, _ in at.both(ChatRequest(messages=on, tools=(WEATHER, CLOCK))):
            assert answer.text == "The tool says: Sunny"
            again = (*on, answer.message, Message(role="user", content="Thanks"))
            at.both(ChatRequest(messages=again))


def calls_in_parallel(at: UnderCheck) -> None:
    if at.sim.calls_at_once == "never":
        return
    wanted = True if at.sim.calls_at_once == "asked" else None
    request = ask("The weather in Paris and the time, both.", tools=(WEATHER, CLOCK), parallel_tool_calls=wanted)
    for response, _ in at.both(request, "parallel"):
        assert [call.name for call in response.tool_calls] == ["get_weather", "get_time"]
        assert len({call.id for call in response.tool_calls}) == 2
        results = tuple(ToolResultPart(call_id=call.id, content=f"of {call.name}") for call in response.tool_calls)
        turns = (Message(role="user", content="Both."), response.message, Message(role="user", parts=results))
        body = at.sent(ChatRequest(messages=turns, tools=(WEATHER, CLOCK)))[0]
        assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "tool", "tool"]


def a_call_and_text_before_it(at: UnderCheck) -> None:
    turn = Message(
        role="assistant",
        parts=(
            ReasoningPart(text="hm"),
            TextPart(text="I look."),
            ToolCallPart(id="c1", name="get_time", arguments=""),
        ),
    )
    result = Message(role="tool", parts=(ToolResultPart(call_id="c1", content=""),))
    request = ChatRequest(messages=(Message(role="user", content="Hi"), turn, result), tools=(CLOCK,))
    for body in at.sent(request):
        text, *more = body["messages"][1:-1]
        called = more[0] if at.sim.reads_text_alone else text
        assert (text["content"], called["tool_calls"][0]["function"]["arguments"]) == ("I look.", "{}")
        assert called["content"] == (None if at.sim.reads_text_alone else "I look.")


def reasoning_goes_back_only_where_it_is_wanted(at: UnderCheck) -> None:
    """While a model works on a question, at places that want it; and never once it has answered."""
    calls = (ReasoningPart(text="hm"), ToolCallPart(id="c1", name="get_time", arguments="{}"))
    turns = (
        Message(role="user", content="Hi"),
        Message(role="assistant", parts=calls),
        Message(role="tool", parts=(ToolResultPart(call_id="c1", content="12:00"),)),
    )
    keys = {"reasoning", "reasoning_content", "thinking"}
    for body in at.sent(ChatRequest(messages=turns, tools=(CLOCK,))):
        thought = {key: body["messages"][1][key] for key in keys & body["messages"][1].keys()}
        assert thought == ({at.sim.echo: "hm"} if at.sim.echo else {})
    for body in at.sent(ChatRequest(messages=(*turns, Message(role="user", content="Why?")), tools=(CLOCK,))):
        assert not keys & body["messages"][1].keys()


def tool_choices(at: UnderCheck) -> None:
    choices: tuple[tuple[ToolChoice, list[str]], ...] = (
        ("none", []),
        ("auto", ["get_weather"]),
        ("required", ["get_weather"]),
        (NamedTool(name="get_time"), ["get_time"]),
    )
    for choice, names in choices:
        request = ask("In Paris", tools=(WEATHER, CLOCK), tool_choice=choice)
        if _takes(at, choice):
            for response, _ in at.both(request):
                assert [call.name for call in response.tool_calls] == names
                assert response.finish.reason == ("tool_calls" if names else "stop")
        else:
            with pytest.raises(InvalidRequestError):
                at.both(request)


def _takes(at: UnderCheck, choice: ToolChoice) -> bool:
    """Whether a tool can be forced so; naming it has a substitute where any tool can be."""
    rules = at.sim.rules
    return "required" in rules.choices if isinstance(choice, NamedTool) else choice in rules.choices


def a_tool_without_arguments(at: UnderCheck) -> None:
    for response, _ in at.both(ask(tools=(Tool(name="ping"),))):
        assert json.loads(response.tool_calls[0].arguments) == {}


def arguments_that_are_no_json_are_handed_over(at: UnderCheck) -> None:
    for response, _ in at.both(ask("Paris", tools=(WEATHER,)), "bad-arguments"):
        assert response.tool_calls[0].arguments == '{"city": Paris'


def reasoning_is_told_apart(at: UnderCheck) -> None:
    for response, said in at.both(ask(), "reasoning"):
        assert response.reasoning == "The user wants an answer. I have one."
        assert response.usage.reasoning == (said.usage.reasoning or None)


def finish_reasons(at: UnderCheck) -> None:
    filtered = (("filtered", "content_filter"),) if at.sim.filters else ()
    for model, reason in (("short", "length"), *filtered):
        for response, _ in at.both(ask(), model):
            assert response.finish.reason == reason


def the_beginning_of_an_answer_is_gone_on_with(at: UnderCheck) -> None:
    """Where the place does that, only the rest comes back."""
    question = ask("Name a city.")
    begun = Message(role="assistant", content="You said:", prefix=True)
    if at.sim.flags.get("prefill"):
        whole = [response.text for response, _ in at.both(question)]
        rest = [response.text for response, _ in at.both(ChatRequest(messages=(*question.messages, begun)))]
        assert [f"You said:{text}" for text in rest] == whole


def usage_of_a_prompt_that_was_seen(at: UnderCheck) -> None:
    request = ask("Have I asked this before?")
    at.whole(request)
    for response, said in at.both(request):
        assert response.usage.cached == (said.usage.input if at.sim.tells_cached else None)


def a_stream_that_is_cut_off_is_no_answer(at: UnderCheck) -> None:
    for model in ("truncated", "cut") if at.client is None else ("truncated",):
        with pytest.raises(StreamInterruptedError):
            at.half.events(at.backend(model), ask())


def a_stream_can_be_left(at: UnderCheck) -> None:
    """Without a socket nothing could be left."""
    if at.client is None:
        assert at.half.first_event(at.backend("endless"), ask()) == TextDelta("on")


CHECKS: tuple[Check, ...] = (
    plain,
    nothing_is_asked_for_that_comes_unasked,
    all_that_is_told,
    the_stream_in_any_pieces,
    system_and_developer,
    several_texts_in_one_message,
    named_messages,
    conversation_with_tools,
    calls_in_parallel,
    a_call_and_text_before_it,
    reasoning_goes_back_only_where_it_is_wanted,
    tool_choices,
    a_tool_without_arguments,
    arguments_that_are_no_json_are_handed_over,
    reasoning_is_told_apart,
    finish_reasons,
    the_beginning_of_an_answer_is_gone_on_with,
    usage_of_a_prompt_that_was_seen,
    a_stream_that_is_cut_off_is_no_answer,
    a_stream_can_be_left,
)
