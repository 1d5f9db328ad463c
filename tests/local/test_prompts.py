"""Prompts: what templates get to see, and what they may do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared_core.errors import InvalidRequestError, ModelFileError, UnsupportedError
from shared_core.local import connect_local
from shared_core.local.prompt import native_turns, plain_turns, tool_turns
from shared_core.local.template import ChatTemplate
from shared_core.types import (
    ChatRequest,
    Message,
    ReasoningPart,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
)
from tests.local.tiny import CHATML, write_model

TOOL = Tool(name="add", description="Adds", parameters={"type": "object", "properties": {"a": {"type": "integer"}}})
CONVERSATION = (
    Message(role="developer", content="Be brief."),
    Message(role="user", content="1 + 2?", name="Ann"),
    Message(
        role="assistant",
        content=[
            ReasoningPart(text="A sum."),
            ToolCallPart(id="c1", name="add", arguments='{"a": 1}'),
            ToolCallPart(id="c2", name="add", arguments="not JSON"),
            ToolCallPart(id="c3", name="now", arguments=""),
        ],
    ),
    Message(
        role="tool",
        content=[ToolResultPart(call_id="c1", content="3"), ToolResultPart(call_id="c2", name="sum", content="4")],
    ),
    Message(role="user", content=[ToolResultPart(call_id="zz", content="5"), TextPart(text="So?")]),
    Message(role="assistant"),
)


def test_templates_that_know_tools_get_the_shape_they_expect() -> None:
    assert native_turns(CONVERSATION, "m") == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "1 + 2?", "name": "Ann"},
        {
            "role": "assistant",
            "content": "",
            "reasoning_content": "A sum.",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "add", "arguments": {"a": 1}}},
                {"id": "c2", "type": "function", "function": {"name": "add", "arguments": "not JSON"}},
                {"id": "c3", "type": "function", "function": {"name": "now", "arguments": {}}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "name": "add", "content": "3"},
        {"role": "tool", "tool_call_id": "c2", "name": "sum", "content": "4"},
        {"role": "tool", "tool_call_id": "zz", "name": "", "content": "5"},
        {"role": "user", "content": "So?"},
        {"role": "assistant", "content": ""},
    ]
    assert tool_turns([TOOL]) == [
        {"type": "function", "function": {"name": "add", "description": "Adds", "parameters": TOOL.parameters}}
    ]


def test_templates_that_know_none_get_everything_as_text() -> None:
    turns = plain_turns(CONVERSATION, [TOOL], "m")
    assert [turn["role"] for turn in turns] == ["system", "user", "assistant", "user", "user", "user", "assistant"]
    system = str(turns[0]["content"])
    assert system.startswith("Be brief.\n\nYou may call")
    assert json.dumps(tool_turns([TOOL])[0]) in system
    assert str(turns[2]["content"]).startswith(
        '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>\n<tool'
    )
    assert turns[3]["content"] == "<tool_response>\n3\n</tool_response>\n<tool_response>\n4\n</tool_response>"
    assert [turn["content"] for turn in turns[4:]] == ["<tool_response>\n5\n</tool_response>", "So?", ""]


def test_without_a_system_message_the_tools_bring_one() -> None:
    turns = plain_turns([Message(role="user", content="Hi")], [TOOL], "m")
    assert [turn["role"] for turn in turns] == ["system", "user"]
    assert plain_turns([Message(role="user", content="Hi")], [], "m") == [{"role": "user", "content": "Hi"}]


# --- templates -----------------------------------------------------------------------------------------------------


def render(source: str, **values: Any) -> str:
    return ChatTemplate(source, start_text="<s>", end_text="</s>").render(
        [{"role": "user", "content": "é"}], [], values
    )


@pytest.mark.parametrize(
    ("source", "rendered"),
    [
        ("{{ bos_token }}{{ messages[0].content }}{{ eos_token }}", "<s>é</s>"),
        ("  {% if add_generation_prompt %}\n  yes\n  {% endif %}\n", "  yes\n"),
        ("{{ {'a': 'é<>&'} | tojson }}", '{"a": "é<>&"}'),
        ("{{ [1] | tojson(indent=2) }}", "[\n  1\n]"),
        ("{% for i in range(9) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}", "01"),
        ("a{% generation %}b{% endgeneration %}c", "abc"),
        ("{{ strftime_now('%Y') | length }}", "4"),
        ("{{ tools is defined }} {{ enable_thinking is defined }}", "False False"),
        ("{{ 'é' | tojson(ensure_ascii=True) }}", '"\\u00e9"'),
    ],
)
def test_templates_find_what_transformers_gives_them(source: str, rendered: str) -> None:
    assert render(source) == rendered


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ raise_exception('Roles must alternate') }}", "Roles must alternate"),
        ("{{ messages[0].content.missing.deeper }}", "has no attribute 'missing'|undefined"),
        ("{{ ''.__class__.__mro__ }}", "unsafe|undefined"),
        ("{{ 1 + 'a' }}", "unsupported operand"),
    ],
)
def test_a_refusal_of_the_template_is_a_wrong_request(source: str, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"template refuses the conversation: .*({message})"):
        render(source)


def test_a_template_that_is_none() -> None:
    with pytest.raises(ModelFileError, match=r"not valid Jinja.*chat_template="):
        render("{% if %}")


# --- in a model ----------------------------------------------------------------------------------------------------


def ask(**options: Any) -> ChatRequest:
    return ChatRequest(messages=(Message(role="user", content="Hi"),), **{"max_tokens": 8, "seed": 1, **options})


def test_a_model_without_template_asks_for_one(tmp_path: Path) -> None:
    path = write_model(tmp_path / "base.gguf", template=None)
    with pytest.raises(UnsupportedError, match=r'base.gguf has no chat template.*chat_template=.*"chatml"'):
        connect_local(str(path)).chat(ask())
    assert connect_local(str(path), chat_template="chatml").chat(ask()).usage.input == 21


def test_another_template_goes_before_the_models_own(tiny_path: Path) -> None:
    backend = connect_local(str(tiny_path), chat_template="{{ messages[0].content }}!")
    assert backend.count_prompt_tokens(ask()) == 3


def test_the_start_token_stands_once(tmp_path: Path) -> None:
    for template in ("{{ bos_token }}x", "x"):
        path = write_model(tmp_path / f"{len(template)}.gguf", template=template, add_start=True)
        assert connect_local(str(path)).count_prompt_tokens(ask()) == 2


@pytest.mark.parametrize(
    "template",
    [
        (
            "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
            "{% for m in messages %}{{ m.role }}:{{ m.content }}\n{% endfor %}"
        ),
        "{% for m in messages %}{% if m.role != 'system' %}{{ m.role }}:{{ m.content }}\n{% endif %}{% endfor %}",
    ],
)
def test_a_template_without_system_messages_still_gets_what_they_say(tiny_path: Path, template: str) -> None:
    backend = connect_local(str(tiny_path), chat_template=template)

    def count(*turns: tuple[Any, str]) -> int:
        return backend.count_prompt_tokens(
            ChatRequest(messages=tuple(Message(role=role, content=text) for role, text in turns))
        )

    assert count(("system", "xyz"), ("user", "abc")) == count(("user", "xyz\n\nabc"))
    assert count(("assistant", "q"), ("user", "abc"), ("system", "xyz")) == count(
        ("assistant", "q"), ("user", "xyz\n\nabc")
    )
    assert count(("system", "xyz")) == count(("user", "xyz"))
    assert count(("user", "abc")) == len("user:abc\n")


def test_mistrals_two_ways_to_write_a_call(tiny_path: Path) -> None:
    for mark in ("", "[ARGS]"):
        backend = connect_local(str(tiny_path), chat_template="{{ tools }}[TOOL_CALLS]" + mark)
        for options in ({"tool_choice": "required"}, {"extra": {"logit_bias": {313: 100}}}):
            reply = backend.chat(ask(tools=[TOOL], parallel_tool_calls=False, max_tokens=300, **options))
            assert (reply.text, reply.tool_calls[0].name, reply.finish.reason) == ("", "add", "tool_calls")
            assert isinstance(json.loads(reply.tool_calls[0].arguments), dict)


def test_variables_reach_the_template(tiny_path: Path) -> None:
    template = "{{ reasoning_effort }}|{{ enable_thinking }}|{{ colour }}"
    backend = connect_local(str(tiny_path), chat_template=template)
    assert backend.count_prompt_tokens(ask()) == len("||")
    assert backend.count_prompt_tokens(ask(reasoning_effort="none")) == len("none|False|")
    values = {"chat_template_kwargs": {"colour": "red", "enable_thinking": 0}}
    assert backend.count_prompt_tokens(ask(reasoning_effort="high", extra=values)) == len("high|0|red")


def test_tools_work_with_a_template_that_has_never_heard_of_them(tiny_path: Path) -> None:
    backend = connect_local(str(tiny_path), chat_template="chatml")
    reply = backend.chat(ask(tools=[TOOL], tool_choice="required", parallel_tool_calls=False, max_tokens=300))
    assert reply.tool_calls[0].name == "add"
    assert (reply.usage.input or 0) > 300


def test_a_model_that_writes_calls_as_bare_json(tiny_path: Path) -> None:
    template = CHATML + '{# {"name": function name, "parameters": ...} #}'
    backend = connect_local(str(tiny_path), chat_template=template.replace("<tool_call>", ""))
    forced = backend.chat(ask(tools=[TOOL], tool_choice="required", parallel_tool_calls=False, max_tokens=300))
    assert isinstance(json.loads(forced.tool_calls[0].arguments), dict)
    assert forced.finish.reason == "tool_calls"
    assert backend.chat(ask(tools=[TOOL])).usage.output
    with pytest.raises(UnsupportedError, match="bare JSON"):
        backend.chat(ask(tools=[TOOL], response_format={"schema": {"type": "object"}}))


def test_reasoning_comes_before_the_grammar(tiny_path: Path) -> None:
    backend = connect_local(str(tiny_path), chat_template=CHATML + "<think>\n")
    end_of_thought = 312
    never = {str(end_of_thought): -100, "308": -100, "306": -100}
    thinking = backend.chat(ask(response_format={"schema": {"type": "integer"}}, extra={"logit_bias": never}))
    assert (thinking.text, thinking.finish.reason) == ("", "length")
    assert thinking.usage.reasoning == thinking.usage.output == 8
    done = backend.chat(
        ask(response_format={"schema": {"enum": [12]}}, max_tokens=20, extra={"logit_bias": {end_of_thought: 100}})
    )
    assert (done.reasoning, done.text, done.finish.reason) == ("", "12", "stop")
    assert done.usage.reasoning == 1
