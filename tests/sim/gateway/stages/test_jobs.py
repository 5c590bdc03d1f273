"""Jobs: accepted at once, worked off in two lanes, no longer their clients'."""

from __future__ import annotations

from math import inf, isnan

import pytest

from sim.data.statuses import TIMED_OUT
from sim.gateway.language import check
from sim.gateway.stages.jobs import EXPIRED, FULL, LONG_FULL, is_accepted
from tests.sim.gateway.by_hand import by_hand
from tests.sim.tiny import JOB, unchecked

CHAT = JOB | {"name": "chat"}


def states(calls):
    return [c.state for c in calls]


def test_a_job_is_accepted_at_once_and_waits_for_a_worker():
    hand = by_hand(jobs={"workers": 1})
    first, second, third = (hand.start(0.5 * number) for number in range(3))
    assert [is_accepted(c) for c in (first, second, third)] == [True] * 3
    assert states([first, second, third]) == ["performing", "waiting", "waiting"]
    hand.answer(first, 2.0)
    hand.answer(second, 3.0)
    hand.answer(third, 4.0)
    assert [(c.accepted_s, c.job_wait_s, c.latency_s) for c in hand.ended] == [(0.0, 0.0, 2.0), (0.0, 1.5, 2.5), (0.0, 2.0, 3.0)]
    assert hand.is_idle()
    assert hand.g.job_lanes[0].busy == 0


def test_long_jobs_have_workers_and_a_line_of_their_own():
    """A request has 10 tokens and an answer of 5."""
    hand = by_hand(jobs={"workers": 1, "long": {"above": 100, "workers": 1, "waiting": 1}})
    long = [hand.start(0.0, prompt_tokens=96) for _ in range(3)]
    short = [hand.start(0.0, prompt_tokens=95), hand.start(0.0)]
    assert states(long) == ["performing", "waiting", "rejected"]
    assert states(short) == ["performing", "waiting"]
    assert (long[2].refused_by, isnan(long[2].accepted_s)) == (LONG_FULL, True)
    hand.answer(long[0], 1.0)
    assert (long[1].state, short[1].state) == ("performing", "waiting")


def test_so_many_jobs_may_wait():
    hand = by_hand(jobs={"workers": 1, "waiting": 1})
    calls = [hand.start(0.0) for _ in range(3)]
    assert (calls[2].state, calls[2].refused_by) == ("rejected", FULL)


def test_other_classes_are_answered_while_their_clients_wait():
    hand = by_hand(changes={"requests": [CHAT | {"share": 0.5}, JOB | {"share": 0.5}]}, jobs={"workers": 1, "classes": ["job"]})
    job, chat = hand.start(0.0, kind=1), hand.start(0.0, kind=0)
    assert (is_accepted(job), is_accepted(chat), chat.state) == (True, False, "performing")


def test_the_clients_and_the_gateways_timeouts_end_with_the_acceptance():
    hand = by_hand(jobs={"workers": 1}, timeout={"total": "3s"}, queue={"concurrency": 1, "waiting": 5})
    c = hand.start(0.0, leaves_s=2.0, patience_s=1.0, streams=True)
    assert (c.leaves_s, c.patience_s, c.deadline_s, c.streams) == (inf, inf, inf, False)
    assert hand.answer(c, 60.0).state == "ok"


def test_a_job_that_is_not_done_within_its_lifetime_has_failed():
    hand = by_hand(jobs={"workers": 1, "lifetime": "10s"})
    first, second = hand.start(0.0), hand.start(1.0)
    assert (first.until_s, second.until_s) == (10.0, 11.0)
    hand.answer(first, 10.0, status=TIMED_OUT)
    assert (first.state, first.refused_by, first.latency_s) == ("timeout", EXPIRED, 10.0)
    assert (second.state, second.until_s) == ("performing", 11.0), "one second is left to it"


def test_failing_jobs_are_retried_and_degrade_like_others():
    hand = by_hand(jobs={"workers": 1}, retry={"attempts": 2, "backoff": {"kind": "none"}}, fallback=["canned"])
    c = hand.start(0.0)
    hand.time_comes(hand.answer(c, 1.0, status=500))
    assert (c.state, hand.g.job_lanes[0].busy) == ("performing", 1)
    assert hand.answer(c, 2.0, status=500).state == "canned"


def test_what_does_not_fit_together_is_said():
    def found(client=None, **gateway):
        return [finding.message for finding in check(unchecked(client=client or {}, gateway=gateway)) if not finding.warning]

    assert found(jobs={"workers": 1}) == []
    assert found(jobs={"workers": 1, "classes": ["talk"]}) == ["there is no request class 'talk'"]
    assert len(found({"timeout": "3s"}, jobs={"workers": 1}, cancel_on_disconnect=False)) == 1


@pytest.mark.parametrize(("tokens", "lane"), [(90, 0), (91, 1)])
def test_a_job_is_long_by_its_input_with_its_history_and_its_answer(tokens, lane):
    hand = by_hand((5,), jobs={"workers": 1, "long": {"above": 100}})
    c = hand.start(0.0, prompt_tokens=tokens, answer_tokens=5, history_start=0, history_turns=1)
    assert (c.input_tokens, c.job_lane) == (tokens + 5, lane)
