"""Which engine runs what, and what each is asked for by name."""

from __future__ import annotations

import numpy as np
import pytest

from sim.data.fingerprint import fingerprint
from sim.engine.compiled_driver.cache import directory
from sim.engine.runner import predict
from sim.engine.selection import choose, choose_one
from sim.gateway.language import Scenario
from tests.sim.tiny import BASE, scenario


def closed() -> Scenario:
    raw = BASE | {
        "workload": BASE["workload"] | {"arrivals": {"kind": "closed", "clients": 5, "think": {"kind": "constant", "value": "1s"}}}
    }
    return Scenario.model_validate(raw)


def test_auto_takes_simpy_for_a_short_run_and_the_compiled_engine_for_a_long_one():
    assert choose("auto", scenario(), 1.0, 10).engine == "simpy"
    assert choose("auto", scenario(), 100.0, 10).engine == "compiled"


def test_the_choice_does_not_depend_on_what_has_been_compiled_before(tmp_path, monkeypatch):
    before = choose("auto", scenario(), 100.0, 10)
    monkeypatch.setenv("TENFOLD_CACHE_DIR", str(tmp_path / "empty"))
    directory.cache_clear()
    try:
        assert choose("auto", scenario(), 100.0, 10) == before
    finally:
        monkeypatch.undo()
        directory.cache_clear()


def test_what_is_asked_for_by_name_is_taken_whatever_the_scenario():
    assert choose("compiled", closed(), 1.0, 1).engine == "compiled"
    assert choose("simpy", scenario(), 1000.0, 100).engine == "simpy"


def test_scenarios_that_are_compared_run_in_one_engine():
    long = scenario()
    short = long.model_copy(update={"workload": long.workload.model_copy(update={"duration": 60.0})})
    assert choose("auto", long, 100.0, 10).engine == "compiled"
    assert choose_one("auto", [long, short], 100.0, 10).engine == "simpy"


def test_an_engine_that_does_not_exist_is_an_error():
    with pytest.raises(ValueError, match="warp"):
        choose("warp", scenario(), 1.0, 1)


@pytest.mark.slow
def test_both_engines_predict_the_same_run():
    theirs, ours = (predict(scenario(), replications=2, engine=engine) for engine in ("simpy", "compiled"))
    assert (theirs.engine, ours.engine) == ("simpy", "compiled")
    assert len(ours.requests) > 5000
    np.testing.assert_allclose(ours.requests["latency_s"], theirs.requests["latency_s"], rtol=1e-9)
    assert fingerprint(ours) == fingerprint(predict(scenario(), replications=2, engine="compiled"))
