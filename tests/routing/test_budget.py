"""The retry budget: a share of the calls of late, and a floor."""

from __future__ import annotations

from shared_core.routing.budget import RetryBudget
from tests.routing.scripted import FakeClock


def spent(budget: RetryBudget) -> int:
    """How many attempts it gives, until there are none."""
    count = 0
    while budget.spend():
        count += 1
    return count


def test_it_begins_with_its_floor() -> None:
    budget = RetryBudget(FakeClock())
    assert budget.left == 100.0
    assert spent(budget) == 100


def test_calls_add_a_fifth() -> None:
    budget = RetryBudget(FakeClock(), per_second=1.0)
    for _ in range(1000):
        budget.earn()
    assert spent(budget) == 10 + 200


def test_a_quiet_route_gets_its_floor_back() -> None:
    clock = FakeClock()
    budget = RetryBudget(clock)
    assert spent(budget) == 100
    clock.pass_(1.0)
    assert spent(budget) == 10
    clock.pass_(1000.0)
    assert spent(budget) == 100


def test_what_calls_added_is_lost_with_time() -> None:
    clock = FakeClock()
    budget = RetryBudget(clock, per_second=0.0)
    for _ in range(1000):
        budget.earn()
    clock.pass_(5.0)
    assert spent(budget) == 100
    for _ in range(1000):
        budget.earn()
    clock.pass_(10.0)
    assert spent(budget) == 0


def test_a_fraction_of_an_attempt_comes_from_both() -> None:
    clock = FakeClock()
    budget = RetryBudget(clock, per_second=0.05, span=10.0)
    for _ in range(3):
        budget.earn()
    assert budget.spend()  # 0.6 that were saved, and 0.4 of the floor's 0.5
    assert not budget.spend()


def test_a_long_outage_under_load_is_not_multiplied() -> None:
    clock = FakeClock()
    budget = RetryBudget(clock)
    retries, calls = 0, 100_000
    for _ in range(calls):
        clock.pass_(0.001)  # a thousand calls a second, all of which fail and would be made again
        budget.earn()
        retries += budget.spend()
    assert retries <= 0.2 * calls + 10 * 100 + 100
