"""Finds the end of a JSON object in text that comes in pieces."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NOTABLE = re.compile(r'["\\{}\[\]]')


@dataclass
class JsonScanner:
    """Feed it text from an opening bracket on, or from within `depth` brackets; it tells where the last closes."""

    depth: int = 0
    _in_string: bool = False
    _escaped: bool = False

    def feed(self, text: str) -> int | None:
        """The index in `text` just after the closing bracket, `None` if it is still to come."""
        at = int(self._escaped)
        self._escaped = self._escaped and not text
        while found := _NOTABLE.search(text, at):
            at = found.end()
            if found.group() == "\\":
                self._escaped = at == len(text)
                at += 1
            elif self._closes(found.group()):
                return at
        return None

    def _closes(self, mark: str) -> bool:
        if mark == '"':
            self._in_string = not self._in_string
        if mark == '"' or self._in_string:
            return False
        self.depth += 1 if mark in "{[" else -1
        return self.depth <= 0
