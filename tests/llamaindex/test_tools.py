"""Function calling over a backend that answers from a script."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from types import SimpleNamespace
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole, ToolCallBlock
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.tools import FunctionTool

from llamaindex_multillm import LlamaLLM
from shared_core import Event, Finish, NamedTool, TextDelta, ToolCallDelta, Usage
from tests.llamaindex.scripted import Scripted, says, until


def add(x: int, y: int = 1) -> int:
    """Add two numbers."""
    return x + y


ADD = FunctionTool.from_defaults(add)
ONE: list[Event] = [
    ToolCallDelta(0, id="a", name="add"),
    ToolCallDelta(0, arguments='{"x": 2,'),
    ToolCallDelta(0, arguments=' "y": 3}'),
    Finish("tool_calls", Usage(9, 4)),
]
TWO: list[Event] = [
    ToolCallDelta(0, "a", "add", '{"x": 2, "y": 3}'),
    ToolCallDelta(1, "b", "add", '{"x": 2, "y": 3}'),
    Finish("tool_calls"),
]


def prepared(**options: Any) -> dict[str, Any]:
    return LlamaLLM(backend=Scripted())._prepare_chat_with_tools([ADD], **options)


def test_preparing_does_not_change_the_history() -> None:
    """openai, ollama and litellm append the user's message to the caller's list."""
    history = [ChatMessage(content="before")]
    kwargs = prepared(user_msg="now", chat_history=history)
    assert [message.content for message in kwargs["messages"]] == ["before", "now"]
    assert len(history) == 1


def test_preparing_without_history_or_with_a_message_object() -> None:
    message = ChatMessage(role=MessageRole.SYSTEM, content="hi")
    assert prepared(user_msg=message)["messages"] == [message]
    assert prepared()["messages"] == []


@pytest.mark.parametrize(
    ("options", "choice"),
    [
        ({}, "auto"),
        ({"tool_required": True}, "required"),
        ({"tool_choice": "add"}, "add"),
        ({"tool_choice": "none", "tool_required": True}, "none"),
        ({"tool_choice": None, "tool_required": True}, "required"),
    ],
)
def test_the_choice_of_tools(options: dict[str, Any], choice: str) -> None:
    assert prepared(**options)["tool_choice"] == choice


def test_without_tools_nothing_of_tools_is_sent() -> None:
    kwargs = LlamaLLM(backend=Scripted())._prepare_chat_with_tools([], user_msg="hi", tool_required=True)
    assert kwargs.keys() == {"messages"}


def test_a_forced_tool_and_other_options_reach_the_backend() -> None:
    """OpenAI's class always sends `strict` and `parallel_tool_calls`, which some places refuse."""
    backend = Scripted([ONE])
    LlamaLLM(backend=backend).chat_with_tools([ADD], "2 and 3?", tool_choice="add", max_tokens=7)
    (request,) = backend.requests
    assert (request.tool_choice, request.max_tokens) == (NamedTool(name="add"), 7)
    assert (request.parallel_tool_calls, request.tools[0].strict) == (None, None)
    assert (request.tools[0].name, request.tools[0].parameters["required"]) == ("add", ["x"])


def test_strict_and_parallel_are_sent_when_asked_for() -> None:
    backend = Scripted([ONE])
    LlamaLLM(backend=backend, strict=True).chat_with_tools([ADD], "2 and 3?", parallel_tool_calls=False)
    assert (backend.requests[0].parallel_tool_calls, backend.requests[0].tools[0].strict) == (False, True)


async def with_tools(llm: LlamaLLM, call: str, **kwargs: Any) -> list[ChatResponse]:
    answer = getattr(llm, f"{call}_with_tools")([ADD], "2 and 3?", **kwargs)
    if call.startswith("a"):
        answer = await answer
    if isinstance(answer, Generator):
        return list(answer)
    return [chunk async for chunk in answer] if isinstance(answer, AsyncGenerator) else [answer]


CALLS = pytest.mark.parametrize("call", ["chat", "achat", "stream_chat", "astream_chat"])


@CALLS
async def test_the_calls_of_an_answer(call: str) -> None:
    llm = LlamaLLM(backend=Scripted([ONE]))
    last = (await with_tools(llm, call))[-1]
    assert llm.get_tool_calls_from_response(last) == [
        ToolSelection(tool_id="a", tool_name="add", tool_kwargs={"x": 2, "y": 3})
    ]


@CALLS
async def test_only_the_first_call_unless_parallel_ones_are_allowed(call: str) -> None:
    llm = LlamaLLM(backend=Scripted([TWO]))
    for chunk in await with_tools(llm, call):
        assert len(llm.get_tool_calls_from_response(chunk)) == 1
        assert len(chunk.message.additional_kwargs["tool_calls"]) == 1
    last = (await with_tools(llm, call, allow_parallel_tool_calls=True))[-1]
    assert [selection.tool_id for selection in llm.get_tool_calls_from_response(last)] == ["a", "b"]


def test_dropping_a_call_does_not_change_the_response() -> None:
    llm = LlamaLLM(backend=Scripted([TWO]))
    response = llm.chat_with_tools([ADD], "2 and 3?", allow_parallel_tool_calls=True)
    before = response.model_copy(deep=True)
    kept = llm._validate_chat_with_tools_response(response, [ADD])
    assert len(kept.message.blocks) == 1
    assert response == before


def test_equal_parallel_calls_in_a_stream_are_both_kept() -> None:
    """Ollama's class drops a call that equals an earlier one."""
    llm = LlamaLLM(backend=Scripted([TWO]))
    last = list(llm.stream_chat_with_tools([ADD], "2 and 3?", allow_parallel_tool_calls=True))[-1]
    assert len(llm.get_tool_calls_from_response(last)) == 2


def test_the_arguments_of_a_stream_grow_and_never_raise() -> None:
    """Core asks for the calls of every chunk; its own parser raises for `{"a": tru`."""
    text = '{"x": 12, "why": "a \\"b\\" c", "ok": true, "deep": {"list": [1, null]}}'
    events: list[Event] = [ToolCallDelta(0, id="a", name="add"), *(ToolCallDelta(0, arguments=char) for char in text)]
    llm = LlamaLLM(backend=Scripted([[*events, Finish("tool_calls")]]))
    chunks = list(llm.stream_chat_with_tools([ADD], "2 and 3?"))
    sizes = [len(str(llm.get_tool_calls_from_response(chunk)[0].tool_kwargs)) for chunk in chunks]
    assert sizes[0] == len("{}")
    assert llm.get_tool_calls_from_response(chunks[-1])[0].tool_kwargs == {
        "x": 12,
        "why": 'a "b" c',
        "ok": True,
        "deep": {"list": [1, None]},
    }


@pytest.mark.parametrize("broken", ['{"x": 2', "null", "[1]", "", "no json"])
def test_a_whole_answer_with_broken_arguments_runs_nothing_with_half_of_them(broken: str) -> None:
    llm = LlamaLLM(backend=Scripted([[ToolCallDelta(0, "a", "add", broken), Finish("length")]]))
    (selection,) = llm.get_tool_calls_from_response(llm.chat_with_tools([ADD], "2 and 3?"))
    assert selection.tool_kwargs == {}


@pytest.mark.parametrize(
    "message",
    [
        ChatMessage(role="assistant", blocks=[ToolCallBlock(tool_call_id="a", tool_name="add", tool_kwargs={"x": 1})]),
        ChatMessage(role="assistant", blocks=[ToolCallBlock(tool_call_id="a", tool_name="add", tool_kwargs='{"x": 1')]),
        ChatMessage(
            role="assistant",
            additional_kwargs={
                "tool_calls": [SimpleNamespace(id="a", function=SimpleNamespace(name="add", arguments='{"x": 1}'))]
            },
        ),
        ChatMessage(
            role="assistant",
            additional_kwargs={"tool_calls": [{"id": "a", "function": {"name": "add", "arguments": '{"x": 1}'}}]},
        ),
    ],
)
def test_calls_in_responses_of_others(message: ChatMessage) -> None:
    found = LlamaLLM(backend=Scripted()).get_tool_calls_from_response(ChatResponse(message=message))
    assert found == [ToolSelection(tool_id="a", tool_name="add", tool_kwargs={"x": 1})]


def test_no_call_is_an_error_if_one_was_needed() -> None:
    llm = LlamaLLM(backend=Scripted([says("I will not")]))
    response = llm.chat_with_tools([ADD], "2 and 3?")
    assert llm.get_tool_calls_from_response(response, error_on_no_tool_call=False) == []
    with pytest.raises(ValueError, match="expected a tool call, but the model answered: 'I will not'"):
        llm.get_tool_calls_from_response(response)


async def test_predict_and_call() -> None:
    llm = LlamaLLM(backend=Scripted([ONE]))
    assert llm.predict_and_call([ADD], "2 and 3?").response == "5"
    assert (await llm.apredict_and_call([ADD], "2 and 3?")).response == "5"


def test_a_history_goes_on_after_tool_calls() -> None:
    backend = Scripted([TWO, says("5 and 5")])
    llm = LlamaLLM(backend=backend)
    first = llm.chat_with_tools([ADD], "2 and 3, twice?", allow_parallel_tool_calls=True)
    results = [
        ChatMessage(role="tool", content="5", additional_kwargs={"tool_call_id": call.tool_id})
        for call in llm.get_tool_calls_from_response(first)
    ]
    llm.chat([ChatMessage(content="2 and 3, twice?"), first.message, *results])
    _, turn, *answers = backend.requests[1].messages
    assert [part.id for part in turn.parts] == ["a", "b"]  # type: ignore[union-attr]
    assert [part.call_id for message in answers for part in message.parts] == ["a", "b"]  # type: ignore[union-attr]


async def test_closing_a_stream_of_calls_closes_the_backend() -> None:
    backend = Scripted([[TextDelta("a"), *ONE]])
    llm = LlamaLLM(backend=backend)
    stream = llm.stream_chat_with_tools([ADD], "2 and 3?")
    next(stream)
    stream.close()
    astream = await llm.astream_chat_with_tools([ADD], "2 and 3?")
    async for _ in astream:
        break
    await astream.aclose()
    await until(lambda: len(backend.closed) == 2)
