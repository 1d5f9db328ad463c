"""Renders a model's own Jinja chat template, in a sandbox."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NoReturn

from jinja2 import TemplateError, TemplateSyntaxError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.meta import find_undeclared_variables
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from shared_core.errors import InvalidRequestError, ModelFileError

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


_PROBE = "Mind the system message."


class ChatTemplate:
    """A Jinja chat template as Hugging Face's transformers understands it. Raises `ModelFileError` if it is none."""

    def __init__(self, source: str, *, start_text: str, end_text: str) -> None:
        self._constants = {"bos_token": start_text, "eos_token": end_text, "add_generation_prompt": True}
        environment = _environment()
        try:
            self._template = environment.from_string(source)
            self.variables = find_undeclared_variables(environment.parse(source))
        except TemplateSyntaxError as error:
            raise ModelFileError(
                f"the chat template is not valid Jinja: {error}. Give another: chat_template=..."
            ) from error

    @cached_property
    def takes_system(self) -> bool:
        """Whether a system message gets through; some templates refuse it, and some leave it out."""
        try:
            return _PROBE in self.render(
                [{"role": "system", "content": _PROBE}, {"role": "user", "content": "Hi"}], [], {}
            )
        except InvalidRequestError:
            return False

    def render(
        self,
        messages: Sequence[Mapping[str, object]],
        tools: Sequence[Mapping[str, object]],
        values: Mapping[str, object],
    ) -> str:
        """The prompt. Raises `InvalidRequestError` where the template refuses the conversation."""
        # Without tools the variable stays undefined: templates loop over it, ask for it, or compare it with none.
        known = {**self._constants, "messages": messages, **({"tools": tools} if tools else {}), **values}
        try:
            return self._template.render(known)
        except (TemplateError, TypeError, ValueError, KeyError, IndexError, OverflowError, RecursionError) as error:
            raise InvalidRequestError(f"the model's chat template refuses the conversation: {error}") from error


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _Generation]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = _strftime_now
    return environment


class _Generation(Extension):
    """`{% generation %}` marks what the assistant wrote, for training; here it is only its content."""

    tags = {"generation"}  # noqa: RUF012 - jinja2's own attribute

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _to_json(value: Any, ensure_ascii: bool = False, **options: Any) -> str:  # noqa: ANN401, FBT001, FBT002
    # Jinja's own filter escapes for HTML, which models have not seen; the arguments are transformers'.
    return json.dumps(value, ensure_ascii=ensure_ascii, **options)


def _raise_exception(message: str) -> NoReturn:
    raise TemplateError(message)


def _strftime_now(layout: str) -> str:
    return dt.datetime.now().astimezone().strftime(layout)
