from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("shared_core", "langchain_multillm", "llamaindex_multillm")
PYPROJECT = (REPOSITORY / "pyproject.toml").read_text()
CONTRACTS = [contract["name"] for contract in tomllib.loads(PYPROJECT)["tool"]["importlinter"]["contracts"]]

# One forbidden line for each contract, and the module that it would be written into.
BREACHES = {
    "shared_core is layered, lowest last": ("shared_core/models/lookup.py", "import shared_core.transport"),
    "transport takes nothing but errors and wire's Call and Reply": (
        "shared_core/transport.py",
        "from shared_core.wire.openai import OpenAIWire",
    ),
    "backends do not load the local engine, but for connect(), when its name is asked for": (
        "shared_core/backends/http.py",
        "import shared_core.local",
    ),
    "local sees of the backends only their protocols": (
        "shared_core/local/files.py",
        "from shared_core.backends.catalog import CATALOG",
    ),
    "routing sees backends, and neither transport nor wires": (
        "shared_core/routing/target.py",
        "from shared_core.wire.base import Call",
    ),
    "wires do no I/O": ("shared_core/wire/framing.py", "import os"),
    "httpx is imported by transport alone": ("shared_core/backends/keys.py", "import httpx"),
    "llama_cpp and what it needs are imported by local alone": ("shared_core/cli/output.py", "import numpy"),
    "provider SDKs are never imported": ("shared_core/local/files.py", "import openai"),
    "shared_core knows no framework": ("shared_core/types/values.py", "import langchain_core"),
    "wrappers import shared_core's public names only": (
        "langchain_multillm/messages.py",
        "from shared_core.types import Message",
    ),
    "langchain_multillm knows nothing of LlamaIndex": ("langchain_multillm/tools.py", "import llamaindex_multillm"),
    "llamaindex_multillm knows nothing of LangChain": ("llamaindex_multillm/tools.py", "import langchain_core"),
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(
            REPOSITORY / package, tmp_path / package, ignore=shutil.ignore_patterns("*.gguf", "__pycache__")
        )
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    return tmp_path


def lint(folder: Path) -> tuple[int, str]:
    command = Path(sys.executable).with_name("lint-imports")
    environment = {**os.environ, "COLUMNS": "200", "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [command, "--no-cache"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout


def test_every_contract_has_a_breach_here() -> None:
    assert list(BREACHES) == CONTRACTS


def test_every_contract_notices_its_breach(copy: Path) -> None:
    for path, line in BREACHES.values():
        with (copy / path).open("a") as module:
            module.write(f"\n{line}\n")
    code, out = lint(copy)
    assert code != 0
    assert [name for name in CONTRACTS if f"{name} BROKEN" not in out] == []


def test_the_repository_keeps_them(copy: Path) -> None:
    code, out = lint(copy)
    assert code == 0, out


def test_a_new_module_must_be_given_a_place(copy: Path) -> None:
    (copy / "shared_core" / "stray.py").write_text('"""Nowhere."""\n')
    code, out = lint(copy)
    assert code != 0
    assert "stray" in out
