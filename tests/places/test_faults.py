"""Every error that a place is known to answer with becomes the right one of ours, in a stream and not."""

from __future__ import annotations

import pytest

from shared_core import BackendError, ContextLengthError, ToolCallRefusedError, fold
from tests.halves import Half
from tests.places.conftest import Running
from tests.places.faults import Fault
from tests.places.registry import SIMULATORS
from tests.places.under_check import WEATHER, UnderCheck, ask

FAULTS = [(name, fault) for name, kind in SIMULATORS.items() for fault in kind.faults]


@pytest.mark.parametrize(("name", "fault"), FAULTS, ids=str)
def test_a_fault(running: Running, half: Half, name: str, fault: str) -> None:
    kind = SIMULATORS[name]
    at, expected = UnderCheck(running[name, kind.variants[0]], half), kind.faults[fault]
    for call in (half.chat, half.events) if expected.event is None else (half.events,):
        for headers in ({}, {"x-cut": "1"}):
            with pytest.raises(BackendError) as caught:
                call(at.backend(fault, headers=headers), ask())
            _compare(caught.value, expected)
            assert caught.value.backend == kind.name


REFUSED_CALLS = [
    (name, fault) for name, fault in FAULTS if SIMULATORS[name].faults[fault].raises is ToolCallRefusedError
]


@pytest.mark.parametrize(("name", "fault"), REFUSED_CALLS, ids=str)
def test_a_refused_call_is_taken_out_of_the_error_if_it_can_be_used(
    running: Running, half: Half, name: str, fault: str
) -> None:
    at = UnderCheck(running[name, SIMULATORS[name].variants[0]], half)
    backend, request = at.backend(fault), ask("In Paris", tools=(WEATHER,))
    streamed = fold(half.events(backend, request))
    whole = half.chat(backend, request) if SIMULATORS[name].faults[fault].event is None else streamed
    for response in (streamed, whole):
        assert [(call.name, call.arguments) for call in response.tool_calls] == [("get_weather", '{"city":5}')]
        assert response.finish.reason == "tool_calls"


def _compare(error: BackendError, expected: Fault) -> None:
    assert type(error) is expected.raises
    assert expected.says in str(error)
    assert error.retry_after == expected.retry_after
    if expected.code is not None:
        assert error.code == expected.code
    if expected.request_id is not None:
        assert error.request_id == expected.request_id
    if expected.rate_limits is not None:
        assert error.rate_limits == expected.rate_limits
    if isinstance(error, ContextLengthError):
        assert (error.prompt_tokens, error.context_window) == expected.windows
