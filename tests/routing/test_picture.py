"""What a route shows of itself: to a notebook, and to whoever gets its answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from shared_core import Hedged, Router, TargetStatus
from shared_core.routing.picture import picture
from tests.halves import Half, half_named
from tests.routing.answering import HI, places, refuses, says, vllm

KEY = "sk-picture-0123456789"
IDLE = ["a/m", "closed", "0", "0", "0", "", ""]
_IDLE = TargetStatus("a/m", "closed", 0.0, 0, 0, 0, None, None)


@pytest.fixture(params=["sync", "async"])
def half(request: pytest.FixtureRequest) -> Iterator[Half]:
    with half_named(request.param) as running:
        yield running


class _Cells(HTMLParser):
    """The texts of a table's cells, and all tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag == "td":
            self.texts.append("")

    def handle_data(self, data: str) -> None:
        if self.texts:
            self.texts[-1] += data


def test_a_table_has_a_line_for_each_target() -> None:
    with places(refuses(500, f"no <b>luck</b> with {KEY}"), says("Yes.")) as (bad, good):
        route = Router([vllm(bad, api_key=KEY), vllm(good, "<script>m</script>")], retries=0)
        assert route.chat(HI).text == "Yes."
        html = route._repr_html_()
    cells = _Cells(html)
    assert cells.tags == {"table", "thead", "tbody", "tr", "th", "td"}
    assert KEY not in html
    first, second = cells.texts[:7], cells.texts[7:]
    assert (first[0], first[1][:6], first[2:6]) == ("vllm/m", "paused", ["1", "1", "0", ""])
    assert "no <b>luck</b> with ***" in first[6]
    assert second[:5] == ["vllm/<script>m</script>", "closed", "1", "0", "0"]
    assert re.fullmatch(r"[\d.e-]+ s", second[5])
    assert second[6] == ""
    assert _Cells(Hedged(route)._repr_html_()).texts[::7] == [first[0], second[0]]


def test_a_target_that_is_left_alone_says_for_how_long() -> None:
    status = TargetStatus("a/m", "open", 12.3, 2, 5, 4, 0.25, "x" * 500)
    cells = _Cells(picture([status, _IDLE, replace(_IDLE, ready_in=2.0)])).texts
    assert cells[15] == "paused for 2 s"
    assert cells[:14] == ["a/m", "open for 12.3 s", "5", "4", "2", "0.25 s", "x" * 200 + "...", *IDLE]


def test_an_answer_of_a_route_in_a_route_tells_of_both(half: Half) -> None:
    with places(refuses(503), refuses(500), says("Yes.")) as (one, two, three):
        inner = Router([vllm(two, "b"), vllm(three, "c")], retries=0)
        answer = half.chat(Router([vllm(one, "a"), inner], retries=0), HI)
    attempts = answer.finish.metadata["attempts"]
    assert [attempt["target"] for attempt in attempts] == ["vllm/a", "router/b, c"]
    assert [attempt["target"] for attempt in attempts[1]["attempts"]] == ["vllm/b", "vllm/c"]
    assert "attempts" not in attempts[0]
