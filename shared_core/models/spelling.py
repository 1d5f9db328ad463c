"""Recognises a model by other spellings of its name, and never takes another model for it."""

from __future__ import annotations

import re
from functools import cache
from typing import TypeAlias

from shared_core.models.table import ModelInfo, Table, all_tables, vendors

Key: TypeAlias = tuple[str, ...]

_PLAIN = re.compile(r"[A-Za-z0-9._:/ -]+")
_TOKEN = re.compile(r"[a-z]+|\d+(?:\.\d+)*")
_EDITION = re.compile(r"(?<!\d)\d{4}(?!\d)|v0\.\d")  # deepseek-r1-0528, mistral-7b-v0.3
_TUNED = frozenset({"instruct", "it"})
_ANSWERS = _TUNED | {"chat", "thinking"}
# Ways to serve a model. A place has the same one under several of them, each with a price of its own.
_SERVED = frozenset({"turbo", "tput", "lite", "reference", "fast", "free", "fp", "awq", "int"})


def key(name: str) -> Key:
    """What is left of a name without separators, case, and words that all chat models could bear."""
    tokens = _TOKEN.findall(_leaf(name).lower())
    if tokens[:2] == ["meta", "llama"]:
        del tokens[0]
    return tuple(token for token in tokens if token not in _TUNED)


def spelled(table: Table, name: str) -> ModelInfo | None:
    """The one model of the table that this is a spelling of: its own id's, or a name or id that it has elsewhere."""
    if not _PLAIN.fullmatch(name) or not _is_original(name):
        return None
    wanted = key(name)
    if own := next((info for info in table.models.values() if key(info.id) == wanted), None):
        return own
    found = table.models.get(_names().get(wanted, ""))
    return found if found and _editions(name) == _editions(found.id) else None


def _leaf(name: str) -> str:
    return name.rpartition("/")[2]


def _editions(name: str) -> set[str]:
    """Which checkpoint of a model, where a name says it."""
    return set(_EDITION.findall(_leaf(name).lower()))


def _is_original(name: str) -> bool:
    """Whether it is nobody else's: meta-llama/Llama-3.1-8B-Instruct is, acme/Llama-3.1-8B-Instruct may be a fine-tune.

    Nor is it the model before it learned to chat: meta-llama/Llama-3.1-8B.
    """
    organisation, slash, leaf = name.lower().rpartition("/")
    if not slash or name.lower() in _ids():
        return True
    tokens = _TOKEN.findall(leaf)
    makers = (maker for family in tokens for maker in vendors().get(family, ()))
    return organisation in makers and not _ANSWERS.isdisjoint(tokens)


@cache
def _ids() -> frozenset[str]:
    return frozenset(info.id.lower() for table in all_tables() for info in table.models.values())


@cache
def _names() -> dict[Key, str]:
    """The canonical name that a key means wherever it is used; the data has no key that means two."""
    infos = [info for table in all_tables() for info in table.models.values()]
    names = {key(info.id): info.name for info in infos} | {key(info.name): info.name for info in infos}
    return {found: name for found, name in names.items() if _SERVED.isdisjoint(found)}
