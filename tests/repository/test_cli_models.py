"""The command `multillm models`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared_core import CATALOG
from shared_core.cli import FAILED, MISUSED, OK, main
from shared_core.models import as_of, known_places
from tests.raw_server import RawServer, Received, Step, serving, whole

KEY = "sk-cli-9876543210"
LISTED = [
    {"id": "meta-llama/Llama-3.3-70B-Instruct-Turbo", "type": "chat"},
    {"id": "new/model", "type": "chat", "context_length": 4096, "pricing": {"input": 0.1, "output": 0.25}},
    {"id": "old/model", "type": "chat", "expiration_date": "2026-01-01"},
    {"id": "soon/gone", "type": "chat", "expiration_date": "9998-01-01", "active": False},
]


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in CATALOG.values():
        for variable in filter(None, (place.key, place.url_variable)):
            monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def place() -> Iterator[RawServer]:
    def answer(request: Received) -> list[Step]:
        if not request.path.endswith("/models"):
            return [whole({"detail": "Not Found"}, 404)]
        if KEY not in request.headers.get("authorization", ""):
            return [whole({"error": {"message": "bad key"}}, 401)]
        return [whole(LISTED)]

    with serving(answer) as server:
        yield server


def lines(capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, str], str]:
    """The rows of the table by the id in them, and what went to standard error."""
    out, err = capsys.readouterr()
    head, *rows = out.splitlines()
    column = head.index(" ID") + 1
    return {row[column:].split()[0]: row for row in rows}, err


def squeezed(row: str) -> str:
    return " ".join(row.split())


def shown(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return rows


# --- without asking ------------------------------------------------------------------------------------------------


def test_all_that_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == OK
    out, err = capsys.readouterr()
    head, *rows = out.splitlines()
    assert squeezed(head) == "PLACE MODEL ID KIND WINDOW OUTPUT $IN $OUT $CACHED CAN STATUS"
    assert list(dict.fromkeys(row.split()[0] for row in rows)) == list(known_places())
    assert err.startswith("multillm: ")
    assert str(as_of()) in err
    assert len(err.splitlines()) == 1


def test_one_place(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "llama-gate", "--known"]) == OK
    rows, _ = lines(capsys)
    assert squeezed(rows["llama-3.1-8b"]) == "llama-3.1-8b llama-3.1-8b chat 131072 8192 0.03 0.05 - tools json"
    assert rows["qwen3-vl-8b"].endswith("tools json images")
    assert rows["nomic-embed-text"].split()[2] == "embedding"


def test_the_retired_come_last_and_say_what_instead(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "cerebras", "--known"]) == OK
    out = capsys.readouterr().out.splitlines()
    retired = ["retired" in row for row in out]
    assert retired == sorted(retired)
    (row,) = (row for row in out if row.startswith("llama-3.1-8b"))
    assert "retired 2026-05-27; instead: " in row
    assert "gpt-oss-120b" in row.partition("instead: ")[2]


def test_ids_that_may_be_gone_are_marked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "groq", "--known"]) == OK
    rows, _ = lines(capsys)
    assert rows["llama-3.3-70b-versatile"].endswith("unconfirmed")
    assert rows["openai/gpt-oss-120b"].endswith("reasoning")


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "cerebras", "--known", "--json"]) == OK
    out, err = capsys.readouterr()
    rows = {row["name"]: row for row in json.loads(out)}
    assert err == ""
    assert rows["llama-3.1-8b"]["retired"] == "2026-05-27"
    assert "gpt-oss-120b" in rows["llama-3.1-8b"]["instead"]
    assert rows["gpt-oss-120b"]["price"] == {"input": 0.35, "output": 0.75, "cached": None}
    assert rows["gpt-oss-120b"]["capabilities"]["tools"] is True
    assert rows["gpt-oss-120b"]["listed"] is None


def test_ids_of_another_api_of_the_place(capsys: pytest.CaptureFixture[str]) -> None:
    url = "https://bedrock-runtime.eu-west-1.amazonaws.com/openai/v1"
    assert main(["models", "bedrock", "--known", "--json", "--base-url", url]) == OK
    assert "openai.gpt-oss-120b-1:0" in {row["id"] for row in shown(capsys)}


@pytest.mark.parametrize("name", ["grok", "vllm", "llama_cpp"])
def test_nothing_known(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main(["models", name, "--known"]) == MISUSED
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"multillm: no models of {name} are known without asking it.")


# --- asking --------------------------------------------------------------------------------------------------------


def test_a_hosted_place_is_asked(
    place: RawServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOGETHER_API_KEY", KEY)
    assert main(["models", "together", "--base-url", place.url]) == OK
    rows, err = lines(capsys)
    assert err == ""
    assert squeezed(rows["new/model"]) == "- new/model chat 4096 - 0.1 0.25 - -"
    assert rows["meta-llama/Llama-3.3-70B-Instruct-Turbo"].split()[0] == "llama-3.3-70b"
    assert "retired" not in rows["meta-llama/Llama-3.3-70B-Instruct-Turbo"], "the place has it"
    assert "retired 2026-01-01; instead: -" in rows["old/model"]
    assert rows["soon/gone"].endswith("inactive, until 9998-01-01")
    assert rows["openai/gpt-oss-120b"].endswith("not listed")
    assert "retired 2026-09-15" in rows["openai/gpt-oss-20b"]
    assert [request.path for request in place.received] == ["/v1/models"]


def test_a_server_of_ones_own_has_what_it_lists(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(lambda _: [whole({"models": [{"name": "llama3.1:8b"}, {"name": "mine:latest"}]})]) as server:
        assert main(["models", "ollama", "--base-url", server.url, "--json"]) == OK
    assert [(row["id"], row["name"], row["listed"]) for row in shown(capsys)] == [
        ("llama3.1:8b", "llama-3.1-8b", True),
        ("mine:latest", None, True),
    ]


def test_an_empty_server(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(lambda _: [whole({"data": None})]) as server:
        assert main(["models", "vllm", "--base-url", server.url]) == OK
    out, err = capsys.readouterr()
    assert out.startswith("MODEL")
    assert err == "multillm: vllm lists no models.\n"


# --- what goes wrong -----------------------------------------------------------------------------------------------


def test_a_missing_key_is_told_and_what_is_known_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "groq"]) == MISUSED
    rows, err = lines(capsys)
    assert "openai/gpt-oss-120b" in rows
    assert "GROQ_API_KEY" in err
    assert err.endswith(f"Printed is what was known on {as_of()}.\n")
    assert len(err.splitlines()) == 1


def test_a_refused_key_is_not_shown(
    place: RawServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOGETHER_API_KEY", "sk-another-key")
    assert main(["models", "together", "--base-url", place.url]) == FAILED
    out, err = capsys.readouterr()
    assert "bad key" in err
    assert "sk-another-key" not in out + err


def test_a_server_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "ollama", "--base-url", "http://127.0.0.1:9/v1"]) == FAILED
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "Is Ollama running there?" in err


def test_a_place_without_a_list(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LLAMAGATE_API_KEY", KEY)
    with serving(lambda _: [whole({"error": {"message": "no such route"}}, 404)]) as server:
        assert main(["models", "llamagate", "--base-url", server.url]) == FAILED
    rows, err = lines(capsys)
    assert "llama-3.1-8b" in rows
    assert err.startswith(f"multillm: llamagate has no list of models at {server.url}/models.")


@pytest.mark.parametrize(
    ("name", "said"), [("grok", "Did you mean 'groq'?"), ("llama-cpp", "llama_cpp has no list of models")]
)
def test_names_without_a_list(capsys: pytest.CaptureFixture[str], name: str, said: str) -> None:
    assert main(["models", name]) == MISUSED
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err


def test_a_backend_from_elsewhere_that_cannot_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    info = tmp_path / "lister-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: lister\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[multillm.backends]\nmute = lister_backends:Mute\nlister = lister_backends:Lister\n"
    )
    (tmp_path / "lister_backends.py").write_text(
        "from shared_core import ListedModel\n"
        "class Mute:\n    name = 'mute'\n    def __init__(self, **options): pass\n"
        "class Lister(Mute):\n    name = 'lister'\n    def models(self): return [ListedModel('own', 5)]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["models", "mute"]) == MISUSED
    assert "mute has no list of models to ask for" in capsys.readouterr().err
    assert main(["models", "lister", "--json"]) == OK
    assert [(row["place"], row["id"], row["context_window"]) for row in shown(capsys)] == [("lister", "own", 5)]
