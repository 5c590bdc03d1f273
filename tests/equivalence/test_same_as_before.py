"""The chain predicts what the gateway's flow predicted before it, at commit d4fd685: same requests, attempts, outcomes, times and costs.

``flow_d4fd685.json`` holds the figures of replication 0 of each scenario, at the scenario's own seed. Outcomes have other names: a
fallback was what is now told apart as a stale and a canned answer. Intended differences, none of which these scenarios meet: ``cheapest``
ranks by the request's own cost, ``fastest`` forgets old latencies, a key that was refused is left out for a while, token limits of the
gateway charge what is known at admission, a hedge to the next target keeps the routing's turn, and a client whose time is up has left even
if an answer comes at the same moment.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from sim.data.outcomes import NAMES
from sim.engine.simpy_driver.replicate import replicate
from sim.gateway.language import load

HERE = Path(__file__).parent
BEFORE = json.loads((HERE / "flow_d4fd685.json").read_text())
PLACES = {"busy": "validation/busy", "agents": "guide/agents", "demo": "demo", "launch": "launch", "everything": HERE / "everything.yaml"}
OLD_NAMES = {"stale": "fallback", "canned": "fallback"}
CASES = [pytest.param(case, marks=pytest.mark.slow) if case.endswith(" 10x") else case for case in BEFORE]


@pytest.mark.parametrize("case", CASES)
def test_every_figure_is_the_same(case):
    name, scale = case.split(" ")
    scenario = load(PLACES.get(name, f"chaos/{name}")).scenario
    part = replicate((scenario, float(scale.rstrip("x")), scenario.seed, 0))
    outcomes = Counter(OLD_NAMES.get(NAMES[code], NAMES[code]) for code in part.requests["outcome"].tolist())
    before = BEFORE[case]
    assert (len(part.requests), len(part.attempts), dict(outcomes)) == (before["requests"], before["attempts"], before["outcomes"])
    assert part.requests["cost_usd"].sum() == pytest.approx(before["cost_usd"], rel=1e-9)
    assert part.requests["latency_s"].sum() == pytest.approx(before["latency_s"], rel=1e-9)
