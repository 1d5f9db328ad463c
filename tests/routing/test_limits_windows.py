"""Windows of requests and tokens: when they have room, by what was set and by what places tell."""

from __future__ import annotations

import math
from operator import attrgetter

import pytest

from shared_core import RateLimit
from shared_core.routing.windows import LearnedWindow, SlidingWindow, Use
from tests.routing.quotas import Clock

TOKENS = attrgetter("tokens")


@pytest.fixture
def clock() -> Clock:
    return Clock()


def use(clock: Clock, tokens: float, number: int = 1) -> Use:
    return Use(number, clock.now, tokens, tokens)


class TestSliding:
    @pytest.fixture
    def window(self, clock: Clock) -> SlidingWindow:
        return SlidingWindow(TOKENS, clock, 100.0)

    def test_no_span_has_more_than_the_limit(self, window: SlidingWindow, clock: Clock) -> None:
        window.take(use(clock, 60.0))
        clock.now += 10
        assert window.ready_in(40.0, 0.0) == 0.0
        window.take(use(clock, 40.0))
        assert window.ready_in(60.0, 0.0) == 50.0
        assert window.ready_in(61.0, 0.0) == 60.0
        clock.now += 50
        assert (window.ready_in(60.0, 0.0), window.left) == (0.0, 60.0)

    def test_those_ahead_come_first(self, window: SlidingWindow, clock: Clock) -> None:
        window.take(use(clock, 50.0))
        assert window.ready_in(20.0, 30.0) == 0.0
        assert window.ready_in(20.0, 31.0) == 60.0
        assert window.ready_in(20.0, 180.0) == 120.0  # the window after the next

    def test_a_cost_beyond_the_limit_needs_an_empty_window(self, window: SlidingWindow, clock: Clock) -> None:
        assert window.ready_in(1000.0, 0.0) == 0.0
        window.take(use(clock, 1.0))
        assert window.ready_in(1000.0, 0.0) == 60.0

    def test_a_correction_counts_as_long_as_the_use_does(self, window: SlidingWindow, clock: Clock) -> None:
        spent = use(clock, 100.0)
        window.take(spent)
        window.correct(spent, -70.0)
        spent.tokens = 30.0
        assert window.left == 70.0
        clock.now += 60
        assert window.left == 100.0
        window.correct(spent, 5.0)
        assert window.left == 100.0


class TestLearned:
    @pytest.fixture
    def window(self, clock: Clock) -> LearnedWindow:
        return LearnedWindow(TOKENS, clock)

    def tell(
        self,
        window: LearnedWindow,
        clock: Clock,
        remaining: int | None,
        reset: float | None,
        *,
        limit: int | None = 100,
        spent: float = 0.0,
        number: int = 1,
    ) -> None:
        window.learn(use(clock, 1.0, number), RateLimit(limit, remaining, reset), clock.now, spent)

    def test_calls_since_then_are_deducted(self, window: LearnedWindow, clock: Clock) -> None:
        self.tell(window, clock, 50, 30.0, spent=20.0)
        assert window.left == 30.0
        window.take(use(clock, 25.0, 2))
        assert (window.left, window.ready_in(5.0, 0.0), window.ready_in(6.0, 0.0)) == (5.0, 0.0, 30.0)

    def test_an_older_answer_tells_nothing(self, window: LearnedWindow, clock: Clock) -> None:
        self.tell(window, clock, 10, 30.0, number=5)
        self.tell(window, clock, 90, 30.0, number=4)
        assert window.left == 10.0

    def test_only_what_the_place_had_not_counted_is_corrected(self, window: LearnedWindow, clock: Clock) -> None:
        before, after = use(clock, 10.0, 1), use(clock, 10.0, 3)
        self.tell(window, clock, 50, 30.0, number=2)
        window.correct(before, -5.0)
        window.correct(after, -5.0)
        assert window.left == 55.0

    def test_of_a_new_window_a_share_is_used_until_it_told(self, window: LearnedWindow, clock: Clock) -> None:
        self.tell(window, clock, 0, 30.0)
        assert window.ready_in(10.0, 5.0) == pytest.approx(30 + 5 / 0.98 * 0.6, rel=0.01)
        clock.now += 30
        assert (window.left, window.ready_in(50.0, 0.0)) == (10.0, 0.0)  # one goes, whatever it costs
        window.take(use(clock, 50.0, 2))
        assert window.ready_in(1.0, 0.0) == pytest.approx(41 / 0.98 * 0.6)
        self.tell(window, clock, 40, 29.0, number=2)
        assert window.ready_in(30.0, 10.0) == 0.0

    def test_what_was_left_is_not_lost_at_the_reset(self, window: LearnedWindow, clock: Clock) -> None:
        self.tell(window, clock, 80, 10.0)
        clock.now += 1000
        assert window.left == 100.0

    def test_a_look_after_a_minute(self, window: LearnedWindow, clock: Clock) -> None:
        self.tell(window, clock, 0, 7200.0)
        clock.now += 59
        assert window.ready_in(1.0, 0.0) == 7141.0
        clock.now += 1
        assert (window.ready_in(1.0, 0.0), window.ready_in(1.0, 1.0) > 0.0) == (0.0, True)
        window.take(use(clock, 1.0, 2))
        assert window.ready_in(1.0, 0.0) == 7140.0

    def test_a_bucket_shows_by_its_constant_speed(self, window: LearnedWindow, clock: Clock) -> None:
        for number, remaining in enumerate((90, 80, 60, 0)):  # 2 a second
            self.tell(window, clock, remaining, (100 - remaining) / 2, number=number)
        assert window.ready_in(10.0, 0.0) == pytest.approx(5 / 0.98)
        clock.now += 10
        assert window.left == pytest.approx(20 * 0.98)

    def test_what_changes_its_speed_is_no_bucket(self, window: LearnedWindow, clock: Clock) -> None:
        for number, remaining in enumerate((90, 80, 60, 20)):
            self.tell(window, clock, remaining, 30.0 - number, number=number)
        clock.now += 10
        assert window.left == 20.0

    def test_a_bucket_that_refuses_is_doubted(self, window: LearnedWindow, clock: Clock) -> None:
        for number, remaining in enumerate((90, 80, 60, 0)):
            self.tell(window, clock, remaining, (100 - remaining) / 2, number=number)
        window.shut(20.0)
        clock.now += 10
        assert (window.left, window.ready_in(1.0, 0.0)) == (0.0, 10.0)

    def test_nothing_that_was_told_nothing_to_shut(self, window: LearnedWindow) -> None:
        window.shut(20.0)
        assert (window.left, window.ready_in(1e9, 0.0)) == (math.inf, 0.0)

    def test_windows_of_a_second_keep_their_limit_in_any_second(self, window: LearnedWindow, clock: Clock) -> None:
        self.tell(window, clock, 99, 1.0)
        window.take(use(clock, 100.0, 2))
        clock.now += 1.0
        assert window.ready_in(1.0, 0.0) == pytest.approx(0.05)
        clock.now += 0.05
        assert window.left == 100.0

    def test_a_used_up_second_is_waited_for(self, window: LearnedWindow, clock: Clock) -> None:
        self.tell(window, clock, 0, 0.5)
        assert window.ready_in(1.0, 0.0) == 0.5

    def test_without_a_reset_it_is_a_minute(self, window: LearnedWindow, clock: Clock) -> None:
        self.tell(window, clock, 5, None)
        assert window.ready_in(6.0, 0.0) == 60.0

    def test_without_a_limit_all_is_possible_after_the_reset(self, window: LearnedWindow, clock: Clock) -> None:
        self.tell(window, clock, 1, 30.0, limit=None)
        assert window.ready_in(1.0, 1.0) == 30.0
        clock.now += 30
        assert window.left == math.inf

    def test_a_limit_of_an_unknown_span_says_nothing_of_now(self, window: LearnedWindow, clock: Clock) -> None:
        self.tell(window, clock, None, None)
        assert window.left == math.inf

    def test_headers_that_are_older_than_the_reset(self, window: LearnedWindow, clock: Clock) -> None:
        window.learn(use(clock, 1.0), RateLimit(100, 0, 5.0), clock.now - 20, 0.0)
        assert window.left == pytest.approx(10 + 15 * 0.98 * 100 / 60)

    def test_a_share_is_told_once(self, window: LearnedWindow, clock: Clock) -> None:
        self.tell(window, clock, 0, 0.0, number=0)
        self.tell(window, clock, 0, 60.0, number=1)
        clock.now += 70  # from the reset on it is paced
        assert window.left == pytest.approx(10 + 10 * 0.98 * 100 / 60)
        clock.now += 10
        assert window.left == pytest.approx(10 + 20 * 0.98 * 100 / 60)

    def test_a_span_longer_than_a_day_is_paced_like_a_day(self, window: LearnedWindow, clock: Clock) -> None:
        self.tell(window, clock, 0, 200_000.0, limit=86_400)
        clock.now += 200_000
        window.take(use(clock, 86_40.0, 2))
        assert window.ready_in(1.0, 1.0) == pytest.approx(2 / 0.98, rel=0.01)
