"""The libraries that are compared, each in an environment of its own; this one's is what pyproject.toml names."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from shared_core import __version__
from tests.servers.environments import Environment, checked, python_of

HERE = Path(__file__).parent
_PYTHONS = ("python3.12", "python3.11", "python3.13")


@dataclass(frozen=True)
class Contestant:
    """One library: the file that calls it, what it is installed from, and the distributions whose versions count.

    `ollama` says whether it is called in Ollama's own API as well as in OpenAI's.
    """

    title: str
    file: str
    environment: Environment
    distributions: tuple[str, ...]
    ollama: bool = False

    @property
    def script(self) -> Path:
        """What calls it."""
        return HERE / self.file

    def python(self) -> Path:
        """The interpreter of its environment, made if need be. Raises `CannotInstallError`."""
        return python_of(self.environment)

    def versions(self) -> str:
        """What was measured."""
        if not self.distributions:
            return f"multillm-plugins {__version__}"
        code = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
        found = checked("asking for versions", [str(self.python()), "-c", code, *self.distributions]).split()
        return ", ".join(f"{name} {version}" for name, version in zip(self.distributions, found, strict=True))


def _our_dependencies() -> tuple[str, ...]:
    project = tomllib.loads((HERE.parents[1] / "pyproject.toml").read_text())["project"]
    return tuple(project["dependencies"])


CONTESTANTS = (
    Contestant(
        "multillm Router",
        "multillm_router.py",
        Environment("multillm", "dependencies", _our_dependencies(), _PYTHONS),
        (),
        ollama=True,
    ),
    # 1.82.7 and 1.82.8 were malicious; up to 1.83.6 there is CVE-2026-42208.
    Contestant(
        "LiteLLM Router",
        "litellm_router.py",
        Environment("litellm_router", "1.106.2", ("litellm==1.106.2",), _PYTHONS),
        ("litellm", "openai"),
        ollama=True,
    ),
    Contestant(
        "LangChain with_fallbacks",
        "langchain_fallbacks.py",
        Environment("langchain_openai", "1.7.3", ("langchain-openai==1.7.3",), _PYTHONS),
        ("langchain-core", "langchain-openai", "openai"),
    ),
    Contestant(
        "OneLLM",
        "onellm_fallbacks.py",
        Environment("onellm", "0.20260922.0", ("onellm==0.20260922.0",), _PYTHONS),
        ("onellm",),
    ),
)
