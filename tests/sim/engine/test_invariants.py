"""Invariants hold on every run, and a broken one is noticed, located and replayable. Fingerprints identify a trajectory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sim.engine.replication
from sim.data.fingerprint import fingerprint
from sim.data.outcomes import ERROR, REJECTED
from sim.data.schema import ATTEMPTS, TIMELINE
from sim.engine.invariants import Inside, InvariantViolated, Leftovers, Replication, hold, violations
from sim.engine.runner import predict
from sim.gateway.language import load
from sim.gateway.rows import WAITS
from sim.kernel.refusals import names_in
from tests.sim.synthetic_runs import rows

EVERYTHING = Path(__file__).parents[2] / "equivalence" / "everything.yaml"
MM1 = Path(__file__).parents[3] / "scenarios" / "validation" / "mm1.yaml"
SHORT = ["workload.duration=150s", "faults=[{kind: outage, provider: alpha, at: 60s, for: 30s}]"]


@pytest.fixture(scope="module")
def scenario():
    return load(EVERYTHING, SHORT).scenario


@pytest.fixture(scope="module")
def held(scenario):
    """What one replication hands over to be checked."""
    seen = []
    patch = pytest.MonkeyPatch()
    patch.setattr(sim.engine.replication, "hold", lambda replication, replay: seen.append((replication, replay)))
    predict(scenario, replications=2, engine="simpy")
    patch.undo()
    return seen[1][0]


def said(replication: Replication) -> list[str]:
    return [violation.says for violation in violations(replication)]


def broken(held: Replication, **columns) -> list[str]:
    """What is said about a copy of the run in which one row's columns are moved by so much."""
    requests = held.requests.copy()
    for column, by in columns.items():
        requests[column][17] += by
    return said(held._replace(requests=requests))


def made_up(count: int, retried: int = 0) -> Replication:
    """Requests that wait for 0.1 s and are answered in a second; the first ``retried`` of them at the second attempt."""
    requests = rows(count, latency_s=1.1, queue_wait_s=0.1, cost_usd=0.01, cached_tokens=5)
    requests["attempts"][:retried] = 2
    attempts = np.zeros(count + retried, ATTEMPTS)
    attempts["request"] = np.concatenate([np.arange(count), np.arange(retried)])
    attempts["status"][:count], attempts["status"][count:] = 200, 503
    attempts["cost_usd"][:count], attempts["cached_tokens"][:count] = 0.01, 5
    inside = Inside(count, 0, float(requests["latency_s"].sum()), float(count + 1))
    leftovers = Leftovers(seen=len(attempts), waited_s=float(requests["queue_wait_s"].sum()), concurrency=22.0, capacity=50.0)
    return Replication(requests, attempts, np.zeros(9, TIMELINE), inside, leftovers)


def test_a_run_with_everything_in_it_holds(held):
    assert said(held) == []
    assert held.leftovers.waited_s > 0
    assert set(names_in(held.requests["refused_by"], held.attempts["refused_by"]).values()) >= {"queue", "requests per user"}


def test_rows_made_up_by_the_laws_hold():
    assert said(made_up(100, retried=30)) == []


def test_conservation_notices_a_request_that_never_ended(held):
    assert any("arrived" in each for each in said(held._replace(requests=held.requests[:-1])))


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ({"in_service": 1}, "1 slots"), ({"waiting": 2}, "2 places in the line"), ({"in_flight": {"a/one": 3}}, "3 calls to a/one"),
        ({"leaders": 4}, "4 identical prompts under way"), ({"at_provider": {"a": 5}}, "5 places at a"),
    ],
)  # fmt: skip
def test_whatever_is_still_held_at_the_end_is_noticed(what, says):
    whole = made_up(10)
    assert said(whole._replace(leftovers=whole.leftovers._replace(**what))) == [f"when everything was over, {says} were still held"]


def test_attempts_that_only_one_side_has_seen_are_noticed():
    whole = made_up(10)
    assert said(whole._replace(leftovers=whole.leftovers._replace(seen=11))) == ["providers saw 11 attempts, the gateway made 10"]


def test_littles_law_notices_a_wait_that_was_a_little_longer(held):
    assert any("Little's law in the admission queue" in each for each in broken(held, queue_wait_s=1e-5))


def test_littles_law_notices_a_stay_that_was_a_little_longer(held):
    assert any("Little's law in the system" in each for each in broken(held, latency_s=1e-5))


@pytest.mark.parametrize(
    ("column", "by", "says"),
    [
        ("cost_usd", 1e-6, "the cost of a request"),
        ("cached_tokens", 1, "the cached tokens of a request"),
        ("attempts", 1, "disagree on their number"),
        ("outcome", 9, "no outcome"),
        ("outcome", REJECTED, "no limit says that it did"),
        ("latency_s", -2.0, "latency_s is negative"),
        ("request", -1, "ended twice"),
        *((column, 99.0, "waited for longer") for column in WAITS),
        *((column, -99.0, f"{column} is negative") for column in WAITS),
        *((column, -(10**6), f"{column} is negative") for column in ("attempts", "input_tokens", "output_tokens", "cached_tokens")),
        ("cost_usd", -1.0, "cost_usd is negative"),
    ],
)
def test_every_other_law_notices_its_own_violation(column, by, says):
    if column == "attempts":
        by = max(by, -1000)
    assert any(says in each for each in broken(made_up(40), **{column: by}))


def test_an_answer_that_no_provider_gave_is_noticed():
    whole = made_up(40)
    whole.attempts["status"][7] = 503
    assert said(whole) == ["a request was answered, but no provider answered it"]
    whole.requests["outcome"][7] = ERROR
    assert said(whole) == []


def test_waits_may_take_all_of_the_time_and_no_more():
    whole = made_up(10)
    whole.requests["failed_s"][3] = 1.0
    assert said(whole) == []
    whole.requests["failed_s"][3] += 1e-6
    (violation,) = violations(whole)
    assert violation == ("a request waited for longer than it was there", 3, 3.0)


def test_a_level_over_its_limit_is_noticed(held):
    samples = held.samples.copy()
    samples["in_service"][5] = 23
    assert any("its limit is 22" in each for each in said(held._replace(samples=samples)))


def test_a_violation_names_the_place_and_the_options():
    whole = made_up(100_000)
    whole.requests["cpu_s"][[70_000, 90_000]] = -1.0
    with pytest.raises(InvariantViolated, match=r"cpu_s is negative, first at request 70000 \(70000 s\); to replay: tenfold predict x"):
        hold(whole, "tenfold predict x")


def test_a_violation_stops_the_run_and_says_how_to_replay_it(scenario, monkeypatch):
    honest = sim.engine.replication.leftovers_of
    monkeypatch.setattr(sim.engine.replication, "leftovers_of", lambda *all_: honest(*all_)._replace(waiting=1))
    options = "--scale 1.25 --seed 11 --replications 1 --engine simpy"
    with pytest.raises(InvariantViolated, match=rf"1 places in the line.*to replay: tenfold predict with .*, {options}$"):
        predict(scenario, 1.25, replications=1, engine="simpy")


@pytest.mark.parametrize(("engine", "scale"), [("simpy", 1 / 3), pytest.param("compiled", 1.0, marks=pytest.mark.slow)])
def test_the_options_for_a_replay_replay_the_replication(engine, scale, monkeypatch):
    scenario, seen = load(MM1, ["workload.duration=300s", "workload.warmup=0s"]).scenario, []
    monkeypatch.setattr(sim.engine.replication, "hold", lambda replication, replay: seen.append((replication, replay)))
    predict(scenario, scale, replications=2, engine=engine)
    replication, replay = seen[1]
    words = replay.split(", ")[-1].split()
    asked = dict(zip(words[::2], words[1::2], strict=True))
    seed = int(asked["--seed"])
    assert seed != scenario.seed
    again = predict(scenario, float(asked["--scale"]), int(asked["--replications"]), seed, engine=asked["--engine"])
    assert again.engine == engine
    for column in ("arrival_s", "latency_s"):
        np.testing.assert_array_equal(again.requests[column], replication.requests[column])


def test_same_seed_same_fingerprint_and_another_seed_another(scenario):
    first, again, other = (fingerprint(predict(scenario, replications=2, seed=seed, engine="simpy")) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_attempts_may_end_in_any_order(held):
    shuffled = held.attempts[np.random.default_rng(1).permutation(len(held.attempts))]
    assert said(held._replace(attempts=shuffled)) == []


def test_an_attempt_of_nobodys_is_noticed(held):
    for nobody in (-1, len(held.requests)):
        attempts = held.attempts.copy()
        attempts["request"][7] = nobody
        assert "an attempt belongs to no request" in said(held._replace(attempts=attempts))


def test_requests_need_not_be_numbered_one_after_the_other(held):
    requests, attempts = held.requests.copy(), held.attempts.copy()
    requests["request"] *= 3
    attempts["request"] *= 3
    apart = held._replace(requests=requests, attempts=attempts)
    assert said(apart) == []
    attempts["request"][7] += 1
    assert "an attempt belongs to no request" in said(apart)


def test_a_run_without_requests_holds():
    assert said(made_up(0)) == []
