"""A thousand calls in simulated time, against places that count as the real ones do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared_core import Limits, Router, connect
from tests.routing.quotas import (
    Bucket,
    Clock,
    Fixed,
    Limited,
    Simulation,
    like_cerebras,
    like_groq,
    like_together,
    silent,
    status,
)

CALLS = 1000
PLACES: dict[str, tuple[str, Callable[[], Limited], Limits | None, float]] = {
    # and the seconds that 1,000 calls need there at least
    "groq": ("groq", lambda: Limited(Bucket(300, 60), Bucket(40_000, 60), like_groq), None, 140),
    "groq, a day": ("groq", lambda: Limited(Bucket(1200, 86_400), Bucket(30_000, 60), like_groq), None, 150),
    "cerebras": ("cerebras", lambda: Limited(Fixed(300, 60), Fixed(60_000, 60), like_cerebras), None, 120),
    "cerebras, tokens": ("cerebras", lambda: Limited(Fixed(900, 60), Fixed(30_000, 60), like_cerebras), None, 120),
    "together": ("together", lambda: Limited(Fixed(10, 1), Fixed(3000, 1), like_together), None, 100),
    "silent": ("vllm", lambda: Limited(Fixed(300, 60), Fixed(60_000, 60), silent), Limits(300, 60_000), 180),
}


def simulation(place: Limited, name: str, limits: Limits | None = None, **settings: Any) -> Simulation:
    clock = Clock()
    route = Router([connect(f"{name}/m", api_key="k")], clock=clock, limits=limits, retries=5)
    return Simulation(route, place, clock, **settings)


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize(
    ("late", "seconds"),
    [(False, (0.05, 0.2)), (True, (0.5, 2.0)), (False, (3.0, 20.0))],
    ids=["quick", "usual, headers last", "slow"],
)
def test_a_thousand_calls_at_once_are_hardly_ever_refused(name: str, late: bool, seconds: tuple[float, float]) -> None:
    place, make, limits, least = PLACES[name]
    run = simulation(make(), place, limits, seconds=seconds, late_headers=late)
    began = run.clock.now
    run.run(CALLS)
    assert run.errors == []
    assert run.place.answered == CALLS
    assert run.place.refused <= CALLS // 100
    assert run.clock.now - began < 1.6 * least + 3 * seconds[1]  # and nobody waited in vain


def test_first_come_first_served() -> None:
    """Within the seconds that those in line sleep: the calls of each minute are those that came first."""
    run = simulation(PLACES["silent"][1](), "vllm", Limits(300, 60_000))
    run.run(900)
    for minute in range(3):
        assert set(run.order[minute * 300 : minute * 300 + 300]) == set(range(minute * 300, minute * 300 + 300))


def test_calls_that_come_slowly_do_not_wait() -> None:
    run = simulation(PLACES["groq"][1](), "groq")
    began = run.clock.now
    run.run(200, every=0.5, answer=20, bound=20)
    assert run.place.refused == 0
    assert run.clock.now - began < 200 * 0.5 + 3


def test_without_limits_they_are_refused() -> None:
    """What the others would look like: the place is as strict as they need it to be."""
    run = simulation(PLACES["groq"][1](), "groq", Limits(learn=False))
    run.run(CALLS)
    assert run.place.refused > CALLS // 10
    assert status(run.route).requests_left is None
