"""How one model is prompted and how its answers are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shared_core.errors import UnsupportedError
from shared_core.local.prompt import Turn, native_turns, plain_turns, tool_turns, without_system
from shared_core.local.template import CHATML, ChatTemplate
from shared_core.local.tool_syntax import HERMES, ToolSyntax, detect_syntax
from shared_core.local.vocabulary import Vocabulary
from shared_core.types import ChatRequest, Tool

_MARK = "(the beginning of the answer)"
_NAMED_TEMPLATES = {"chatml": CHATML}


class ChatFormat:
    """A model's chat template and tool syntax. Raises `UnsupportedError` if there is no template."""

    def __init__(self, source: str | None, vocabulary: Vocabulary, model: str) -> None:
        if source is None:
            raise UnsupportedError(
                f"the model {model} has no chat template: it may be a base model. Give one as "
                'chat_template=..., in Jinja, or "chatml"'
            )
        source = _NAMED_TEMPLATES.get(source, source)
        self._model = model
        self._template = ChatTemplate(source, start_text=vocabulary.start_text, end_text=vocabulary.end_text)
        own = detect_syntax(source) if "tools" in self._template.variables else None
        self._knows_tools = own is not None
        self.syntax: ToolSyntax = own or HERMES

    def prompt(self, request: ChatRequest, tools: Sequence[Tool], values: Mapping[str, object]) -> str:
        """The prompt as text. Raises `UnsupportedError` for a part no template takes."""
        if self._knows_tools:
            turns, offered = native_turns(request.messages, self._model), tool_turns(tools)
        else:
            turns, offered = plain_turns(request.messages, tools, self._model), []
        if not self._template.takes_system:
            turns = without_system(turns)
        if request.messages[-1].prefix:
            return self._begun(turns, offered, values)
        return self._template.render(turns, offered, values)

    def _begun(self, turns: Sequence[Turn], offered: Sequence[Turn], values: Mapping[str, object]) -> str:
        """The prompt up to the end of the last turn's text, untrimmed: the model goes on with it."""
        marked = [*turns[:-1], {**turns[-1], "content": _MARK}]
        before, mark, _ = self._template.render(marked, offered, {**values, "add_generation_prompt": False}).rpartition(
            _MARK
        )
        if not mark:
            raise UnsupportedError(
                f"the chat template of the model {self._model} leaves out the beginning of an answer, so that nothing "
                "can go on with it: ask without Message(prefix=True)"
            )
        return f"{before}{turns[-1]['content']}"
