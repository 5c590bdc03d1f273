"""Agents: conversations whose next call comes after the answer to the one before."""

import numpy as np
import pytest

from sim.data.outcomes import ABANDONED, ERROR, OK
from sim.engine.simpy_driver.replicate import simulate
from sim.gateway.language import load
from sim.workload.chains import chains_of
from sim.workload.schedule import build_schedule

TALK = "turns: {kind: geometric, mean: 4}, think: {kind: exponential, mean: 3s}"
AGENTS = [f"workload.conversations={{{TALK}, after: answer}}", "workload.duration=20m", "workload.warmup=2m"]


def of_agents(*changes):
    return load("validation/mm1", [*AGENTS, "workload.arrivals.rate=2/s", "gateway.queue.concurrency=3", *changes]).scenario


def rows_of(scenario, replication=0):
    return simulate((scenario, 1.0, scenario.seed, replication)).requests


def counted(scenario, replications):
    """The rows of requests after the warm-up, of each replication."""
    tables = [rows_of(scenario, replication) for replication in range(replications)]
    return [rows[rows["arrival_s"] >= scenario.workload.warmup_s] for rows in tables]


def by_conversation(rows):
    """Rows in order of conversation and turn; the second value marks those that follow one of their own conversation."""
    rows = rows[np.ones(len(rows), bool)]
    rows = rows[np.lexsort((rows["turn"], rows["conversation"]))]
    return rows, np.append(False, rows["conversation"][1:] == rows["conversation"][:-1])


def test_each_call_comes_its_thinking_time_after_the_answer_to_the_one_before():
    scenario = of_agents()
    rows, follows = by_conversation(rows_of(scenario))
    schedule = build_schedule(scenario)
    number = rows["request"]
    assert follows.sum() > 1000
    ended_s = rows["arrival_s"] + rows["latency_s"]
    since_answer_s = rows["arrival_s"][1:] - ended_s[:-1]
    assert since_answer_s[follows[1:]] == pytest.approx(chains_of(schedule).think_s[number][follows], abs=1e-6)
    assert rows["arrival_s"][~follows] == pytest.approx(schedule.arrival_s[number][~follows])
    assert rows["arrival_s"].max() < 20 * 60
    for column in ("prompt", "user", "conversation", "turn", "kind"):
        assert np.array_equal(rows[column], getattr(schedule, column)[number]), "they ask what the schedule says"


def test_the_stated_rate_holds_although_nobody_can_schedule_it():
    counts = np.array([len(rows) for rows in counted(of_agents(), 10)]) / (18 * 60)
    assert abs(counts.mean() - 2) < 4 * counts.std(ddof=1) / np.sqrt(10)


def test_slower_answers_make_agents_wait_where_scheduled_conversations_pile_up():
    slow = ("gateway.queue.concurrency=1", "providers.server.models.job.latency={kind: constant, value: 1s}")
    agents, scheduled = (of_agents(*slow, *more) for more in ([], [f"workload.conversations={{{TALK}}}"]))
    waiting, piled_up = (np.concatenate(counted(scenario, 2))["queue_wait_s"].mean() for scenario in (agents, scheduled))
    assert waiting < piled_up / 2


def test_agents_go_on_after_a_failure_and_after_they_have_lost_patience():
    failing = of_agents("workload.client.timeout=2s", "providers.server.errors={rate: 0.3, status: 500}")
    rows, follows = by_conversation(rows_of(failing))
    after_failure = follows[1:] & (rows["outcome"][:-1] != OK)
    assert set(np.unique(rows["outcome"]).tolist()) == {OK, ERROR, ABANDONED}
    assert after_failure.sum() > 100
    gap_s = rows["arrival_s"][1:] - (rows["arrival_s"] + rows["latency_s"])[:-1]
    assert gap_s[after_failure].min() > 0


def test_agents_go_on_when_they_give_up_though_their_calls_go_on_without_them():
    slow = (
        "gateway.cancel_on_disconnect=false",
        "workload.client.timeout=2s",
        "providers.server.models.job.latency={kind: constant, value: 3s}",
    )
    rows, follows = by_conversation(rows_of(of_agents(*slow, "gateway.queue.concurrency=unlimited", "workload.duration=5m")))
    assert rows["latency_s"] == pytest.approx(3.0), "the gateway has answered all the same"
    since_sent_s = rows["arrival_s"][1:] - rows["arrival_s"][:-1]
    assert since_sent_s[follows[1:]].min() > 2.0
    assert (since_sent_s[follows[1:]] < 3.0).any(), "and some have thought less than the rest of its time"


def test_the_same_seed_gives_the_same_trajectory():
    scenario = of_agents("workload.duration=5m")
    assert rows_of(scenario).tobytes() == rows_of(scenario).tobytes() != rows_of(scenario, 1).tobytes()


def test_only_the_first_call_of_a_conversation_in_a_run_begins_a_chain():
    schedule = build_schedule(of_agents())
    chains = chains_of(schedule)
    assert chains.begins.sum() == len(np.unique(schedule.conversation))
    assert (chains.following >= 0).sum() == (~chains.begins).sum()
    linked = np.flatnonzero(chains.following >= 0)
    assert np.array_equal(schedule.conversation[chains.following[linked]], schedule.conversation[linked])
    assert np.array_equal(schedule.turn[chains.following[linked]], schedule.turn[linked] + 1)
    assert (chains.think_s[chains.begins] == 0).all()
