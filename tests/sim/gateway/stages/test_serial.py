"""The ceiling of serial work: neither more workers nor more cores go beyond it, and what several cores do at once is what Amdahl says."""

from __future__ import annotations

import pytest

from sim.analysis.metrics import measure
from sim.engine.runner import predict
from sim.gateway.language import Scenario
from tests.sim.gateway.by_hand import by_hand
from tests.sim.tiny import BASE

TENTH = {"kind": "constant", "value": "100ms"}


def served_rps(rate="40/s", **gateway):
    """Answered a second, of clients who wait for two seconds."""
    words = {**BASE["workload"], "arrivals": {"kind": "poisson", "rate": rate}, "duration": "2m", "client": {"timeout": "3s"}}
    made = Scenario.model_validate({**BASE, "workload": words, "gateway": {**BASE["gateway"], **gateway}})
    run = predict(made, replications=1, engine="simpy")
    return measure(run, "throughput_rps").value, run


def test_it_is_done_for_one_call_after_the_other_whichever_worker_has_it():
    hand = by_hand(workers=4, serial_per_request=TENTH)
    calls = [hand.start(0.0, serial_demand_s=0.1) for _ in range(3)]
    assert [c.until_s for c in calls] == pytest.approx([0.1, 0.2, 0.3])
    hand.time_comes(calls[1])
    assert (calls[1].state, calls[1].serial_s) == ("performing", pytest.approx(0.2))


def test_more_workers_serve_more_until_the_serial_work_is_all_there_is_time_for():
    words = {"cpu_per_request": TENTH, "serial_per_request": {"kind": "constant", "value": "50ms"}}
    served = [served_rps(workers=workers, **words)[0] for workers in (1, 8, 16)]
    assert served[0] < 11.0, "a worker does ten a second"
    assert served[1] <= 20.5, "and twenty a second are the ceiling"
    assert served[2] == pytest.approx(served[1], rel=0.05)


def test_what_binds_then_is_the_serial_work():
    _, run = served_rps(workers=16, cpu_per_request=TENTH, serial_per_request={"kind": "constant", "value": "50ms"})
    row = max(run.usage, key=lambda row: row["load"] or 0.0)
    assert (row["limit"], row["load"]) == ("the gateway's serial work", pytest.approx(2.0, rel=0.1))


@pytest.mark.parametrize(("cores", "parallel", "seconds"), [(1, 0.5, 1.0), (8, 0.0, 1.0), (2, 0.5, 0.75), (4, 0.8, 0.4)])
def test_a_bigger_server_speeds_up_what_its_cores_do_at_once(cores, parallel, seconds):
    """Amdahl's law: 1 - p + p / cores."""
    hand = by_hand(cores=cores, parallel=parallel, cpu_per_request=TENTH)
    assert hand.start(0.0, cpu_demand_s=1.0).until_s == pytest.approx(seconds)
