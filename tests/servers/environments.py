"""Virtual environments for servers: each made once on a machine, whole or not at all, and shared by all test runs."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

CACHE_VARIABLE = "MULTILLM_SERVERS_CACHE"
INSTALL_SECONDS = 600.0
LAST_LINES = 8

PINS = Path(__file__).with_name("pins")
_FIND_PYTHON = Path(__file__).parents[2] / "scripts" / "find_python.sh"
_WHOLE = "installed"
"""A file that an environment gets last of all: without it, it is half-made."""


class CannotInstallError(Exception):
    """An environment cannot be made here; says at which step, and what was printed last."""


@dataclass(frozen=True)
class Environment:
    """What a server needs; `pythons` are tried in order, the first that is here is taken.

    `pins` are the versions of everything below `requirements`, as they were when this was seen to work.
    """

    name: str
    version: str
    requirements: tuple[str, ...]
    pythons: tuple[str, ...]
    pins: Path | None = None


def python_of(environment: Environment) -> Path:
    """The interpreter of the environment, which is made if this machine has none. Raises `CannotInstallError`."""
    base = find_python(environment.pythons)
    folder = cache_folder(os.environ) / _folder_name(environment, base)
    python = folder / "bin" / "python"
    with _locked(folder.with_name(f"{folder.name}.lock")):
        if not ((folder / _WHOLE).exists() and python.exists()):
            _make(environment, base, folder)
    return python


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where environments are kept."""
    if named := environ.get(CACHE_VARIABLE):
        return Path(named)
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "multillm" / "servers"


def find_python(names: Sequence[str]) -> Path:
    """The first of these interpreters that is here. Raises `CannotInstallError`."""
    for name in names:
        found = subprocess.run(["sh", _FIND_PYTHON, name], capture_output=True, text=True, check=False)
        if found.returncode == 0:
            return Path(found.stdout.strip())
    raise CannotInstallError(f"finding an interpreter: there is no usable {' or '.join(names)} on this machine")


def _folder_name(environment: Environment, base: Path) -> str:
    version = checked("asking for a version", [str(base), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
    pins = environment.pins.read_text() if environment.pins else ""
    recipe = "\0".join([*environment.requirements, pins, str(base)])
    # Another recipe is another folder: an environment that somebody's server runs from is never changed.
    digest = hashlib.sha256(recipe.encode()).hexdigest()[:8]
    return f"{environment.name}-{environment.version}-py{version.strip()}-{digest}"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Held by one process at a time; the system gives it back when its holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(environment: Environment, base: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    checked(f"making a virtual environment with {base}", [str(base), "-m", "venv", str(folder)])
    _install(environment, folder / "bin" / "python")
    (folder / _WHOLE).touch()


def _install(environment: Environment, python: Path) -> None:
    step = f"pip install {' '.join(environment.requirements)}"
    pip = [str(python), "-m", "pip", "install", "--no-input", "--progress-bar", "off", *environment.requirements]
    if environment.pins:
        with suppress(CannotInstallError):  # an index may lack one of the versions
            checked(step, [*pip, "--constraint", str(environment.pins)])
            return
    checked(step, pip)


def checked(step: str, command: Sequence[str], seconds: float = INSTALL_SECONDS) -> str:
    """What the command prints. Raises `CannotInstallError` if it fails, or does not end."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotInstallError(f"{step}: {error}") from error
    if done.returncode:
        raise CannotInstallError(f"{step}: exit status {done.returncode}: {last_lines(done.stdout + done.stderr)}")
    return done.stdout


def last_lines(text: str) -> str:
    """The end of an output, on one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("WARNING: Location")]
    return " | ".join(lines[-LAST_LINES:]) or "no output"
