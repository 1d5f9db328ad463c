"""The only module that turns a conversation into text: by the very template the GGUF carries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2.sandbox import ImmutableSandboxedEnvironment

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCE = Path(__file__).with_name("chat_template.jinja").read_text(encoding="utf-8").rstrip("\n")


def to_json(value: object) -> str:
    """JSON as Hugging Face's `tojson` filter writes it: nothing escaped for HTML or ASCII."""
    return json.dumps(value, ensure_ascii=False)


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = to_json
    return environment


_TEMPLATE = _environment().from_string(SOURCE)


def render(messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]] = ()) -> str:
    """The whole conversation as training text."""
    return _TEMPLATE.render(messages=messages, tools=list(tools) or None)


def render_prompt(messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]] = ()) -> str:
    """The conversation so far, up to where the assistant begins to write."""
    return _TEMPLATE.render(messages=messages, tools=list(tools) or None, add_generation_prompt=True)
