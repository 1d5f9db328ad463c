"""Finds the model file that a name means."""

from __future__ import annotations

import os
from collections.abc import Iterator
from difflib import get_close_matches
from itertools import chain, islice
from pathlib import Path

from shared_core.errors import ModelFileError

SUFFIX = ".gguf"
DEMO_MODEL = Path(__file__).with_name("demo_model.gguf")
DIRECTORY_VARIABLE = "LLAMA_CPP_MODEL_DIR"
DEFAULT_DIRECTORY = "~/llama_models"
_MOST_LISTED = 8
_MOST_WALKED = 10_000


def find_model(name: str | None, model_dir: str | os.PathLike[str] | None = None) -> Path:
    """The file of the model `name`: an absolute path, or a name (".gguf" optional) below the model directory.

    The directory is `model_dir`, else `LLAMA_CPP_MODEL_DIR`, else ~/llama_models. Without a name it is the bundled
    demo model. Raises `ModelFileError`, which lists where it looked and near names.
    """
    if name is None:
        return DEMO_MODEL
    given = Path(name).expanduser()
    directory = model_directory(model_dir)
    candidates = list(_spellings(given if given.is_absolute() else directory / given))
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    found = [] if given.is_absolute() else _below(directory, given)
    if len(found) == 1:
        return found[0]
    raise ModelFileError(_not_found(name, candidates, found, given.parent if given.is_absolute() else directory))


def model_directory(model_dir: str | os.PathLike[str] | None = None) -> Path:
    """Where names are looked up."""
    chosen = model_dir or os.environ.get(DIRECTORY_VARIABLE) or DEFAULT_DIRECTORY
    return Path(chosen).expanduser().absolute()


def _spellings(path: Path) -> Iterator[Path]:
    yield path
    if path.suffix.lower() != SUFFIX:
        yield path.with_name(path.name + SUFFIX)


def _below(directory: Path, name: Path) -> list[Path]:
    wanted = {spelling.name for spelling in _spellings(name)} if len(name.parts) == 1 else set()
    return [path for path in _models(directory) if path.name in wanted]


def _models(directory: Path) -> list[Path]:
    below = chain(directory.glob("*"), directory.glob("*/**/*"))
    return sorted(path for path in islice(below, _MOST_WALKED) if path.suffix.lower() == SUFFIX)


def _not_found(name: str, looked: list[Path], found: list[Path], directory: Path) -> str:
    if any(path.is_dir() for path in looked):
        return f"the model {name!r} is a directory; name a {SUFFIX} file in it{_listing(_models(looked[0]))}"
    if found:
        return f"several models are called {name!r}: {_names(found)}. Give the path of one of them"
    where = ", ".join(str(path) for path in looked)
    return f"no model file {name!r}: looked for {where}. {_advice(name, directory)}"


def _advice(name: str, directory: Path) -> str:
    if not directory.is_dir():
        return f"The directory {directory} does not exist: set {DIRECTORY_VARIABLE}, or give model_dir or a full path"
    models = _models(directory)
    near = get_close_matches(Path(name).name.removesuffix(SUFFIX), {path.stem for path in models}, n=3, cutoff=0.5)
    if near:
        return f"Near names there: {_names([path for path in models if path.stem in near])}"
    return f"{directory} has{_listing(models) or ' no models'}"


def _listing(models: list[Path]) -> str:
    return f": {_names(models)}" if models else ""


def _names(models: list[Path]) -> str:
    shown = ", ".join(str(path) for path in models[:_MOST_LISTED])
    return shown + (f" and {len(models) - _MOST_LISTED} more" if len(models) > _MOST_LISTED else "")
