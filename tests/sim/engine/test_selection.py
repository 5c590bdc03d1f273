"""Which engine runs what, and what each is asked for by name."""

from __future__ import annotations

import numpy as np
import pytest
from sim.compiled.cache import directory

from sim.data.fingerprint import fingerprint
from sim.engine.runner import predict
from sim.engine.selection import choose
from sim.scenario.errors import ScenarioError
from sim.scenario.model import Scenario
from tests.sim.tiny import BASE, scenario


def closed() -> Scenario:
    raw = BASE | {
        "workload": BASE["workload"] | {"arrivals": {"kind": "closed", "clients": 5, "think": {"kind": "constant", "value": "1s"}}}
    }
    return Scenario.model_validate(raw)


def test_auto_takes_simpy_for_a_short_run_and_the_compiled_engine_for_a_long_one():
    assert choose("auto", scenario(), 1.0, 10).engine == "simpy"
    assert choose("auto", scenario(), 10.0, 10).engine == "compiled"


def test_the_choice_does_not_depend_on_what_has_been_compiled_before(tmp_path, monkeypatch):
    before = choose("auto", scenario(), 10.0, 10)
    monkeypatch.setenv("TENFOLD_CACHE_DIR", str(tmp_path / "empty"))
    directory.cache_clear()
    try:
        assert choose("auto", scenario(), 10.0, 10) == before
    finally:
        monkeypatch.undo()
        directory.cache_clear()


def test_auto_says_why_it_cannot_take_the_compiled_engine():
    engine, why = choose("auto", closed(), 1000.0, 10)
    assert engine == "simpy"
    assert "workload.arrivals: closed" in why


def test_the_compiled_engine_refuses_by_name_what_it_cannot_run():
    with pytest.raises(ScenarioError, match="closed"):
        choose("compiled", closed(), 1.0, 1)
    with pytest.raises(ScenarioError, match=r"providers\.a\.models\.one\.latency"):
        choose("compiled", scenario(a={"models": {"one": {"latency": {"kind": "gamma", "mean": "1s", "cv": 2.0}}}}), 1.0, 1)


def test_whatever_the_compiled_engine_has_never_heard_of_is_refused():
    with pytest.raises(ScenarioError, match=r"providers\.a\.rtt"):
        choose("compiled", scenario(a={"rtt": "10ms"}), 1.0, 1)
    with pytest.raises(ScenarioError, match=r"faults\[0\]: stall"):
        choose("compiled", scenario(faults=[{"kind": "stall", "provider": "a", "at": "1s", "for": "1s"}]), 1.0, 1)


def test_an_engine_that_does_not_exist_is_an_error():
    with pytest.raises(ValueError, match="warp"):
        choose("warp", scenario(), 1.0, 1)


def test_both_engines_predict_the_same_run():
    theirs, ours = (predict(scenario(), replications=2, engine=engine) for engine in ("simpy", "compiled"))
    assert (theirs.engine, ours.engine) == ("simpy", "compiled")
    assert len(ours.requests) > 5000
    np.testing.assert_allclose(ours.requests["latency_s"], theirs.requests["latency_s"], rtol=1e-9)
    assert fingerprint(ours) == fingerprint(predict(scenario(), replications=2, engine="compiled"))
