"""Schedules: what calls ask, who asks, and what a scale or a seed changes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from sim.scenario.errors import ScenarioError
from sim.workload.calls import MAX_TOKENS, population
from sim.workload.schedule import Schedule, build_schedule
from tests.sim.workload.workloads import CONSTANT, GEOMETRIC_4, PLAIN, THINK, make

ALPHA = 1e-4
Z = stats.norm.isf(ALPHA / 2)
POISSON = {"kind": "poisson", "rate": "100/s"}
TALK = {"turns": GEOMETRIC_4, "think": THINK}
LOGNORMAL = {"kind": "lognormal", "median": 400, "p99": 2500}
SIZES = {"input": LOGNORMAL, "output": {"kind": "exponential", "mean": 120}}
CLASSES = [
    {"name": "faq", "share": 0.5, "prompts": {"catalog": 50, "zipf": 1.2}, "tokens": SIZES},
    {"name": "chat", "share": 0.3, "tokens": SIZES},
    {"name": "news", "share": 0.2, "prompts": {"catalog": 7, "zipf": 0}, "tokens": SIZES},
]
COLUMNS = {
    "arrival_s": np.float64,
    "kind": np.int16,
    "user": np.int64,
    "conversation": np.int64,
    "turn": np.int32,
    "prompt": np.int64,
    "input_tokens": np.int32,
    "output_tokens": np.int32,
    "history_start": np.int64,
    "history_turns": np.int32,
}


@pytest.fixture(scope="module")
def mixed() -> Schedule:
    return build_schedule(make(POISSON, requests=CLASSES))


@pytest.mark.parametrize("workload", [{}, {"conversations": TALK}])
def test_columns_have_their_types_and_one_length(workload):
    schedule = build_schedule(make(POISSON, "1m", requests=CLASSES, **workload))
    assert {name: getattr(schedule, name).dtype for name in COLUMNS} == COLUMNS
    assert {len(getattr(schedule, name)) for name in COLUMNS} == {len(schedule)}
    assert schedule.history_tokens.dtype == np.int32
    assert (np.diff(schedule.arrival_s) >= 0).all()
    assert 0 <= schedule.arrival_s[0] <= schedule.arrival_s[-1] < schedule.duration_s == 60


def test_classes_come_by_their_shares(mixed):
    observed = np.bincount(mixed.kind, minlength=3)
    assert stats.chisquare(observed, len(mixed) * np.array([0.5, 0.3, 0.2])).pvalue > ALPHA


def test_shared_prompts_follow_zipf_and_catalogs_are_numbered_one_after_the_other(mixed):
    faq, news = mixed.prompt[mixed.kind == 0], mixed.prompt[mixed.kind == 2]
    weights = np.arange(1, 51) ** -1.2
    assert stats.chisquare(np.bincount(faq, minlength=50), len(faq) * weights / weights.sum()).pvalue > ALPHA
    assert stats.chisquare(np.bincount(news - 50, minlength=7)).pvalue > ALPHA


def test_other_prompts_are_unique_and_numbered_by_position_after_the_catalogs(mixed):
    position = np.flatnonzero(mixed.kind == 1)
    assert np.array_equal(mixed.prompt[position], 57 + position)


def test_identical_prompts_have_identical_tokens(mixed):
    shared = mixed.prompt < 57
    sizes = np.stack([mixed.prompt, mixed.input_tokens, mixed.output_tokens], axis=1)[shared]
    assert len(np.unique(sizes, axis=0)) == len(np.unique(mixed.prompt[shared])) == 57


def test_tokens_follow_their_laws_rounded_to_at_least_one(mixed):
    own = mixed.kind == 1
    lengths = mixed.input_tokens[own]
    sigma = np.log(2500 / 400) / stats.norm.ppf(0.99)
    law = stats.lognorm(sigma, scale=400)
    edges = law.ppf(np.linspace(0, 1, 21))
    cells = np.histogram(lengths, np.append(np.floor(edges[:-1]) + 0.5, np.inf))[0]
    expected = len(lengths) * np.diff(law.cdf(np.append(np.floor(edges[:-1]) + 0.5, np.inf)))
    assert stats.chisquare(cells, expected * cells.sum() / expected.sum()).pvalue > ALPHA
    answers = mixed.output_tokens[own]
    assert answers.min() == 1
    assert abs((answers == 1).mean() - (1 - np.exp(-1.5 / 120))) < Z * np.sqrt(0.0125 / len(answers))
    assert abs(np.corrcoef(lengths, answers)[0, 1]) < Z / np.sqrt(len(answers))


def test_tokens_are_capped():
    huge = {"kind": "constant", "value": 5_000_000}
    schedule = build_schedule(make(POISSON, "1s", requests=[{"name": "huge", "tokens": {"input": huge, "output": CONSTANT}}]))
    assert set(schedule.input_tokens.tolist()) == {MAX_TOKENS}


def test_users_are_equally_likely_and_grow_with_the_scale():
    scenario = make(POISSON, users={"count": 50})
    once, tenfold = build_schedule(scenario), build_schedule(scenario, 10.0)
    assert stats.chisquare(np.bincount(once.user, minlength=50)).pvalue > ALPHA
    assert stats.chisquare(np.bincount(tenfold.user, minlength=500)).pvalue > ALPHA


def test_population_is_the_users_given_else_the_daily_active_ones_else_a_thousand():
    users = {"kind": "users", "daily_active": 300, "calls_per_day": 5}
    assert population(make(users).workload) == 300
    assert population(make(users, users={"count": 9000}).workload, 2.0) == 18_000
    assert population(make(POISSON).workload, 10.0) == 10_000
    assert population(make(POISSON, users={"count": 1}).workload, 0.1) == 1
    closed = {"kind": "closed", "clients": 7, "think": {"kind": "constant", "value": "1s"}}
    assert population(make(closed, users={"count": 9000}).workload, 3.0) == 21


@pytest.mark.parametrize("workload", [{}, {"conversations": TALK}])
def test_scale_multiplies_the_calls(workload):
    scenario = make(POISSON, "2m", requests=CLASSES, **workload)
    counts = np.array([[len(build_schedule(scenario, scale, r)) / scale for scale in (0.1, 1.0, 7.0)] for r in range(10)])
    error = (counts.mean(axis=0) - 12_000) / (counts.std(axis=0, ddof=1) / np.sqrt(10))
    assert (np.abs(error) < stats.t.isf(ALPHA / 2, 9)).all()


def test_at_another_scale_the_nth_call_asks_the_same():
    scenario = make(POISSON, "1m", requests=CLASSES)
    once, tenfold = build_schedule(scenario), build_schedule(scenario, 10.0)
    for name in ("kind", "prompt", "input_tokens", "output_tokens"):
        assert np.array_equal(getattr(once, name), getattr(tenfold, name)[: len(once)])


BURSTS = POISSON | {"batch": GEOMETRIC_4}


def test_calls_of_a_batch_come_together_from_one_user_and_ask_what_each_asks():
    schedule = build_schedule(make(BURSTS, requests=CLASSES, users={"count": 5000}))
    _, first, sizes = np.unique(schedule.arrival_s, return_index=True, return_counts=True)
    assert sizes.max() > 10
    assert np.array_equal(np.repeat(schedule.user[first], sizes), schedule.user)
    assert len(np.unique(schedule.conversation)) == len(schedule)
    assert len(np.unique(schedule.prompt[schedule.kind == 1])) == (schedule.kind == 1).sum()
    assert len(np.unique(schedule.user)) > 4000


def test_conversations_of_a_batch_begin_together_and_part_ways():
    scenario = make(BURSTS, "1h", requests=CLASSES, users={"count": 5000}, conversations=TALK)
    schedule = build_schedule(scenario)
    begun = schedule.turn == 0
    together = np.unique(schedule.arrival_s[begun], return_counts=True)[1]
    assert abs(together.mean() - 4) < Z * together.std() / np.sqrt(len(together))
    assert len(np.unique(schedule.arrival_s[~begun])) == (~begun).sum()
    for conversation in schedule.conversation[schedule.turn == 3][:100]:
        assert len(np.unique(schedule.user[schedule.conversation == conversation])) == 1
    counts = [len(build_schedule(scenario, replication=r)) for r in range(10)]
    assert abs(np.mean(counts) - 360_000) < stats.t.isf(ALPHA / 2, 9) * np.std(counts, ddof=1) / np.sqrt(10)


@pytest.mark.parametrize(
    ("workload", "calls", "at_s", "users", "conversations"),
    [
        ({}, 5937, [0.004846, 0.007836, 0.01201, 59.96668], [807, 985, 808, 263], [0, 1, 2, 3]),
        ({"conversations": TALK}, 6118, [0.010814, 0.020945, 0.022017, 59.9863], [807, 343, 808, 118], [0, 925, 2, 13547]),
    ],
)
def test_schedules_without_batches_are_what_they_were_before_there_were_any(workload, calls, at_s, users, conversations):
    schedule = build_schedule(make(POISSON, "1m", requests=CLASSES, **workload))
    assert len(schedule) == calls
    assert schedule.arrival_s[[0, 1, 2, -1]] == pytest.approx(at_s, abs=1e-6)
    assert (schedule.user[:4].tolist(), schedule.conversation[:4].tolist()) == (users, conversations)
    assert (schedule.prompt[:4].tolist(), schedule.output_tokens[:4].tolist()) == ([57, 0, 59, 1], [84, 229, 57, 68])


def test_the_same_seed_gives_the_same_schedule_in_any_process():
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parents[3])!r}); from tests.sim.workload.test_schedule import *\n"
        "print(fingerprint(build_schedule(make(POISSON, '1m', conversations=TALK, requests=CLASSES))))"
    )
    run = subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": "5"}, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == fingerprint(build_schedule(make(POISSON, "1m", conversations=TALK, requests=CLASSES)))


def fingerprint(schedule):
    from hashlib import sha256

    return sha256(b"".join(getattr(schedule, name).tobytes() for name in (*COLUMNS, "history_tokens"))).hexdigest()


def test_replications_and_seeds_differ():
    scenario = make(POISSON, "1m", requests=CLASSES)
    prints = [build_schedule(scenario, replication=0), build_schedule(scenario, replication=1), build_schedule(scenario, seed=8)]
    assert len({fingerprint(schedule) for schedule in prints}) == 3
    assert fingerprint(build_schedule(make(POISSON, "1m", seed=8, requests=CLASSES))) == fingerprint(prints[2])


def test_nothing_arrives_when_the_rate_is_zero():
    assert len(build_schedule(make({"kind": "stages", "stages": [{"rate": "0/s", "duration": "1m"}]}, "1m", conversations=TALK))) == 0


def test_a_closed_workload_has_no_schedule():
    closed = {"kind": "closed", "clients": 7, "think": {"kind": "constant", "value": "1s"}}
    with pytest.raises(ScenarioError, match="closed workload has no schedule"):
        build_schedule(make(closed))


def test_impossible_mixes_are_refused():
    with pytest.raises(ScenarioError, match="add up to more than zero"):
        build_schedule(make(POISSON, requests=[{**PLAIN, "share": 0}]))
    with pytest.raises(ScenarioError, match=r"requests\[0\].prompts.catalog: expected a catalog of at most"):
        build_schedule(make(POISSON, requests=[{**PLAIN, "prompts": {"catalog": 10**9}}]))
