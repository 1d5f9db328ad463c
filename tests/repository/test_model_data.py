"""The package's data on models is what the script makes of the sources, and the script refuses wrong ones."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

import build_models


def sources() -> Any:
    return json.loads(build_models.SOURCES.read_text(encoding="utf-8"))


def test_the_data_is_what_the_script_writes() -> None:
    written = build_models.render(build_models.build(sources()))
    assert build_models.DATA.read_text(encoding="utf-8") == written, "run: python scripts/build_models.py"
    assert json.loads(written) == build_models.build(sources())


def test_every_row_says_where_it_comes_from() -> None:
    given = sources()
    used = {row["source"] for place in given["places"].values() for row in place["models"].values()}
    assert used == set(given["sources"])
    assert set(given["unconfirmed"]) <= used
    assert date.fromisoformat(given["date"]) <= datetime.now(UTC).date()


def test_provenance_stays_with_the_sources() -> None:
    data = build_models.build(sources())
    rows = [row for place in data["places"].values() for row in place["models"].values()]
    assert not any("source" in row for row in rows)
    assert {row["confirmed"] for row in rows if "confirmed" in row} == {False}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kimi": {"id": "k", "source": "prices", "cost": 3}}, r"groq: kimi has unknown fields: \['cost'\]"),
        ({"kimi": {"id": "k", "source": "hearsay"}}, "groq: kimi names no known source: 'hearsay'"),
        ({"kimi": {"id": "k", "source": "prices", "input_price": -1}}, "groq: kimi has impossible numbers"),
        ({"kimi": {"id": "k", "source": "prices", "retired": "soon"}}, "Invalid isoformat"),
        ({"kimi": {"id": "openai/gpt-oss-20b", "source": "prices"}}, "groq has ids of two models"),
        ({"kimi": {"id": "gpt-oss-20b", "source": "prices"}}, r"groq has ids that are other models' names: \['kimi'\]"),
        ({"kimi": {"id": "openai/GPT-OSS:20B", "source": "prices"}}, r"same in two spellings: \['gpt-oss-20b'\]"),
        ({"kimi": {"id": "llama-v3p3-70b", "source": "prices"}}, "have the same id in two spellings"),
        ({"Llama3.1:8B": {"id": "x", "source": "prices"}}, "are the same name in two spellings"),
    ],
)
def test_wrong_sources_are_refused(change: dict[str, Any], said: str) -> None:
    given = sources()
    given["places"]["groq"]["models"].update(change)
    with pytest.raises(ValueError, match=said):
        build_models.build(given)
