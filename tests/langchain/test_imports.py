"""Importing the package loads nothing heavy; it is counted in modules, because clocks on shared machines lie."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("llama_index", "llama_cpp", "numpy", "openai", "torch", "transformers", "httpx", "jinja2", "aiohttp")


def modules_after(code: str) -> set[str]:
    """Names of the modules that a fresh interpreter has loaded after `code`."""
    program = f"{code}\nimport sys; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def test_the_package_itself_loads_next_to_nothing() -> None:
    core = modules_after("import langchain_core.language_models")
    ours = modules_after("import langchain_core.language_models, langchain_multillm")
    assert ours - core <= {"langchain_multillm", "importlib", "importlib._bootstrap"}


@pytest.mark.parametrize("name", ["ChatLlama", "LlamaEmbeddings"])
def test_the_classes_load_neither_sdks_nor_the_other_framework(name: str) -> None:
    core = modules_after("from langchain_core.language_models import BaseChatModel")
    ours = modules_after(f"from langchain_multillm import {name}")
    new = {module.partition(".")[0] for module in ours - core}
    assert not new & set(HEAVY)
    assert "llamaindex_multillm" not in new
    assert len([module for module in ours - core if not module.startswith(("langchain_", "shared_core"))]) < 60


def test_what_the_package_offers() -> None:
    import langchain_multillm

    assert {"ChatLlama", "LlamaEmbeddings"} <= set(dir(langchain_multillm))
    assert all(getattr(langchain_multillm, name) for name in langchain_multillm.__all__)
    with pytest.raises(AttributeError, match="Nonsense"):
        _ = langchain_multillm.Nonsense
