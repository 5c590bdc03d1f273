"""The guide's mechanisms: SimPy in virtual time and asyncio on a virtual clock say the same of every request, and each was at work."""

from __future__ import annotations

import numpy as np
import pytest

from sim.data.outcomes import CANNED
from sim.gateway.language import load
from sim.gateway.stages.jobs import EXPIRED, FULL, LONG_FULL
from sim.gateway.stages.overload import SHED
from tests.equivalence.guide_variants import GUIDE
from tests.equivalence.test_asyncio_agrees import SCENARIO, assert_empty, assert_same, in_asyncio, in_simpy, sorted_attempts


def layers_answer(rows: np.ndarray) -> None:
    assert (np.bincount(rows["cache_layer"], minlength=4)[1:] > 50).all()
    assert 0.85 <= np.nanmin(rows["similarity"]) < np.nanmax(rows["similarity"]) <= 1.0
    assert rows["outdated"].sum() > 10
    assert rows["wrong_answer"].sum() > 1


SHORT = ("workload.duration=4m", "faults=[{kind: outage, provider: alpha, at: 1m, for: 45s}]")


def tiers_are_chosen(rows: np.ndarray) -> None:
    assert (np.bincount(rows["misrouted"], minlength=3) > 100).all()
    assert 10 < rows["poor_answer"].sum() < (rows["escalated_s"] > 0).sum()


def inputs_are_checked(rows: np.ndarray) -> None:
    assert (np.bincount(rows["unsound"], minlength=3) > 50).all()
    assert rows["injection_passed"].sum() > 10
    assert rows["validation_usd"].sum() > 0


def summaries_are_made(rows: np.ndarray) -> None:
    assert (np.bincount(rows["summary"], minlength=3) > 50).all()
    assert rows["summary_usd"].sum() > 0
    assert min((rows["turns_cut"] > 0).sum(), rows["answer_cut"].sum()) > 20
    assert (rows["summary_s"][rows["summary"] == 2] > 0).all()


def less_is_served_under_load(rows: np.ndarray) -> None:
    assert 100 < rows["under_load"].sum() < len(rows) / 2
    assert rows["smaller_model"].sum() > 0 or rows["shortened"].sum() > 20
    shed = rows["refused_by"] == SHED
    assert shed.sum() > 20
    assert (rows["outcome"][shed] == CANNED).any()


def workers_scale(rows: np.ndarray) -> None:
    assert (rows["cpu_s"] > 1.0).sum() > 50


def workers_start_from_none(rows: np.ndarray) -> None:
    assert (rows["worker_wait_s"] > 0).sum() > 5
    assert (rows["queue_wait_s"] > 0).sum() > 50


def regions_are_apart(rows: np.ndarray) -> None:
    assert (np.bincount(rows["region"], minlength=3) > 100).all()
    assert len(np.unique(rows["network_s"][rows["attempts"] > 0].round(6))) >= 3
    assert (rows["backbone_s"] > 0.05).sum() > 50


def connections_run_out(rows: np.ndarray) -> None:
    assert rows["pool_timeouts"].sum() > 20
    assert 100 < rows["new_connections"].sum() < 0.9 * rows["attempts"].sum()


def jobs_over_few_connections(rows: np.ndarray) -> None:
    jobs_are_done(rows)
    connections_run_out(rows)
    assert min((rows["pool_wait_s"] > 0).sum(), (rows["connect_s"] > 0).sum()) > 100


def tiers_and_connections(rows: np.ndarray) -> None:
    tiers_are_chosen(rows)
    connections_run_out(rows)


def jobs_are_done(rows: np.ndarray) -> None:
    accepted = rows[np.isfinite(rows["accepted_s"])]
    assert (np.bincount(accepted["job_lane"]) > 50).all()
    assert (accepted["job_wait_s"] > 0).sum() > 50
    assert (accepted["latency_s"] > 2).sum() > 50, "longer than their clients wait for anything else"
    assert {FULL, LONG_FULL, EXPIRED} <= set(rows["refused_by"].tolist())


AT_WORK = {
    "jobs over few connections": jobs_over_few_connections,
    "less under load": less_is_served_under_load,
    "summaries by calls": summaries_are_made,
    "regions, one of which goes down": regions_are_apart,
    "workers by their CPUs": workers_scale, "workers by their calls, from none": workers_start_from_none,
    "input validation": inputs_are_checked,
    "layered caches": layers_answer, "tiers by a classifier": tiers_are_chosen, "tiers by a classifier, hedged": tiers_and_connections,
}  # fmt: skip


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) if name != "layered caches" else name for name in GUIDE])
def test_both_drivers_say_the_same(name: str) -> None:
    scenario = load(SCENARIO, [*SHORT, *GUIDE[name]]).scenario
    (ours, requests, attempts), (theirs, their_requests, their_attempts) = in_simpy(scenario), in_asyncio(scenario)
    AT_WORK[name](requests)
    assert_same(requests, their_requests)
    assert_same(sorted_attempts(attempts), sorted_attempts(their_attempts))
    last_s = requests["arrival_s"].max()
    assert [event[1:] for event in ours.events if event[0] <= last_s] == [event[1:] for event in theirs.events if event[0] <= last_s]
    assert_empty(ours)
    assert_empty(theirs)
