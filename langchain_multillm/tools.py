"""Tools are bound to a model in OpenAI's JSON, which is what LangChain's agents and traces read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from langchain_multillm.arguments import titled
from shared_core import ConfigurationError

_ANY = frozenset({"any", "required"})


def bound_tools(
    tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
    tool_choice: dict[str, Any] | str | bool | None,  # noqa: FBT001 - LangChain's interface
    *,
    strict: bool | None = None,
) -> dict[str, Any]:
    """Build the arguments `tools` and `tool_choice`. Raises `ConfigurationError` for the name of no tool."""
    definitions = [convert_to_openai_tool(titled(tool), strict=strict) for tool in tools]
    choice = _choice(tool_choice, [name for item in definitions if (name := _name(item))])
    return {"tools": definitions} if choice is None else {"tools": definitions, "tool_choice": choice}


def _name(definition: Mapping[str, Any]) -> str | None:
    return (definition.get("function") or {}).get("name")


def _choice(
    choice: dict[str, Any] | str | bool | None,  # noqa: FBT001 - LangChain's interface
    names: Sequence[str],
) -> dict[str, Any] | str | None:
    if not choice:
        return None
    if choice is True or (isinstance(choice, str) and choice in _ANY):
        return "required"
    if isinstance(choice, str):
        return choice if choice in {"auto", "none"} else _named(choice, names)
    name = _name(choice) or choice.get("name")
    return _named(name, names) if name else choice


def _named(name: str, names: Sequence[str]) -> dict[str, Any]:
    if name not in names:
        raise ConfigurationError(f"tool_choice {name!r} is not among the tools: {', '.join(names) or 'there are none'}")
    return {"type": "function", "function": {"name": name}}
