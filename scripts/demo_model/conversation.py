"""The values a corpus is made of: messages, tools, and the conversations they form."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

Message = dict[str, Any]
Tool = dict[str, Any]
Value = str | int | float | bool | list[str]
"""An argument of a tool."""


@dataclass(frozen=True)
class Conversation:
    """Messages ending with an assistant's, under the tools on offer.

    A right last answer contains `value`, if there is one, and nothing of `wrong`.
    """

    messages: list[Message]
    tools: list[Tool] = field(default_factory=list)
    value: str = ""
    wrong: tuple[str, ...] = ()

    @property
    def prompt(self) -> list[Message]:
        """Everything before the last answer."""
        return self.messages[:-1]

    @property
    def answer(self) -> Message:
        """The last answer."""
        return self.messages[-1]


def system(text: str) -> Message:
    """What the assistant is told first."""
    return {"role": "system", "content": text}


def user(text: str) -> Message:
    """What the user says."""
    return {"role": "user", "content": text}


def assistant(text: str) -> Message:
    """What the assistant answers in words."""
    return {"role": "assistant", "content": text}


def calling(name: str, arguments: Mapping[str, Value]) -> Message:
    """What the assistant answers by calling a tool."""
    call = {"type": "function", "function": {"name": name, "arguments": dict(arguments)}}
    return {"role": "assistant", "content": "", "tool_calls": [call]}


def result(text: str) -> Message:
    """What a tool gave back."""
    return {"role": "tool", "content": text}
