"""docs/routing.md: its examples run and print what they say, and its table has every policy."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

import shared_core

REPOSITORY = Path(__file__).parents[2]
TEXT = (REPOSITORY / "docs" / "routing.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
NOBODY = "http://127.0.0.1:9/v1"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that are never sent, and no vLLM."""
    for name in (
        "GROQ_API_KEY",
        "FIREWORKS_API_KEY",
        "TOGETHER_API_KEY",
        "DEEPINFRA_API_KEY",
        "OPENROUTER_API_KEY",
        "NVIDIA_API_KEY",
    ):
        monkeypatch.setenv(name, "sk-never-sent")
    monkeypatch.setenv("VLLM_BASE_URL", NOBODY)


@pytest.mark.parametrize("code", BLOCKS, ids=lambda code: code.splitlines()[-1][:40])
def test_an_example_runs(code: str) -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "routing.md", "exec"), {"__name__": "routing"})  # noqa: S102 - our own page
    rest = printed.getvalue()
    said = re.findall(r"^ *print\(.*\)  # (.+)$|^# (.+)$", code, re.MULTILINE)
    assert said
    for text in (one or other for one, other in said):
        _, found, rest = rest.partition(text)
        assert found, f"{text!r} is not printed (any more), or not here: {printed.getvalue()!r}"


def test_the_table_has_every_policy() -> None:
    names = re.findall(r"^\| `(\w+)", TEXT.partition("## Policies")[2].partition("\n## ")[0], re.MULTILINE)
    homes = {name: getattr(getattr(shared_core, name), "__module__", "") for name in shared_core.__all__}
    policies = [
        name for name, home in homes.items() if home in {"shared_core.routing.policies", "shared_core.routing.sticky"}
    ]
    assert sorted(names) == sorted(policies)


def test_links_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)", TEXT) if not link.startswith("http")]
    assert [link for link in links if not (REPOSITORY / "docs" / link).exists()] == []
