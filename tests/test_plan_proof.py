"""``python -m tests.plan_proof`` compares the winner with what costs a little less, of a scenario that the reference gateway plays."""

from __future__ import annotations

from typing import Any

from loadtest.targets import find_target
from sim.gateway.language import load
from sim.whatif.variation import parse_knobs
from tests.plan_proof import COST, KNOBS, SCENARIO, notch_cheaper


def row(cost: float, **settings: str) -> dict[str, Any]:
    return {"settings": settings, "figures": {COST: {"value": cost}}}


def test_a_notch_cheaper_differs_in_one_knob_and_costs_as_much_as_can_be() -> None:
    rows = [row(9, units="4", slots="8"), row(15, units="8", slots="8"), row(14, units="7", slots="8"), row(14.5, units="7", slots="9"),
            row(16, units="9", slots="8"), row(12, units="6", slots="8")]  # fmt: skip
    assert notch_cheaper({"best": 1, "configurations": rows}) is rows[2]


def test_the_scenario_has_the_knobs_and_a_minute_on_the_reference_gateway() -> None:
    for knob in parse_knobs(KNOBS):
        loaded = load(SCENARIO, [f"{knob.path}={knob.values.at(0.5)}"])
        assert find_target("reference").cannot(loaded) == []
        assert loaded.scenario.workload.duration <= 60
        assert len(loaded.scenario.budgets) > 1
