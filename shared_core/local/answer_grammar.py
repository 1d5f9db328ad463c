"""Writes the Lark grammar of an answer: a schema's JSON, tool calls, or text with tool calls in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from shared_core.local.schema import narrow_schema
from shared_core.local.tool_syntax import ToolSyntax
from shared_core.types import Tool

# Room for pretty printing, and none for the endless blanks that small models fall into.
_WHITESPACE = r"( |\n[ \t]{0,20})?"
_HEADER = "%llguidance {}\n"
_SPACE = "SPACE: /[ \\n]{1,2}/\n"


def json_answer(schema: dict[str, Any]) -> str:
    """JSON that `schema` accepts."""
    return f"{_HEADER}start: {_json(schema)}\n"


def calls_answer(syntax: ToolSyntax, tools: Sequence[Tool], *, single: bool) -> str:
    """One call of one of `tools`, or more unless `single`."""
    return f"{_HEADER}start: calls\n{_calls(syntax, tools, single=single)}{_SPACE}"


def calls_or_json_answer(syntax: ToolSyntax, tools: Sequence[Tool], schema: dict[str, Any], *, single: bool) -> str:
    """Calls, or else JSON that `schema` accepts. The syntax must have a `begin` to tell them apart."""
    rules = _calls(syntax, tools, single=single, lenient=True)
    return f"{_HEADER}start: calls | answer\nanswer: {_json(schema)}\n{rules}{_SPACE}"


def text_with_calls(syntax: ToolSyntax, tools: Sequence[Tool], *, single: bool) -> str:
    """Any text, in which `syntax.begin` can only be followed by a call.

    What llguidance cannot check of a tool's schema is left out, since nobody forced this call.
    """
    start = "(TEXT | head call)" if single or syntax.separator is not None else "(head call)* TEXT"
    rules = f"head[lazy]: TEXT {_text(syntax.begin)}\n{_call(syntax, tools, single=single, lenient=True)}"
    return f"{_HEADER}start: {start}\n{rules}TEXT: /(.|\\n)*/\n{_SPACE}"


def _calls(syntax: ToolSyntax, tools: Sequence[Tool], *, single: bool, lenient: bool = False) -> str:
    call = f"{_text(syntax.begin)} call"
    more = "" if single or syntax.separator is not None else f" (SPACE? {call})*"
    return f"calls: {call}{more}\n{_call(syntax, tools, single=single, lenient=lenient)}"


def _call(syntax: ToolSyntax, tools: Sequence[Tool], *, single: bool, lenient: bool) -> str:
    """What follows `syntax.begin`."""
    more = "" if single or syntax.separator is None else f" ({_text(syntax.separator)} body)*"
    opening = f"SPACE? {_text(syntax.list_begin)} " if syntax.begin else ""
    closing = f" SPACE? {_text(syntax.end)}" if syntax.end else ""
    bodies = " | ".join(f"tool_{number}" for number in range(len(tools)))
    rules = "".join(f"tool_{number}: {_body(tool, syntax, lenient=lenient)}\n" for number, tool in enumerate(tools))
    return f"call: {opening}body{more}{closing}\nbody: {bodies}\n{rules}"


def _body(tool: Tool, syntax: ToolSyntax, *, lenient: bool) -> str:
    # The schema stays a document of its own, so that its "#/$defs/..." references hold.
    arguments = _json({"type": "object", **tool.parameters}, lenient=lenient)
    if syntax.arguments_mark:
        return f"{_text(tool.name + syntax.arguments_mark)} {arguments}"
    head = f'{{"name": {json.dumps(tool.name)}, "{syntax.arguments_key}": '
    return f"{_text(head)} {arguments} {_text('}')}"


def _json(schema: dict[str, Any], *, lenient: bool = False) -> str:
    options = {"whitespace_pattern": _WHITESPACE, "lenient": lenient}
    return f"%json {json.dumps({**narrow_schema(schema), 'x-guidance': options}, ensure_ascii=False)}"


def _text(literal: str) -> str:
    return json.dumps(literal, ensure_ascii=False) if literal else ""
