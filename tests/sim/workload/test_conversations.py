"""Conversations: under way at time zero, so that the stated rate holds from the start; turns, thinking and history as stated."""

import numpy as np
import pytest
from scipy import stats

from sim.scenario.distributions import mean
from sim.stochastics.random_streams import Purpose
from sim.workload.arrivals import arrivals_between
from sim.workload.conversations import MISSED, lookback_s, mean_turns, turn_by_turn
from sim.workload.schedule import build_schedule
from tests.sim.workload.workloads import GEOMETRIC_4, THINK, make

ALPHA = 1e-4
Z = stats.norm.isf(ALPHA / 2)
POISSON = {"kind": "poisson", "rate": "4/s"}
TALK = {"turns": GEOMETRIC_4, "think": THINK}
UNEVEN = {"kind": "lognormal", "median": 300, "sigma": 1.0}
CLASSES = [
    {"name": "faq", "share": 0.5, "prompts": {"catalog": 20}, "tokens": {"input": UNEVEN, "output": UNEVEN}},
    {"name": "chat", "share": 0.5, "tokens": {"input": UNEVEN, "output": UNEVEN}},
]


def conversations(**raw):
    return make(POISSON, conversations={**TALK, **raw}).workload.conversations


def rows_by_conversation(schedule):
    order = np.lexsort((schedule.turn, schedule.conversation))
    starts = np.flatnonzero(np.diff(schedule.conversation[order], prepend=-1))
    return np.split(order, starts[1:])


@pytest.mark.parametrize("turns", [GEOMETRIC_4, {"kind": "constant", "value": 6}, {"kind": "lognormal", "median": 3, "sigma": 0.8}])
def test_the_stated_rate_holds_from_the_start_to_the_end(turns):
    scenario = make(POISSON, duration="2m", conversations={**TALK, "turns": turns})
    found = []
    for replication in range(25):
        at_s = build_schedule(scenario, 10.0, replication).arrival_s
        found.append([(at_s < 5).sum(), ((at_s >= 5) & (at_s < 115)).sum(), (at_s >= 115).sum()])
    expected = np.array([200, 4400, 200])
    errors = (np.mean(found, axis=0) - expected) / (np.std(found, axis=0, ddof=1) / np.sqrt(len(found)))
    assert (np.abs(errors) < stats.t.isf(ALPHA / 2, len(found) - 1)).all()


def test_calls_of_a_conversation_that_started_before_the_run_bring_all_their_history():
    schedule = build_schedule(make(POISSON, conversations=TALK), 10.0)
    first = schedule.arrival_s < 1
    assert (schedule.turn[first] > 0).mean() > 0.5
    assert (schedule.conversation[schedule.turn == 0] % 2 == 0).all()
    assert np.array_equal(schedule.history_turns, schedule.turn)
    assert all(schedule.history(i).tolist() == [20] * schedule.turn[i] for i in range(200))


def test_turns_follow_their_law():
    # Thinking is short beside the run, so conversations of its first half are seen to their end.
    think = {"kind": "exponential", "mean": "1s"}
    schedule = build_schedule(make(POISSON, conversations={"turns": GEOMETRIC_4, "think": think}), 10.0)
    started = schedule.conversation[(schedule.turn == 0) & (schedule.arrival_s < 300)]
    turns = np.bincount(schedule.conversation)[started]
    observed = np.bincount(np.minimum(turns, 21), minlength=22)[1:]
    law = stats.geom(1 / 4)
    expected = len(turns) * np.append(law.pmf(np.arange(1, 21)), law.sf(20))
    assert stats.chisquare(observed, expected).pvalue > ALPHA


def test_turns_of_a_conversation_follow_each_other_after_thinking():
    think = {"kind": "uniform", "low": "1s", "high": "3s"}
    schedule = build_schedule(make(POISSON, conversations={"turns": GEOMETRIC_4, "think": think}), 10.0)
    thinks = []
    for rows in rows_by_conversation(schedule):
        assert np.diff(schedule.turn[rows]).tolist() == [1] * (len(rows) - 1)
        assert len(set(schedule.user[rows].tolist())) == 1
        if schedule.arrival_s[rows[0]] < 400:
            thinks.extend(np.diff(schedule.arrival_s[rows]))
    assert stats.kstest(thinks, stats.uniform(1, 2).cdf).pvalue > ALPHA


def test_history_is_the_tokens_of_the_turns_before():
    schedule = build_schedule(make(POISSON, conversations=TALK, requests=CLASSES), 3.0)
    seen_from_the_start = 0
    for rows in rows_by_conversation(schedule):
        own = (schedule.input_tokens[rows] + schedule.output_tokens[rows]).tolist()
        if schedule.turn[rows[0]] != 0:
            continue
        seen_from_the_start += 1
        for turn, row in enumerate(rows):
            remembers = CLASSES[schedule.kind[row]]["name"] == "chat"
            assert schedule.history(row).tolist() == (own[:turn] if remembers else [])
    assert seen_from_the_start > 500


def test_a_class_can_be_told_to_take_history_or_not():
    asked = [{**CLASSES[0], "history": True}, {**CLASSES[1], "history": False}]
    schedule = build_schedule(make(POISSON, conversations=TALK, requests=asked))
    assert np.array_equal(schedule.history_turns, np.where(schedule.kind == 0, schedule.turn, 0))


def test_a_longer_run_begins_with_the_same_requests():
    short = build_schedule(make(POISSON, "2m", conversations=TALK, requests=CLASSES))
    long = build_schedule(make(POISSON, "20m", conversations=TALK, requests=CLASSES))
    n = len(short)
    for name in ("arrival_s", "kind", "user", "conversation", "turn", "prompt", "input_tokens", "output_tokens", "history_turns"):
        assert np.array_equal(getattr(short, name), getattr(long, name)[:n]), name
    assert all(short.history(i).tolist() == long.history(i).tolist() for i in range(n))


def test_looking_further_back_changes_nothing_but_the_few_that_were_missed(monkeypatch):
    scenario = make(POISSON, conversations=TALK)
    usual = build_schedule(scenario, 10.0)
    monkeypatch.setattr("sim.workload.conversations.MISSED", MISSED / 20)
    lookback_s.cache_clear()
    further = build_schedule(scenario, 10.0)
    lookback_s.cache_clear()
    usual_calls = set(zip(usual.conversation.tolist(), usual.turn.tolist(), usual.arrival_s.tolist(), strict=True))
    further_calls = set(zip(further.conversation.tolist(), further.turn.tolist(), further.arrival_s.tolist(), strict=True))
    assert usual_calls <= further_calls
    assert len(further_calls - usual_calls) < 3 * MISSED * len(usual)


def test_the_look_back_misses_one_call_in_ten_thousand():
    talk = conversations()
    ids = np.arange(200_000) + 10**9
    late = total = 0
    for _, at_s, _ in turn_by_turn(talk, 3, ids, np.zeros(len(ids)), 1e9):
        late += (at_s > lookback_s(talk)).sum()
        total += len(at_s)
    assert MISSED / 3 < late / total < MISSED * 3


def test_there_is_no_look_back_without_a_second_turn():
    assert lookback_s(conversations(turns={"kind": "constant", "value": 1})) == 0
    schedule = build_schedule(make(POISSON, conversations={**TALK, "turns": {"kind": "constant", "value": 1}}))
    starts = arrivals_between(make(POISSON).workload.arrivals, 7, Purpose.CONVERSATION_START, 1.0, 0.0, 600.0).at_s
    assert np.array_equal(schedule.arrival_s, starts)
    assert not schedule.turn.any()


def test_mean_turns_is_that_of_the_law_as_it_is_rounded():
    assert mean_turns(conversations().turns) == pytest.approx(4, rel=1e-4)
    assert mean_turns(conversations(turns={"kind": "constant", "value": 2.6}).turns) == 3
    uneven = conversations(turns={"kind": "exponential", "mean": 0.5}).turns
    edges = np.concatenate([[0], np.arange(1.5, 30)])
    exact = (np.diff(1 - np.exp(-edges / 0.5)) * np.arange(1, len(edges))).sum()
    assert mean_turns(uneven) == pytest.approx(exact, rel=1e-3)
    assert mean(uneven) == 0.5


def test_without_conversations_every_call_is_one_of_its_own():
    schedule = build_schedule(make(POISSON))
    assert schedule.conversation.tolist() == list(range(len(schedule)))
    assert not schedule.turn.any()
    assert schedule.history(5).tolist() == []
