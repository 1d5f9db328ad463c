"""Text, reasoning and tool calls are told apart however the tokens cut them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator

import pytest

from shared_core.folding import fold
from shared_core.local.answer import Answer
from shared_core.local.answer_parser import AnswerParser
from shared_core.local.stops import StopFilter
from shared_core.local.tool_syntax import HERMES, LLAMA3, MISTRAL, MISTRAL_NAMED, ToolSyntax, detect_syntax
from shared_core.types import ChatResponse, Event, Finish, TextDelta, TokenLogprob, ToolCall, ToolCallDelta


def ids() -> Iterator[str]:
    return (f"call_{number}" for number in itertools.count())


def events_of(
    pieces: list[str], syntax: ToolSyntax | None = HERMES, *, thinking: bool = False, stop: tuple[str, ...] = ()
) -> list[Event]:
    names = ids()
    answer = Answer(AnswerParser(syntax, thinking=thinking, new_id=lambda: next(names)), StopFilter(stop))
    events: list[Event] = []
    for piece in pieces:
        events += answer.add(piece.encode())
        if answer.stopped:
            break
    return events + answer.close()


def cuts(text: str) -> list[list[str]]:
    """Whole, in characters, and in pieces of every size up to seven."""
    return [[text]] + [[text[at : at + size] for at in range(0, len(text), size)] for size in range(1, 8)]


def read(pieces: list[str], syntax: ToolSyntax | None = HERMES, *, thinking: bool = False) -> ChatResponse:
    return fold([*events_of(pieces, syntax, thinking=thinking), Finish("stop")])


F1 = ("f", '{"a": 1}')
G = ("g", '{"b": "}\\"]"}')

CASES = [
    # text alone
    (HERMES, "Hello there", "Hello there", "", []),
    (HERMES, " \n ", " \n ", "", []),
    (HERMES, "a < b and <tool and {", "a < b and <tool and {", "", []),
    (None, '<tool_call>{"name": "f"}', '<tool_call>{"name": "f"}', "", []),
    # Hermes
    (HERMES, '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>', "", "", [F1]),
    (HERMES, 'Sure.\n<tool_call>{"name":"f","arguments":{"a": 1}}</tool_call>\n', "Sure.", "", [F1]),
    (
        HERMES,
        (
            '<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>\n<tool_call>{"name": "g", "arguments": '
            '{"b": "}\\"]"}}</tool_call>'
        ),
        "",
        "",
        [F1, G],
    ),
    (HERMES, '<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call> Done.', "Done.", "", [F1]),
    (HERMES, '<tool_call>{"name": "f", "arguments": {"a": 1}, "id": 7}</tool_call>', "", "", [F1]),
    (HERMES, '<tool_call>{"arguments": {"a": 1}, "name": "f"}</tool_call>', "", "", [F1]),
    (HERMES, '<tool_call>{"name": "f", "parameters": {"a": 1}}</tool_call>', "", "", [F1]),
    (HERMES, '<tool_call>{"name": "f", "arguments": "{\\"a\\": 1}"}</tool_call>', "", "", [F1]),
    (HERMES, '<tool_call>{"name": "f"}</tool_call>', "", "", [("f", "{}")]),
    (HERMES, '<tool_call>{"name": "f\\u00e9", "arguments": {}}</tool_call>', "", "", [("fé", "{}")]),
    (HERMES, '<tool_call>{"name": "f", "arguments": {"a": 1}}', "", "", [F1]),
    (HERMES, '<tool_call>{"name": "f", "arguments": {"a": 1}', "", "", [F1]),
    (HERMES, '<tool_call>{"name": "f", "arguments": {"a": "\\', "", "", [("f", '{"a": "\\')]),
    (
        HERMES,
        '<tool_call>{"name": "f", "arguments": {"a": [1, {"b": "\\\\"}]}}',
        "",
        "",
        [("f", '{"a": [1, {"b": "\\\\"}]}')],
    ),
    # what only looks like a call
    (HERMES, "<tool_call>!no</tool_call>", "<tool_call>!no</tool_call>", "", []),
    (HERMES, '<tool_call>{"nome": 1}</tool_call>', '<tool_call>{"nome": 1}</tool_call>', "", []),
    (HERMES, "<tool_call>{nonsense}", "<tool_call>{nonsense}", "", []),
    (HERMES, '<tool_call>{"na', '<tool_call>{"na', "", []),
    (HERMES, "<tool_call>", "<tool_call>", "", []),
    # reasoning
    (HERMES, "<think>\nHm. \n</think>\n\nYes", "Yes", "Hm.", []),
    (None, "\n<think>Hm</think>Yes <think>", "Yes <think>", "Hm", []),
    (None, "<think></think>Yes", "Yes", "", []),
    (None, "<think>Hm </thin", "", "Hm </thin", []),
    (None, "<thinking>", "<thinking>", "", []),
    (None, "I <think> so", "I <think> so", "", []),
    (HERMES, '<think>a</think>\n<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>', "", "a", [F1]),
    # Mistral
    (MISTRAL, '[TOOL_CALLS][{"name": "f", "arguments": {"a": 1}}]', "", "", [F1]),
    (
        MISTRAL,
        'So: [TOOL_CALLS] [{"name": "f", "arguments": {"a": 1}}, {"name": "g", "arguments": {"b": "}\\"]"}}]',
        "So:",
        "",
        [F1, G],
    ),
    (MISTRAL, '[TOOL_CALLS]f[ARGS]{"a": 1}', "", "", [F1]),
    (MISTRAL_NAMED, 'So: [TOOL_CALLS]f[ARGS]{"a": 1}[TOOL_CALLS]g[ARGS]{"b": "}\\"]"} Good', "So:Good", "", [F1, G]),
    (MISTRAL, '[TOOL_CALLS]f[CALL_ID]abc[ARGS]{"a": 1}[TOOL_CALLS]g{"b": "}\\"]"}', "", "", [F1, G]),
    (MISTRAL, "[TOOL_CALLS]", "[TOOL_CALLS]", "", []),
    (MISTRAL, "[TOOL_CALLS] [", "[TOOL_CALLS] [", "", []),
    (MISTRAL, "[TOOL_CALLS][1]", "[TOOL_CALLS][1]", "", []),
    # Llama 3
    (LLAMA3, '{"name": "f", "parameters": {"a": 1}}', "", "", [F1]),
    (LLAMA3, '\n{"name": "f", "parameters": {"a": 1}}; {"name": "g", "parameters": {"b": "}\\"]"}}', "", "", [F1, G]),
    (LLAMA3, '{"name": "f", "parameters": {"a": 1}}\n{"name": "g", "parameters": {"b": "}\\"]"}}', "", "", [F1, G]),
    (LLAMA3, '<|python_tag|>{"name": "f", "parameters": {"a": 1}}', "", "", [F1]),
    (LLAMA3, '{"answer": 42}', '{"answer": 42}', "", []),
    (LLAMA3, 'It is {"name": "f"}', 'It is {"name": "f"}', "", []),
    (LLAMA3, '{"name": "f", "parameters": {"a": 1}} well', "well", "", [F1]),
]


@pytest.mark.parametrize(("syntax", "written", "text", "reasoning", "calls"), CASES)
def test_an_answer_is_read_alike_however_it_is_cut(
    syntax: ToolSyntax | None, written: str, text: str, reasoning: str, calls: list[tuple[str, str]]
) -> None:
    names = ids()
    expected = [ToolCall(next(names), *call) for call in calls]
    for pieces in cuts(written):
        reply = read(pieces, syntax)
        assert (reply.text, reply.reasoning) == (text, reasoning), pieces
        assert [(call.name, call.arguments) for call in reply.tool_calls] == calls, pieces
        assert len({call.id for call in reply.tool_calls}) == len(expected)


def test_reasoning_that_the_prompt_began() -> None:
    for pieces in cuts("\nHm {\n</think>\n\nYes"):
        reply = read(pieces, LLAMA3, thinking=True)
        assert (reply.reasoning, reply.text) == ("Hm {", "Yes")


def test_text_comes_as_soon_as_it_is_certain() -> None:
    events = events_of(["The ", "sum <", " 3", '. <tool_call>{"name": "f", "argu', 'ments": {"a"', ": 1}}"])
    texts = [event.text for event in events if isinstance(event, TextDelta)]
    assert texts == ["The", " sum", " < 3", "."]
    pieces = [event for event in events if isinstance(event, ToolCallDelta)]
    assert [piece.arguments for piece in pieces] == ["", '{"a"', ": 1}"]
    assert (pieces[0].id, pieces[0].name) == ("call_0", "f")


@pytest.mark.parametrize(
    ("stop", "text"),
    [
        (("END",), "one "),
        (("two", "one two"), ""),
        (("D t", "ND"), "one E"),
        (("absent",), "one END two"),
        (("two!",), "one END two"),
    ],
)
def test_stop_strings_cut_exactly_however_the_text_comes(stop: tuple[str, ...], text: str) -> None:
    written = "one END two"
    for pieces in cuts(written):
        wanted = "".join(event.text for event in events_of(pieces, None, stop=stop) if isinstance(event, TextDelta))
        assert wanted == (text if stop != ("two", "one two") else "one END "), pieces


def test_stop_strings_are_looked_for_in_text_only() -> None:
    written = '<think>stop</think>a<tool_call>{"name": "f", "arguments": {"a": "stop"}}</tool_call>bstopc'
    for pieces in cuts(written):
        reply = fold([*events_of(pieces, stop=("stop", "as")), Finish("stop")])
        assert (reply.text, reply.reasoning) == ("ab", "stop")
        assert json.loads(reply.tool_calls[0].arguments) == {"a": "stop"}


def test_log_probabilities_go_with_the_text_of_their_tokens() -> None:
    answer = Answer(AnswerParser(HERMES, thinking=False, new_id=lambda: "id"), StopFilter(()))
    events: list[Event] = []
    call = (b"<tool_call>", b'{"name": "f", "arguments": {}}', b"</tool_call>")
    for piece in (b"a\xc3", b"\xa9", b" ", *call, b"\n", b"x", b" "):
        events += answer.add(piece, TokenLogprob(repr(piece), -1.0))
    events += answer.close()
    assert [(event.text, len(event.logprobs or [])) for event in events if isinstance(event, TextDelta)] == [
        ("a", 1),
        ("é", 1),
        ("x", 3),
        (" ", 1),
    ]


def test_log_probabilities_without_text_come_at_the_end() -> None:
    answer = Answer(AnswerParser(HERMES, thinking=False, new_id=lambda: "id"), StopFilter(()))
    assert answer.add(b"\xc3", TokenLogprob("?", -1.0)) == []
    assert answer.close() == [TextDelta("", [TokenLogprob("?", -1.0)])]


@pytest.mark.parametrize(
    ("template", "syntax"),
    [
        ('... <tool_call>\\n{\\"name\\": ...', HERMES),
        ("... [TOOL_CALLS] ...", MISTRAL),
        ("... [TOOL_CALLS] [ARGS] ...", MISTRAL_NAMED),
        ("... <|python_tag|> ...", LLAMA3),
        ('... {"name": function name, "parameters": ...', LLAMA3),
        ("<tool_call>{name}<arg_key>", None),
        ("<tool_call><function=name>", None),
        ("{{ tools }}", None),
    ],
)
def test_templates_tell_their_syntax(template: str, syntax: ToolSyntax | None) -> None:
    assert detect_syntax(template) == syntax
