"""Invariants hold on every run, and a broken one is noticed, located and replayable. Fingerprints identify a trajectory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sim.engine.replication
from sim.data.fingerprint import fingerprint
from sim.engine.invariants import InvariantViolated, Level, Replication, violations
from sim.engine.runner import predict
from sim.gateway.language import load

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
    predict(scenario, replications=2)
    patch.undo()
    return seen[1]


def broken(held: Replication, **columns) -> list[str]:
    """What is said about a copy of the run in which one row's columns are moved by so much."""
    rows = held.requests.copy()
    for column, by in columns.items():
        rows[column][17] += by
    return [violation.says for violation in violations(held._replace(requests=rows))]


def test_a_run_with_everything_in_it_holds(held):
    assert list(violations(held[0])) == []
    assert held[0].gateway.admission.waited_s > 0


def test_conservation_notices_a_request_that_never_ended(held):
    short = held[0]._replace(requests=held[0].requests[:-1], system_s=held[0].system_s[:-1])
    assert any("arrived" in violation.says for violation in violations(short))


def test_littles_law_notices_a_wait_that_was_a_little_longer(held):
    assert any("Little's law in the admission queue" in each for each in broken(held[0], queue_wait_s=1e-5))


def test_littles_law_notices_a_stay_that_was_a_little_longer(held):
    system_s = held[0].system_s.copy()
    system_s[3] += 1e-5
    assert any("Little's law in the system" in each.says for each in violations(held[0]._replace(system_s=system_s)))


@pytest.mark.parametrize(
    ("column", "by", "says"),
    [("cost_usd", 1e-6, "cost"), ("attempts", 1, "attempts"), ("backoff_s", -99.0, "backoff_s is negative"), ("outcome", 9, "no outcome")],
)
def test_every_other_law_notices_its_own_violation(held, column, by, says):
    assert any(says in each for each in broken(held[0], **{column: by}))


def test_a_level_over_its_limit_is_noticed(held):
    samples = held[0].samples.copy()
    samples["in_service"][5] = 23
    assert any("its limit is 22" in each.says for each in violations(held[0]._replace(samples=samples)))


def test_a_violation_stops_the_run_and_names_the_place_and_the_options(scenario, monkeypatch):
    honest = Level.leave
    monkeypatch.setattr(Level, "leave", lambda level, now_s: honest(level, now_s + 0.001))
    options = "--scale 1.25 --seed 11 --replications 1 --engine simpy"
    with pytest.raises(InvariantViolated, match=rf"Little's law in the system.*to replay: tenfold predict with .*, {options}$"):
        predict(scenario, 1.25, replications=1)


@pytest.mark.parametrize(("engine", "scale"), [("simpy", 1 / 3), ("compiled", 1.0)])
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
    first, again, other = (fingerprint(predict(scenario, replications=2, seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    "by", [{}, {"cost_usd": 1e-6}, {"attempts": 1}, {"backoff_s": -99.0}, {"outcome": 9}, {"request": -1}, {"cpu_s": 99.0}]
)
def test_compiled_or_not_the_same_laws_are_checked(held, by):
    from sim.compiled.checks import OVER_ROWS

    assert broken(held[0]._replace(passes=OVER_ROWS), **by) == broken(held[0], **by)


def test_attempts_may_end_in_any_order(held):
    shuffled = held[0].attempts[np.random.default_rng(1).permutation(len(held[0].attempts))]
    assert list(violations(held[0]._replace(attempts=shuffled))) == []


@pytest.mark.parametrize("passes", ["columns", "rows"])
def test_an_attempt_of_nobodys_is_noticed(held, passes):
    from sim.compiled.checks import OVER_ROWS

    for nobody in (-1, len(held[0].requests)):
        attempts = held[0].attempts.copy()
        attempts["request"][7] = nobody
        changed = held[0]._replace(attempts=attempts, passes=OVER_ROWS if passes == "rows" else None)
        assert "an attempt belongs to no request" in [each.says for each in violations(changed)]


def test_requests_need_not_be_numbered_one_after_the_other(held):
    rows, attempts = held[0].requests.copy(), held[0].attempts.copy()
    rows["request"] *= 3
    attempts["request"] *= 3
    apart = held[0]._replace(requests=rows, attempts=attempts)
    assert list(violations(apart)) == []
    attempts["request"][7] += 1
    assert "an attempt belongs to no request" in [each.says for each in violations(apart)]
