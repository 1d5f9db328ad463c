"""`multillm backends`: the places a model can run at."""

from __future__ import annotations

import argparse
import json
import os
from importlib.util import find_spec
from typing import Any

from shared_core import CATALOG, Place
from shared_core.cli.output import OK, print_table

_LOCAL_URL = "in process"
_COLUMNS = ("NAME", "URL", "CHAT MODEL", "EMBEDDING MODEL", "KEY VARIABLE", "KEY")


def add_backends(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--json", action="store_true", help="print a JSON list")
    parser.set_defaults(run=_backends)


def _backends(options: argparse.Namespace) -> int:
    rows = [_local_row(), *(_row(place) for place in CATALOG.values())]
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        print_table([_COLUMNS, *(_cells(row) for row in rows)])
    return OK


def _row(place: Place) -> dict[str, Any]:
    return {
        "name": place.name,
        "title": place.title,
        "url": place.base_url,
        "url_variable": place.url_variable,
        "chat_model": place.chat_model,
        "embedding_model": place.embedding_model,
        "key_variable": place.key,
        "key_required": place.key_required,
        "key_set": bool(place.key and os.environ.get(place.key, "").strip()),
    }


def _local_row() -> dict[str, Any]:
    return {
        "name": "llama_cpp",
        "title": "llama.cpp in this process",
        "url": _LOCAL_URL,
        "url_variable": None,
        "chat_model": "bundled demo model",
        "embedding_model": None,
        "key_variable": None,
        "key_required": False,
        "key_set": False,
        "installed": find_spec("llama_cpp") is not None,
    }


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    shown = [row[name] or "-" for name in ("name", "url", "chat_model", "embedding_model", "key_variable")]
    return (*shown, _key_state(row))


def _key_state(row: dict[str, Any]) -> str:
    if row["key_set"]:
        return "set"
    return "missing" if row["key_required"] else "not needed"
