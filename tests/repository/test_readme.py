from __future__ import annotations

import ast
import contextlib
import importlib
import io
import re
import shlex
import shutil
import subprocess
from inspect import signature
from pathlib import Path

import pytest

from backend_table import README, render, replace_table
from shared_core import Place, cli
from shared_core.local import connect_local

REPOSITORY = README.parent
TEXT = README.read_text(encoding="utf-8")
RUNS = re.findall(r"<!-- runs -->\n```python\n(.*?)```", TEXT, re.DOTALL)
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = [line[2:] for line in re.findall(r"^\$ .*$", TEXT, re.MULTILINE)]


def first_import(code: str) -> str:
    return next(line for line in code.splitlines() if "import" in line)


@pytest.mark.parametrize("code", RUNS, ids=first_import)
def test_an_example_prints_what_it_says(code: str) -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {"__name__": "readme"})  # noqa: S102 - our own README
    rest = printed.getvalue()
    expected = re.findall(r"^ *print\(.*\)  # (.+)$", code, re.MULTILINE)
    assert expected
    for text in expected:
        _, found, rest = rest.partition(text)
        assert found, f"{text!r} is not printed (any more), or not here: {printed.getvalue()!r}"


def test_examples_are_there() -> None:
    assert len(RUNS) >= 5


@pytest.mark.parametrize("code", BLOCKS, ids=lambda code: code.splitlines()[0])
def test_what_an_example_imports_exists(code: str) -> None:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module or "")
            assert [name.name for name in node.names if not hasattr(module, name.name)] == []


def test_the_table_is_the_catalogs() -> None:
    assert replace_table(TEXT) == TEXT, "run: python scripts/backend_table.py"
    assert render() in TEXT


def test_a_readme_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="end of backends"):
        replace_table("no table here")


@pytest.mark.parametrize("command", [line for line in COMMANDS if "multillm " in line and "pip" not in line])
def test_a_shown_command_is_understood(command: str) -> None:
    words = shlex.split(command.rpartition("| ")[2], comments=True)
    assert words[0] == "multillm"
    cli._parser().parse_args(words[1:])


@pytest.mark.skipif(shutil.which("make") is None, reason="README's plain commands are for machines without make")
@pytest.mark.parametrize(
    "target", ["demo", "test", "lint", "types", "imports", "check", "format", "ci", "build", "clean"]
)
def test_make_knows_its_targets(target: str, tmp_path: Path) -> None:
    done = subprocess.run(
        ["make", "--dry-run", target, f"VENV={tmp_path}/venv"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_links_lead_somewhere() -> None:
    for text in (TEXT, (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")):
        links = [link for link in re.findall(r"\]\(([^)#]+)", text) if not link.startswith("http")]
        assert [link for link in links if not (REPOSITORY / link).exists()] == []


def test_files_named_in_commands_exist() -> None:
    named = {word for line in COMMANDS for word in re.findall(r"\bscripts/[\w.]+", line)}
    assert named
    assert [name for name in named if not (REPOSITORY / name).exists()] == []


def test_the_row_in_contributing_is_a_row() -> None:
    (code,) = re.findall(r"```python\n(Place\(.*?)```", (REPOSITORY / "CONTRIBUTING.md").read_text("utf-8"), re.DOTALL)
    assert eval(code, {"Place": Place}).name == "acme"  # noqa: S307 - our own text


def test_the_local_engine_takes_the_options_that_are_told() -> None:
    section = TEXT.partition("## llama.cpp in process\n")[2].partition("\n## ")[0]
    table = re.findall(r"^\| `(\w+)` \| (?:`(\w+)`)?", section, re.MULTILINE)
    sentence = re.findall(r"`(\w+)`", section.partition("also takes")[2].partition("<!--")[0].partition("Objects")[0])
    takes = signature(connect_local)
    assert len(table) >= 5
    assert [name for name in [*dict(table), *sentence] if name not in takes.parameters] == []
    assert [variable for _, variable in table if variable and variable not in str(connect_local.__doc__)] == []
