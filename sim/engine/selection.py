"""Which engine runs a prediction: the SimPy world, or the compiled one, which says the same faster but has to be compiled first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sim.compiled.refusals import why_not
from sim.scenario.errors import Problem, ScenarioError
from sim.scenario.model import Scenario
from sim.scenario.size import expected_requests

ENGINES = ("auto", "simpy", "compiled")
LONG = 200_000
"""Requests over all replications from which ``auto`` takes the compiled world: they take the SimPy world some 3 s.

Compiling takes some 15 s, once. Whether that has been done does not count: the same command would round its last digits otherwise the
second time.
"""


class Choice(NamedTuple):
    """``engine``: simpy or compiled. ``why``: in words, to follow its name."""

    engine: str
    why: str


def choose(engine: str, scenario: Scenario, scale: float, replications: int) -> Choice:
    """The engine for a run. ``auto`` takes the compiled world if it can run the scenario and the run is long enough to pay.

    Raises ScenarioError if the compiled world is asked for and cannot run the scenario, ValueError for an unknown engine.
    """
    if engine not in ENGINES:
        raise ValueError(f"expected an engine of {', '.join(ENGINES)}, found {engine!r}")
    if engine == "simpy":
        return Choice("simpy", "as asked for")
    reasons = why_not(scenario)
    if engine == "compiled":
        if reasons:
            raise ScenarioError(
                [Problem(scenario.name, f"the compiled engine cannot run {reason}; use auto or simpy") for reason in reasons]
            )
        return Choice("compiled", "as asked for")
    if reasons:
        return Choice("simpy", f"the compiled engine cannot run {', '.join(reasons)}")
    if not is_long(scenario, scale, replications):
        return Choice("simpy", "the run is short")
    return Choice("compiled", f"about {expected_requests(scenario, scale) * replications:,.0f} requests")


def choose_one(engine: str, scenarios: Sequence[Scenario], scale: float, replications: int) -> Choice:
    """One engine for scenarios that are compared, so that no rounding of the last digits looks like a difference: SimPy, if any of
    them takes it.
    """
    choices = [choose(engine, scenario, scale, replications) for scenario in scenarios]
    slow = next((choice for choice in choices if choice.engine == "simpy"), None)
    return slow or choices[0]


def is_long(scenario: Scenario, scale: float, replications: int) -> bool:
    """Long enough for the compiled world to pay, as far as can be known before: see ``expected_requests``."""
    return expected_requests(scenario, scale) * replications >= LONG
