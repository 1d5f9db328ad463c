"""Reads one tool call while it is being written."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from shared_core.local.json_scanner import JsonScanner
from shared_core.types import ToolCallDelta

_HEAD = re.compile(r'\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"(?:arguments|parameters)"\s*:\s*(?=\{)')
# Mistral's newer form, `name[ARGS]{...}`, and what may still become one.
_NAMED_HEAD = re.compile(r"\s*([\w.-]+)\s*(?:\[CALL_ID\]\s*\w+\s*)?(?:\[ARGS\]\s*)?(?=\{)")
_NAMED_BEGIN = re.compile(r"\s*(?:[\w.-]{1,64}\s*(?:\[\w*\]?\s*\w*\s*){0,2})?")


@dataclass
class CallReader:
    """One call, `{"name": ..., "arguments": {...}}` or `name{...}`, read from the text fed to it.

    `rest` is the text behind the call once it is `done`, and all of the text once it has `failed` to be one.
    """

    index: int
    id: str
    begun: bool = False
    done: bool = False
    failed: bool = False
    rest: str = ""
    _object: JsonScanner = field(default_factory=JsonScanner)
    _arguments: JsonScanner = field(default_factory=JsonScanner)
    _named: bool = False

    def feed(self, text: str) -> list[ToolCallDelta]:
        """Read on; gives the pieces of the call that are certain now."""
        if not self.begun:
            return self._read_head(text)
        if self._arguments.depth:
            return self._read_arguments(text)
        self._read_closing(text)
        return []

    def _read_head(self, text: str) -> list[ToolCallDelta]:
        self.rest += text
        head = _HEAD.match(self.rest) or _NAMED_HEAD.match(self.rest)
        if head:
            return self._begin(head)
        if not self.rest.lstrip().startswith("{"):
            self.failed = not _NAMED_BEGIN.fullmatch(self.rest)
            return []
        end = self._object.feed(text)
        return [] if end is None else self._read_whole(text[end:])

    def _begin(self, head: re.Match[str]) -> list[ToolCallDelta]:
        name, self._named = head.group(1), head.re is _NAMED_HEAD
        arguments, self.rest, self.begun = self.rest[head.end() :], "", True
        first = ToolCallDelta(self.index, id=self.id, name=name if self._named else json.loads(name, strict=False))
        return [first, *self._read_arguments(arguments)]

    def _read_arguments(self, text: str) -> list[ToolCallDelta]:
        end = self._arguments.feed(text)
        if end is not None:
            self._object = JsonScanner(depth=1)
            self._read_closing(text[end:])
        return [ToolCallDelta(self.index, arguments=text[:end])]

    def _read_closing(self, text: str) -> None:
        """Read to the end of the object around the arguments, whatever else it holds."""
        if self._named:
            self._finish(text)
        elif text.strip():
            self._read_rest_of_object(text)

    def _read_rest_of_object(self, text: str) -> None:
        end = self._object.feed(text)
        if end is not None:
            self._finish(text[end:])

    def _finish(self, rest: str) -> None:
        self.done, self.rest = True, rest

    def _read_whole(self, rest: str) -> list[ToolCallDelta]:
        """Take an object that does not begin as expected, such as one with its name last."""
        call = _parse(self.rest.removesuffix(rest))
        if call is None:
            self.failed = True
            return []
        self.begun = True
        self._finish(rest)
        return [ToolCallDelta(self.index, id=self.id, name=call[0], arguments=call[1])]


def _parse(text: str) -> tuple[str, str] | None:
    """Name and arguments of a call written as one JSON object, `None` if it is no call."""
    try:
        value: Any = json.loads(text, strict=False)
    except ValueError:
        return None
    name = value.get("name")
    arguments = value.get("arguments", value.get("parameters", {}))
    if not isinstance(name, str):
        return None
    return name, arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
