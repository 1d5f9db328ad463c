"""The estimate of a target's latency: up at once, down with time, fading when it is left alone."""

from __future__ import annotations

import math

import pytest

from shared_core.routing.latency import PeakEwma
from tests.routing.scripted import FakeClock


def test_a_target_that_was_never_tried_has_none() -> None:
    assert PeakEwma(FakeClock()).seconds == 0.0


def test_a_peak_is_believed_at_once() -> None:
    clock = FakeClock()
    latency = PeakEwma(clock)
    for seconds in (0.2, 3.0):
        latency.add(seconds)
        assert latency.seconds == seconds


def test_a_better_sample_counts_by_the_time_since_the_last() -> None:
    clock = FakeClock()
    latency = PeakEwma(clock, decay=10.0)
    latency.add(4.0)
    latency.add(1.0)
    assert latency.seconds == pytest.approx(4.0)  # no time passed: nothing says that it is over
    clock.pass_(10.0)
    latency.add(1.0)
    faded = 4.0 * math.exp(-0.1)
    assert latency.seconds == pytest.approx(1.0 + (faded - 1.0) * math.exp(-1.0))


def test_left_alone_it_fades_ten_times_slower() -> None:
    clock = FakeClock()
    latency = PeakEwma(clock, decay=10.0)
    latency.add(4.0)
    clock.pass_(100.0)
    assert latency.seconds == pytest.approx(4.0 / math.e)


def test_it_settles_on_what_is_usual() -> None:
    clock = FakeClock()
    latency = PeakEwma(clock)
    latency.add(30.0)  # the first call had a model to load
    for _ in range(100):
        clock.pass_(1.0)
        latency.add(0.5)
    assert latency.seconds == pytest.approx(0.5, rel=0.01)
