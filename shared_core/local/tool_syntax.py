"""How a model writes tool calls: the marks around them and between them."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class ToolSyntax:
    """A call is an object with "name" and `arguments_key`, after `begin` and before `end`.

    Without `begin` an answer is either all calls or all text. Where `separator` is set, calls share their marks,
    and it stands between two of them. With an `arguments_mark` a call is its name, the mark and the arguments.
    """

    begin: str
    end: str
    arguments_key: str = "arguments"
    list_begin: str = ""
    separator: str | None = None
    arguments_mark: str = ""
    also_begin: tuple[str, ...] = ()

    @property
    def marks(self) -> tuple[str, ...]:
        """What calls may begin with."""
        return tuple(mark for mark in (self.begin, *self.also_begin) if mark)


HERMES = ToolSyntax(begin="<tool_call>", end="</tool_call>")
MISTRAL = ToolSyntax(begin="[TOOL_CALLS]", end="]", list_begin="[", separator=", ")
MISTRAL_NAMED = ToolSyntax(begin="[TOOL_CALLS]", end="", arguments_mark="[ARGS]")
LLAMA3 = ToolSyntax(begin="", end="", arguments_key="parameters", separator="; ", also_begin=("<|python_tag|>",))

# Templates that spell a call with its name first, as JSON; others put XML between the same marks.
_JSON_CALL = re.compile(r"""\{\\?["']name""")


def detect_syntax(template: str) -> ToolSyntax | None:
    """The syntax that a chat template teaches, `None` if it is not one of ours."""
    if HERMES.begin in template and _JSON_CALL.search(template):
        return HERMES
    if MISTRAL.begin in template:
        return MISTRAL_NAMED if "[ARGS]" in template else MISTRAL
    if "<|python_tag|>" in template or '{"name": function name, "parameters"' in template:
        return LLAMA3
    return None
