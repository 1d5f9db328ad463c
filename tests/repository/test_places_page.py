"""docs/places.md: its tables are the code's, and its examples run, at played places."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import warnings
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from place_tables import PAGE, replace_tables, tables
from shared_core import CATALOG, Place, cli
from shared_core.wire.openai import OpenAIWire
from tests.places.litellm import LiteLLM
from tests.places.llama_stack import LlamaStack
from tests.places.ollama import Ollama
from tests.places.simulator import KEY

TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
PLAYED = (LiteLLM, LlamaStack, Ollama)


@pytest.fixture
def _played(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The places of the examples are where nobody's key and address matter."""
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", KEY)
    with ExitStack() as stack:
        for kind in PLAYED:
            place = CATALOG[kind.name]
            monkeypatch.setenv(str(place.url_variable), stack.enter_context(kind()).url)
            monkeypatch.setenv(str(place.key), KEY)
        yield


@pytest.mark.usefixtures("_played")
@pytest.mark.parametrize("code", BLOCKS, ids=lambda code: code.splitlines()[-1][:40])
def test_an_example_runs(code: str) -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), warnings.catch_warnings():
        exec(compile(code, "places.md", "exec"), {"__name__": "places"})  # noqa: S102 - our own page
    rest = printed.getvalue()
    assert bool(rest) is ("print(" in code)
    for text in re.findall(r"^ *print\(.*\)  # (.+)$", code, re.MULTILINE):
        _, found, rest = rest.partition(text)
        assert found, f"{text!r} is not printed (any more), or not here: {printed.getvalue()!r}"


def test_the_tables_are_the_codes() -> None:
    assert replace_tables(TEXT) == TEXT, "run: python scripts/backend_table.py"


@pytest.mark.parametrize("name", tables())
def test_a_page_without_the_marks_of_a_table_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"end of {name}"):
        replace_tables(TEXT.replace(f"<!-- end of {name} -->\n", ""))


def test_every_place_has_its_rows() -> None:
    for name, table in tables().items():
        there = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
        left_out = CATALOG.keys() - set(there)
        assert {place for place in left_out if CATALOG[place].embedding_model} == set()
        assert not left_out or name == "embeddings"


def test_a_table_shows_what_a_row_says(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = OpenAIWire(
        dropped=frozenset({"top_k"}),
        refused=frozenset({"logprobs"}),
        refused_parts=frozenset({"audio"}),
        defaults=(("max_tokens", 7),),
        schema_defaults=(("route", {"strict": True}),),
        schema_with_tools="final_tool",
        streams_schema=False,
        image_urls=False,
        json_object=None,
        grammar="body",
        embed_dimensions=False,
        embed_encoding="base64",
    )
    monkeypatch.setitem(
        CATALOG, "acme", Place("acme", "Acme", "https://a", embedding_model="e", embed_batch=5, wire=wire)
    )
    rows = {name: next(line for line in table.splitlines() if "`acme`" in line) for name, table in tables().items()}
    assert rows["requests"] == "| `acme` | `top_k` | log-probabilities, audio | `max_tokens: 7` | no, bytes only | - |"
    assert rows["formats"] == (
        "| `acme` | `json_schema`, with `route.strict: true` | the final-answer tool | asked for whole | refused "
        "| `grammar` |"
    )
    assert rows["embeddings"] == "| `acme` | `base64` | refused | 5, at most 5 | - |"


@pytest.mark.parametrize("command", re.findall(r"^\$ (multillm .*)$", TEXT, re.MULTILINE))
def test_a_shown_command_is_understood(command: str) -> None:
    cli._parser().parse_args(shlex.split(command, comments=True)[1:])


def test_links_lead_somewhere() -> None:
    anchors = {"docs/places.md": TEXT}
    for link, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", TEXT):
        target = PAGE.parent / link if link else PAGE
        assert target.exists(), link
        text = anchors.setdefault(str(target), target.read_text(encoding="utf-8"))
        headings = [
            re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-")
            for line in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        ]
        assert not anchor or anchor in headings, (link, anchor)


def test_other_pages_lead_here() -> None:
    assert "(docs/places.md)" in (PAGE.parents[1] / "README.md").read_text(encoding="utf-8")
