"""Figures per user rest on a population that the scenario states, also once it has been through its canonical form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sim.analysis.metrics import measure
from sim.gateway.language import load
from sim.workload.calls import population
from tests.sim.synthetic_runs import rows, run_of, scenario

WORKLOAD = {
    "duration": "10m",
    "requests": [{"name": "faq", "tokens": {part: {"kind": "constant", "value": 10} for part in ("input", "output")}}],
}
POISSON = {"kind": "poisson", "rate": "1/s"}
DAILY = {"kind": "users", "daily_active": 300, "calls_per_day": 20}
CLIENTS = {"kind": "closed", "clients": 30, "think": {"kind": "constant", "value": "1s"}}


@pytest.mark.parametrize(
    ("stated", "users"),
    [
        ({"arrivals": POISSON, "users": {"count": 500}}, 500),
        ({"arrivals": DAILY}, 300),
        ({"arrivals": CLIENTS}, 30),
        ({"arrivals": POISSON}, None),
    ],
    ids=["users", "daily active", "clients", "nobody said"],
)
def test_the_cost_per_user_needs_users(stated: dict[str, Any], users: int | None) -> None:
    run = run_of(rows(600, cost_usd=0.01), scenario=scenario(workload=WORKLOAD | stated))
    month = measure(run, "cost_usd.per_month").value
    assert month
    assert measure(run, "cost_usd.per_user_month").value == (None if users is None else pytest.approx(month / users))


def test_loading_a_scenario_states_no_users_for_it(tmp_path: Path) -> None:
    path = Path(__file__).parents[1] / "scenario" / "valid.yaml"
    loaded = load(path, ["workload.users=null", "workload.arrivals={kind: users, daily_active: 321, calls_per_day: 10}"])
    assert loaded.scenario.workload.users is None
    assert population(loaded.scenario.workload) == 321
    again = tmp_path / "again.yaml"
    again.write_text(loaded.yaml_text)
    assert population(load(again).scenario.workload) == 321
