"""A route keeps answering while one of its targets does, says what failed when none does, and never passes off less."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from shared_core import AllBackendsFailedError, BackendTimeoutError, Router, connect
from shared_core.routing import in_order
from tests.halves import Half
from tests.routing.fault_calls import LONG, SHORT, Came, Clock, ask, playing, target, targets
from tests.routing.fault_server import DRIP, FAULTS, HEALTHY, Fault, FaultServer, Mode
from tests.routing.fault_speech import TEXT

CASES = [(fault, mode) for fault in FAULTS.values() for mode in fault.modes]


def said_before(fault: Fault, mode: Mode) -> str:
    """What the caller has seen of the answer when the fault strikes."""
    return fault.said if mode == "stream" else ""


def of_all(cases: Iterable[tuple[Fault, Mode]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("fault", "mode"), [pytest.param(fault, mode, id=f"{fault.name}-{mode}") for fault, mode in cases]
    )


every_fault = of_all(CASES)
every_fault_before_text = of_all(case for case in CASES if case[1] in case[0].error and not said_before(*case))


def check(came: Came, fault: Fault, mode: Mode, *, faulty: FaultServer, healthy: FaultServer) -> None:
    """What must come of a route that meets the fault, and has a healthy target after it."""
    once = 0 if fault.refused else 1
    if mode not in fault.error:
        assert came == Came(TEXT)
        assert (faulty.requests, healthy.requests) == (1, 0)
    elif said_before(fault, mode):
        assert came.text == fault.said
        assert type(came.error) is fault.error[mode]
        assert (faulty.requests, healthy.requests) == (1, 0)
    else:
        assert came == Came(TEXT)
        assert (faulty.requests, healthy.requests) == (once, 1)


# --- the table -----------------------------------------------------------------------------------------------------


@every_fault
def test_first_target(half: Half, fault: Fault, mode: Mode) -> None:
    with playing(fault, HEALTHY) as (faulty, healthy):
        route = Router(targets([faulty, healthy], mode), policy=in_order, retries=0)
        came = ask(half, route, mode)
        check(came, fault, mode, faulty=faulty, healthy=healthy)


@every_fault
def test_second_target(half: Half, fault: Fault, mode: Mode) -> None:
    with playing(FAULTS["503"], fault, HEALTHY) as (broken, faulty, healthy):
        route = Router(targets([broken, faulty, healthy], mode), policy=in_order, retries=0)
        came = ask(half, route, mode)
        check(came, fault, mode, faulty=faulty, healthy=healthy)
        assert broken.requests == 1


@every_fault
def test_second_target_behind_a_healthy_one(half: Half, fault: Fault, mode: Mode) -> None:
    with playing(HEALTHY, fault) as (healthy, faulty):
        route = Router(targets([healthy, faulty], mode), policy=in_order, retries=0)
        assert ask(half, route, mode) == Came(TEXT)
        assert (healthy.requests, faulty.requests) == (1, 0)


@every_fault
def test_all_targets(half: Half, fault: Fault, mode: Mode) -> None:
    with playing(fault, fault) as (first, second):
        came = ask(half, Router(targets([first, second], mode), policy=in_order, retries=0), mode)
        if mode not in fault.error:
            assert came == Came(TEXT)
        elif said := said_before(fault, mode):
            assert (came.text, type(came.error)) == (said, fault.error[mode])
        else:
            assert came.text == ""
            assert isinstance(came.error, AllBackendsFailedError)
            assert [type(error) for error in came.error.errors] == [fault.error[mode]] * 2
            assert "sk-test" not in str(came.error)
        asked = 0 if fault.refused else 1
        assert first.requests == asked
        assert second.requests == (asked if isinstance(came.error, AllBackendsFailedError) else 0)


@every_fault
def test_only_target(half: Half, fault: Fault, mode: Mode) -> None:
    with playing(fault) as servers:
        came = ask(half, Router(targets(servers, mode), retries=0), mode)
        assert came.text == (said_before(fault, mode) if mode in fault.error else TEXT)
        assert type(came.error) is fault.error.get(mode, type(None))


@every_fault
def test_ollamas_own_words(half: Half, fault: Fault, mode: Mode) -> None:
    with playing(fault, HEALTHY) as (faulty, healthy):
        both = [target(one, mode, "ollama") for one in (faulty, healthy)]
        came = ask(half, Router(both, policy=in_order, retries=0), mode)
        check(came, fault, mode, faulty=faulty, healthy=healthy)


@every_fault_before_text
def test_the_next_call_does_not_meet_the_fault_again(half: Half, fault: Fault, mode: Mode) -> None:
    with playing(fault, HEALTHY) as (faulty, healthy):
        route = Router(targets([faulty, healthy], mode), policy=in_order, retries=0, clock=Clock())
        assert [ask(half, route, mode) for _ in range(2)] == [Came(TEXT)] * 2
        assert (faulty.requests, healthy.requests) == (0 if fault.refused else 1, 2)


# --- bounds of the route's own -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["black_hole", "slow_first_token", "drip"])
def test_a_late_first_token_is_waited_for_elsewhere(half: Half, name: str) -> None:
    fault = DRIP if name == "drip" else FAULTS[name]
    with playing(fault, HEALTHY) as (faulty, healthy):
        patient = [connect("vllm", model="m", base_url=one.url, timeout=LONG) for one in (faulty, healthy)]
        route = Router(patient, policy=in_order, retries=0, first_token_timeout=SHORT)
        assert ask(half, route, "stream") == Came(TEXT)
        assert (faulty.requests, healthy.requests) == (1, 1)


def test_a_stream_that_stalls_ends_with_what_came(half: Half) -> None:
    with playing(FAULTS["stall"], HEALTHY) as (faulty, healthy):
        patient = [connect("vllm", model="m", base_url=one.url, timeout=LONG) for one in (faulty, healthy)]
        route = Router(patient, policy=in_order, retries=0, chunk_timeout=SHORT)
        came = ask(half, route, "stream")
        assert (came.text, type(came.error)) == (FAULTS["stall"].said, BackendTimeoutError)
        assert healthy.requests == 0


@pytest.mark.parametrize("mode", ["chat", "stream"])
@pytest.mark.parametrize("fault", [FAULTS["black_hole"], FAULTS["slow_first_token"], DRIP], ids=lambda one: one.name)
def test_the_deadline_bounds_all_attempts_together(half: Half, fault: Fault, mode: Mode) -> None:
    with playing(fault, fault) as servers:
        patient = [connect("vllm", model="m", base_url=one.url, timeout=LONG) for one in servers]
        came = ask(half, Router(patient, policy=in_order, deadline=SHORT), mode)
        assert came.text == ""
        assert isinstance(came.error, BackendTimeoutError | AllBackendsFailedError)
