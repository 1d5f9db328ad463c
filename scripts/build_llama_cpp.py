"""Prints the path of a llama-cpp-python wheel made for this machine, compiling it only if there is none yet.

usage: python scripts/build_llama_cpp.py            (any Python 3.11+ with pip; standard library only)

The wheel is kept in $XDG_CACHE_HOME/multillm/wheels (else ~/.cache/multillm/wheels), in a folder that names everything
its machine code depends on: version, build options, processor, C library. It is tagged py3-none, so it serves every
Python. Further options, such as those for a GPU, are taken from CMAKE_ARGS.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

VERSION = "0.3.36"
TRIM = Path(__file__).resolve().with_name("llama_cpp_trim.cmake")
_CPUINFO = Path("/proc/cpuinfo")
# What the compiler looks at for a native build; the other lines of /proc/cpuinfo (MHz, ids) change between boots.
_CPU_FIELDS = ("vendor_id", "cpu family", "model", "model name", "flags", "CPU implementer", "CPU part", "Features")
_COMPILERS = ("c++", "g++", "clang++")


def main() -> int:
    """Print the wheel's path on stdout, all else on stderr; 1 if it cannot be built."""
    folder = cache_folder(os.environ) / wheel_key(os.environ)
    found = find_wheel(folder)
    if found is None:
        found = build(folder)
    if found is None:
        return 1
    print(found)
    return 0


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where wheels are kept between runs."""
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "multillm" / "wheels"


def wheel_key(environ: Mapping[str, str]) -> str:
    """A folder name that differs wherever the wheel would: version, options, processor, C library."""
    parts = (TRIM.read_text(), environ.get("CMAKE_ARGS", ""), _processor(), *platform.libc_ver())
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    return f"llama_cpp_python-{VERSION}-{sysconfig.get_platform()}-{digest}"


def _processor() -> str:
    if _CPUINFO.is_file():
        return read_cpuinfo(_CPUINFO.read_text())
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return platform.processor()


def read_cpuinfo(text: str) -> str:
    """The lines of one processor that say what it can do."""
    first = text.partition("\n\n")[0].splitlines()
    return "\n".join(line for line in first if line.partition(":")[0].strip() in _CPU_FIELDS)


def find_wheel(folder: Path) -> Path | None:
    """The wheel in the folder, if it has one."""
    return next(iter(sorted(folder.glob("llama_cpp_python-*.whl"))), None)


def build(folder: Path) -> Path | None:
    """Compile the wheel and put it into the folder; `None`, with a message, if that fails."""
    if not _has_compiler():
        _say("llama-cpp-python is compiled here, and there is no C++ compiler. Install one (Debian: apt install g++).")
        return None
    _say(f"compiling llama-cpp-python {VERSION} for this machine, once: about 90 s on two cores...")
    start = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    # Built beside its final place and then renamed: a wheel that is there is whole, whoever else builds meanwhile.
    with tempfile.TemporaryDirectory(dir=folder) as made:
        if subprocess.run(_pip_command(made), env=_environment(os.environ), stdout=sys.stderr, check=False).returncode:
            _say("the build failed: see the messages above.")
            return None
        wheel = next(Path(made).glob("*.whl"))
        kept = Path(shutil.move(wheel, folder / wheel.name))
    _say(f"done in {time.monotonic() - start:.0f} s; kept as {kept}")
    return kept


def _has_compiler() -> bool:
    return bool(os.environ.get("CXX")) or any(shutil.which(name) for name in _COMPILERS) or sys.platform == "win32"


def _pip_command(target: str) -> Sequence[str]:
    # No cache: pip's own is keyed by the source alone, and may hold a wheel with other options or for another machine.
    options = ["--quiet", "--no-deps", "--no-cache-dir", "--no-binary=llama-cpp-python", f"--wheel-dir={target}"]
    return [sys.executable, "-m", "pip", "wheel", *options, f"llama-cpp-python=={VERSION}"]


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    trimmed = f"-DLLAVA_BUILD=OFF -DCMAKE_PROJECT_llama.cpp_INCLUDE={shlex.quote(TRIM.as_posix())}"
    arguments = f"{trimmed} {environ.get('CMAKE_ARGS', '')}".rstrip()
    cores = str(os.cpu_count() or 1)
    return {"CMAKE_BUILD_PARALLEL_LEVEL": cores, **environ, "CMAKE_ARGS": arguments}


def _say(text: str) -> None:
    print(f"build_llama_cpp: {text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
