"""Runs calls in a library's own environment: a case a line on standard input, what came of each call a line back."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Protocol

PROMPT = "Say something."


class Chain(Protocol):
    """A library's way to several targets, ready to be called."""

    def chat(self, prompt: str) -> str:
        """A whole answer."""
        ...

    def stream(self, prompt: str) -> Iterator[str]:
        """Its pieces, as they come."""
        ...

    async def achat(self, prompt: str) -> str:
        """A whole answer."""
        ...

    def astream(self, prompt: str) -> AsyncIterator[str]:
        """Its pieces, as they come."""
        ...


def _call(chain: Chain, mode: str, text: list[str]) -> None:
    if mode == "chat":
        text.append(chain.chat(PROMPT))
        return
    for piece in chain.stream(PROMPT):
        text.append(piece)  # noqa: PERF402 - what came before an error must be kept


async def _acall(chain: Chain, mode: str, text: list[str]) -> None:
    if mode == "chat":
        text.append(await chain.achat(PROMPT))
        return
    async for piece in chain.astream(PROMPT):
        text.append(piece)  # noqa: PERF401 - as above


def _said(runner: asyncio.Runner, chain: Chain, case: dict[str, Any]) -> dict[str, Any]:
    text: list[str] = []
    error = None
    try:
        if case["half"] == "sync":
            _call(chain, case["mode"], text)
        else:
            runner.run(_acall(chain, case["mode"], text))
    except Exception as raised:  # noqa: BLE001 - whatever a library raises is an error that its caller sees
        error = f"{type(raised).__name__}: {raised}"[:500]
    return {"text": "".join(text), "error": error}


def main() -> None:
    """Serve until standard input ends."""
    # Libraries print as they like; what they print must not run into the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    path = Path(sys.argv[1])
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is no Python file")
    contestant = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(contestant)
    print("{}", file=answers)
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            case = json.loads(line)
            chain = contestant.chain(
                case["targets"], timeout=case["timeout"], pooled=case["pooled"], ollama=case["ollama"]
            )
            for _ in range(case["calls"]):
                print(json.dumps(_said(runner, chain, case)), file=answers)


if __name__ == "__main__":
    main()
