"""Admission, cache, retry, context, sessions and routing, each a few statements."""

from __future__ import annotations

import pytest

from sim.policy import session
from sim.policy.admission import Admission, enter, leave
from sim.policy.cache import FRESH, MISS, STALE, CacheState, look_up, store
from sim.policy.context import ContextRule, context, context_tokens
from sim.policy.retry import RESERVE, BackoffRule, RetryBudget, backoff_s, deposit, deserves_retry, withdraw
from sim.policy.router import TargetState, by_weight, observe_latency, rotate
from sim.policy.session import SessionStore, resume
from sim.scenario.model import Backoff, BudgetContext, ExactCache, FullContext, Queue, Sessions, SummarizeContext, WindowContext


class TestAdmission:
    def test_slots_then_the_line_then_no_room(self):
        admission = Admission(Queue(concurrency=1, waiting=1))
        first, second, third = (enter(admission, 0.0) for _ in range(3))
        assert first.granted
        assert not second.granted
        assert third is None

    def test_a_slot_passes_to_the_head_of_the_line(self):
        admission = Admission(Queue(concurrency=1, waiting=2))
        first, second, third = (enter(admission, 0.0) for _ in range(3))
        assert leave(admission, first, 1.0) is second
        assert second.granted
        assert leave(admission, second, 1.0) is third
        assert leave(admission, third, 1.0) is None
        assert (admission.in_service, admission.waiting) == (0, 0)

    def test_whoever_gave_up_is_passed_over(self):
        admission = Admission(Queue(concurrency=1, waiting=2))
        first, second, third = (enter(admission, 0.0) for _ in range(3))
        leave(admission, second, 1.0)
        assert admission.waiting == 1
        assert leave(admission, first, 1.0) is third

    def test_higher_priorities_are_let_in_first_and_each_in_order_of_arrival(self):
        admission = Admission(Queue(concurrency=1, waiting=9), priorities=(0, 5, 9))
        holder = enter(admission, 0.0, 0)
        asked = [(enter(admission, 0.0, priority), priority) for priority in (0, 5, 0, 9, 5, 7)]
        let_in = []
        while (following := leave(admission, holder, 1.0)) is not None:
            let_in.append(next((place, priority) for place, (ticket, priority) in enumerate(asked) if ticket is following))
            holder = following
        assert let_in == [(3, 9), (1, 5), (4, 5), (5, 7), (0, 0), (2, 0)], "7 has no line of its own and joins that of 5"

    def test_time_waited_is_the_area_under_the_number_waiting(self):
        admission = Admission(Queue(concurrency=1, waiting=9))
        first, second, third = enter(admission, 0.0), enter(admission, 1.0), enter(admission, 2.0)
        leave(admission, third, 4.0)
        leave(admission, first, 10.0)
        leave(admission, second, 20.0)
        assert admission.waited_s == (10.0 - 1.0) + (4.0 - 2.0)


class TestCache:
    def test_fresh_until_its_time_and_stale_after(self):
        cache = CacheState(ExactCache(kind="exact", ttl="10s"))
        assert look_up(cache, 1, 0.0) == MISS
        store(cache, 1, 5.0)
        assert look_up(cache, 1, 14.999) == FRESH
        assert look_up(cache, 1, 15.0) == STALE

    def test_a_sliding_time_to_live_begins_anew_with_each_hit_and_with_nothing_else(self):
        cache = CacheState(ExactCache(kind="exact", ttl="10s", sliding=True))
        store(cache, 1, 0.0)
        assert look_up(cache, 1, 9.0) == FRESH
        assert look_up(cache, 1, 18.999) == FRESH
        assert look_up(cache, 1, 28.999) == STALE
        assert look_up(cache, 1, 28.999) == STALE

    def test_the_least_recently_used_goes_first(self):
        cache = CacheState(ExactCache(kind="exact", ttl="1h", capacity=2))
        store(cache, 1, 0.0)
        store(cache, 2, 0.0)
        look_up(cache, 1, 1.0)
        assert store(cache, 3, 2.0) == 2
        assert look_up(cache, 1, 3.0) == FRESH


class TestRetry:
    def test_backoffs_are_awss(self):
        base = {"base": "1s", "cap": "8s"}
        assert [backoff_s(BackoffRule(Backoff(kind="full-jitter", **base)), k, 0.0, 0.5) for k in range(5)] == [0.5, 1.0, 2.0, 4.0, 4.0]
        assert [backoff_s(BackoffRule(Backoff(kind="equal-jitter", **base)), k, 0.0, 0.5) for k in range(5)] == [0.75, 1.5, 3.0, 6.0, 6.0]
        assert [backoff_s(BackoffRule(Backoff(kind="exponential", **base)), k, 0.0, 0.5) for k in range(5)] == [1.0, 2.0, 4.0, 8.0, 8.0]
        assert backoff_s(BackoffRule(Backoff(kind="decorrelated-jitter", **base)), 1, 2.0, 0.5) == 1.0 + 0.5 * (6.0 - 1.0)
        short = BackoffRule(Backoff(kind="decorrelated-jitter", base="100ms", cap="4s"))
        assert backoff_s(short, 0, 0.0, 0.5) == pytest.approx(0.1 + 0.5 * (0.3 - 0.1))
        assert backoff_s(BackoffRule(Backoff(kind="none")), 3, 0.0, 0.5) == 0.0

    @pytest.mark.parametrize(
        ("status", "expected"),
        [(500, True), (529, True), (429, True), (408, True), (0, True), (-1, True), (400, False), (401, False), (200, False)],
    )
    def test_what_deserves_a_retry(self, status, expected):
        assert deserves_retry(status) is expected

    def test_the_budget_allows_its_share_of_requests_beyond_its_reserve(self):
        budget = RetryBudget(0.2)
        spent = 0
        for _ in range(1000):
            deposit(budget)
            spent += withdraw(budget)
        assert spent == pytest.approx(200 + RESERVE, abs=1)


class TestContext:
    history = (100, 200, 300, 400)

    def test_full_window_summary_and_budget(self):
        assert context_tokens(ContextRule(FullContext(kind="full")), self.history) == 1000
        assert context_tokens(ContextRule(WindowContext(kind="window", turns=2)), self.history) == 700
        assert context_tokens(ContextRule(WindowContext(kind="window", turns=0)), self.history) == 0
        assert context_tokens(ContextRule(BudgetContext(kind="budget", tokens=750)), self.history) == 700
        summarize = ContextRule(SummarizeContext(kind="summarize", after_turns=4, keep_turns=1, summary_tokens=50))
        assert context(summarize, self.history) == (1, 50)
        assert context_tokens(summarize, self.history) == 450
        assert context_tokens(summarize, self.history[:3]) == 600


class TestSessions:
    def test_an_idle_conversation_starts_again_at_its_turn(self):
        sessions = SessionStore(Sessions(ttl="10s"))
        assert resume(sessions, 7, 0, 0.0) == 0
        assert resume(sessions, 7, 1, 10.0) == 0
        assert resume(sessions, 7, 2, 20.001) == 2
        assert resume(sessions, 7, 3, 21.0) == 2

    def test_one_never_seen_is_trusted_with_its_history(self):
        assert resume(SessionStore(Sessions()), 1, 5, 0.0) == 0

    def test_beyond_the_maximum_the_one_seen_longest_ago_is_forgotten(self, monkeypatch):
        monkeypatch.setattr(session, "MAXIMUM", 2)
        sessions = SessionStore(Sessions())
        for conversation in (1, 2, 1):
            resume(sessions, conversation, 0, 0.0)
        assert list(sessions.seen) == [2, 1]
        resume(sessions, 3, 0, 1.0)
        assert list(sessions.seen) == [1, 3]


class TestRouting:
    def targets(self):
        return [TargetState(index, f"p/{name}", 1, None, (0.0, 0.0)) for index, name in enumerate("abc")]

    def test_rotation_and_weights(self):
        targets = self.targets()
        assert [target.model for target in rotate(targets, 4)] == ["b", "c", "a"]
        assert by_weight(targets, [1, 1, 2], 0.49)[0].model == "b"
        assert by_weight(targets, [1, 1, 2], 0.51)[0].model == "c"
        assert {target.model for target in by_weight(targets, [0, 1, 0], 0.001)} == {"a", "b", "c"}
        assert by_weight(targets, [0, 1, 0], 0.001)[0].model == "b"

    def test_latency_is_smoothed(self):
        target = self.targets()[0]
        observe_latency(target, 1.0)
        observe_latency(target, 2.0)
        assert target.latency_s == pytest.approx(1.1)
