"""Straight-line code does what the stages' source does, bit for bit; and what may change while it runs is not decided beforehand."""

from __future__ import annotations

import ast
import random
from dataclasses import replace
from math import inf
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from sim.engine.simpy_driver import replicate as driver
from sim.engine.simpy_driver import sources
from sim.engine.simpy_driver.partial_evaluation import Code, Evaluator, Known
from sim.gateway.language import load
from sim.kernel.containers import Keyed
from sim.kernel.state import state
from sim.provider import rate_limiter
from sim.scenario.units import Rate
from tests.equivalence.scenarios import SCENARIOS
from tests.equivalence.test_same_as_before import PLACES
from tests.sim.engine.simpy_driver.test_simulation import requests
from tests.sim.engine.simpy_driver.test_simulation import simulation as logged


def assert_same_written_out(scenario: Any) -> None:
    """Rows, samples and events, with and without straight-line code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver, "WORTH_WRITING_OUT", inf)
        general = driver.replicate((scenario, 1.0, scenario.seed, 0))
        patch.setattr(driver, "WORTH_WRITING_OUT", 0)
        written_out = driver.replicate((scenario, 1.0, scenario.seed, 0))
    assert written_out.requests.tobytes() == general.requests.tobytes()
    assert written_out.attempts.tobytes() == general.attempts.tobytes()
    assert written_out.timeline.tobytes() == general.timeline.tobytes()
    assert written_out.events == general.events


@pytest.mark.parametrize("name", ["demo", "launch", "agents", "everything"])
def test_scenarios_of_the_repository_leave_the_same_rows(name):
    assert_same_written_out(load(PLACES[name]).scenario)


@settings(max_examples=25, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
@given(SCENARIOS)
def test_random_scenarios_leave_the_same_rows(scenario):
    assert_same_written_out(scenario)


def test_methods_that_a_subclass_has_of_its_own_are_called():
    env = logged()
    env.write_out()
    env.play(requests(0.5, 1.0))
    assert env.log == [("arrives", 0, 0.5), ("arrives", 1, 1.0), ("ok", 0, 1.5), ("ok", 1, 2.0)]


def test_a_run_may_change_to_straight_line_code_on_its_way():
    def played(change: bool) -> bytes:
        env = logged(gateway={"queue": {"concurrency": 2, "waiting": 3}, "breaker": {"minimum_calls": 2}})
        first, second = requests(*(0.3 * n for n in range(40)))[:20], requests(*(0.3 * n for n in range(40)))[20:]
        env.play(first)
        if change:
            env.write_out()
        env.play(second)
        return bytes(env.requests.rows) + bytes(env.attempts.rows)

    assert played(True) == played(False)


# ---- partial evaluation


@state
class Row:
    fixed: int = 3
    counted: int = 0


def double(x):
    return x + x


def sign(x):
    if x < 0:
        return -1
    if x == 0:
        return 0
    return 1


def uses_sign(g, x):
    if sign(x) > 0 and sign(x - 5.0) > 0:
        return "large"
    return "small" if sign(x) >= 0 else "negative"


def reads_before_it_calls(g, x):
    return g.row.counted + count_up(g)


def count_up(g):
    g.row.counted += 1
    return g.row.counted


def finds(g, x):
    for item in g.items:  # noqa: SIM110
        if item == x:
            return True
    return False


def asks(g, x):
    if finds(g, x):
        return "there"
    return "empty" if not g.items else "not there"


def sums_rows(g, x):
    total = 0
    for key in (1, 2, 3):
        row = g.table[key]
        total += row.fixed * x
        row.counted += 1
    return total


HERE = {each.__name__: each for each in (double, sign, uses_sign, reads_before_it_calls, count_up, finds, asks, sums_rows)}


@pytest.fixture
def made(monkeypatch):
    """``made(function, g)``: its straight-line form, and its text."""
    monkeypatch.setattr(sources, "PACKAGES", (*sources.PACKAGES, __name__))
    sources.source_of.cache_clear()

    def make(function: Any, g: Any) -> tuple[Any, str]:
        evaluator = Evaluator(SimpleNamespace(g=g, p=None), {"counted", "level", "at_s", "place"}, {}, ())
        returns = lambda frame, value: [ast.Return(evaluator.code(value))]  # noqa: E731
        text = evaluator.text(function, [Known(g), Code(ast.Name("x", ast.Load()))], returns, False)
        made = evaluator.function("made", "x", text)
        return evaluator.compiled([made])["made"], ast.unparse(made)

    yield make
    sources.source_of.cache_clear()


def gateway() -> Any:
    return SimpleNamespace(row=Row(), items=[], table=Keyed("user", Row), calls=[], path=None)


def test_calls_are_written_out_and_early_returns_kept(made):
    function, text = made(uses_sign, gateway())
    assert "sign" not in text
    assert [function(x) for x in (-1.0, 0.0, 3.0, 7.0)] == ["negative", "small", "small", "large"]


def test_what_was_read_before_a_call_is_not_read_after_it(made):
    written_out, original = gateway(), gateway()
    function, _ = made(reads_before_it_calls, written_out)
    assert [function(0) for _ in range(3)] == [reads_before_it_calls(original, 0) for _ in range(3)] == [1, 3, 5]


def test_a_list_that_is_empty_now_may_not_be_later(made):
    g = gateway()
    function, _ = made(asks, g)
    assert function(1) == "empty"
    g.items.append(1)
    assert (function(1), function(2)) == ("there", "not there")


def test_a_field_that_all_rows_share_is_known_and_one_that_is_stored_is_not(made):
    g = gateway()
    function, text = made(sums_rows, g)
    assert ".fixed" not in text
    assert function(2) == 18
    assert [g.table[key].counted for key in (1, 2, 3)] == [1, 1, 1]


@pytest.mark.parametrize("algorithm", rate_limiter.ALGORITHMS)
def test_a_rate_limiter_of_a_known_kind_decides_as_the_general_one(made, algorithm):
    rate, dice = Rate(5, 2.0), random.Random(1)
    g = SimpleNamespace(limit=rate_limiter.limit_of(rate, algorithm), ring=rate_limiter.ring_of(rate, algorithm), calls=[], path=None)
    other, ring = replace(g.limit), list(g.ring)
    function, text = made(takes, g)
    assert "algorithm" not in text
    now_s = 0.0
    for _ in range(500):
        now_s += dice.expovariate(3.0)
        assert function(now_s) == rate_limiter.take(other, ring, now_s, 1.0)
    assert other == g.limit


def takes(g, x):
    return rate_limiter.take(g.limit, g.ring, x, 1.0)
