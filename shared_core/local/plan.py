"""Decides what an answer may be: which tools are offered, and which grammar holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from shared_core.errors import InvalidRequestError, UnsupportedError
from shared_core.local.answer_grammar import calls_answer, calls_or_json_answer, json_answer, text_with_calls
from shared_core.local.tool_syntax import ToolSyntax
from shared_core.types import ChatRequest, Grammar, JsonObject, NamedTool, ResponseFormat, Tool


@dataclass(frozen=True)
class Plan:
    """`tools` are shown to the model, which may call them, `single` only once. At most one of the grammars is set."""

    tools: tuple[Tool, ...] = ()
    single: bool = False
    lark: str | None = None
    gbnf: str | None = None


def plan_answer(request: ChatRequest, syntax: ToolSyntax) -> Plan:
    """The plan for `request`. Raises `InvalidRequestError` or `UnsupportedError` for what does not go together."""
    tools = () if request.tool_choice == "none" else request.tools
    callable_tools = _callable(request, tools)
    single = request.parallel_tool_calls is False or isinstance(request.tool_choice, NamedTool)
    plan = Plan(tools, single=single)
    if request.tool_choice == "required" or isinstance(request.tool_choice, NamedTool):
        return _with(plan, calls_answer(syntax, callable_tools, single=single))
    if isinstance(request.response_format, Grammar):
        return _gbnf_plan(plan, request.response_format)
    return _with(plan, _free_choice(request, plan, syntax))


def _callable(request: ChatRequest, tools: tuple[Tool, ...]) -> tuple[Tool, ...]:
    choice = request.tool_choice
    if choice == "required" and not tools:
        raise InvalidRequestError('tool_choice "required" needs tools, and there are none')
    if not isinstance(choice, NamedTool):
        return tools
    named = tuple(tool for tool in tools if tool.name == choice.name)
    if not named:
        names = ", ".join(tool.name for tool in tools) or "none"
        raise InvalidRequestError(f"tool_choice names {choice.name!r}, which is not among the tools: {names}")
    return named


def _with(plan: Plan, lark: str | None) -> Plan:
    return Plan(plan.tools, single=plan.single, lark=lark)


def _gbnf_plan(plan: Plan, grammar: Grammar) -> Plan:
    if plan.tools:
        raise UnsupportedError(
            "llama_cpp takes a GBNF grammar or tools in one request, not both: use a JSON schema, or no tools"
        )
    return Plan(gbnf=grammar.gbnf)


def _free_choice(request: ChatRequest, plan: Plan, syntax: ToolSyntax) -> str | None:
    schema = _schema(request.response_format)
    if not plan.tools:
        return None if schema is None else json_answer(schema)
    if syntax.begin:
        if schema is None:
            return text_with_calls(syntax, plan.tools, single=plan.single)
        return calls_or_json_answer(syntax, plan.tools, schema, single=plan.single)
    if schema is not None:
        raise UnsupportedError(
            "this model writes tool calls as bare JSON, so that a response format cannot be told from a call: "
            "use one of the two"
        )
    return None


def _schema(wanted: ResponseFormat | None) -> dict[str, Any] | None:
    if wanted is None or isinstance(wanted, Grammar):
        return None
    return {"type": "object"} if isinstance(wanted, JsonObject) else wanted.schema
