"""The published comparison says what was measured, and of every fault what it is."""

from __future__ import annotations

from pathlib import Path

from benchmarks.cases import SCRIPTS, cases, outcome_of
from benchmarks.contestants import CONTESTANTS
from benchmarks.faults import DOCUMENT, PATIENCE, TIMEOUT
from benchmarks.report import ABOUT, GROUPS, report
from benchmarks.results import keep, kept
from tests.routing.fault_speech import SAID, TEXT

TITLES = [one.title for one in CONTESTANTS]


def test_the_page_is_what_was_measured() -> None:
    measured = kept(TITLES)
    assert [one.title for one in measured] == TITLES
    assert DOCUMENT.read_text() == report(measured, timeout=TIMEOUT, patience=PATIENCE)


def test_every_library_was_put_through_every_case_it_can_be_called_for() -> None:
    for one in kept(TITLES):
        assert set(one.outcomes) == {case for case in cases() if (case.mode, case.half) not in one.lacks}


def test_measuring_one_library_again_leaves_the_others(tmp_path: Path) -> None:
    first, *others = kept(TITLES)
    file = tmp_path / "results.json"
    keep([first, *others], file)
    first.day = "2030-01-01"
    keep([first], file)
    assert [one.day for one in kept(TITLES, file)] == ["2030-01-01", *(one.day for one in others)]
    assert [one.outcomes for one in kept(TITLES, file)] == [one.outcomes for one in (first, *others)]


def test_every_fault_is_explained_and_every_case_asks_a_question() -> None:
    assert set(ABOUT) == {fault.name for fault in SCRIPTS}
    assert {case.group for case in cases()} == set(GROUPS)
    assert all(case.best == GROUPS[case.group] for case in cases())


def test_what_counts_as_what() -> None:
    assert outcome_of(TEXT, None) == "answered"
    assert outcome_of(SAID, None) == outcome_of("", None) == "wrong"
    assert outcome_of(TEXT + TEXT, None) == outcome_of(SAID + TEXT, "Error") == "wrong"
    assert outcome_of(SAID, "Error") == outcome_of("", "Error") == "error"
