"""Which driver runs a prediction: SimPy's clock, which is there at once, or the compiled one, which has to be compiled first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sim.scenario.model import Scenario
from sim.scenario.size import expected_requests

ENGINES = ("auto", "simpy", "compiled")
LONG = 1_000_000
"""Requests over all replications from which ``auto`` takes compiled code. SimPy takes some 10 s for them on two cores; to compile takes
some 10 s, once for each set of stages. Whether that has been done does not count: the same command would round its last digits otherwise
the second time.
"""


class Choice(NamedTuple):
    """``engine``: simpy or compiled. ``why``: in words, to follow its name."""

    engine: str
    why: str


def choose(engine: str, scenario: Scenario, scale: float, replications: int) -> Choice:
    """The engine for a run. ``auto`` takes the compiled one if the run is long enough to pay for compiling.

    Raises ValueError for an unknown engine.
    """
    if engine not in ENGINES:
        raise ValueError(f"expected an engine of {', '.join(ENGINES)}, found {engine!r}")
    if engine != "auto":
        return Choice(engine, "as asked for")
    requests = expected_requests(scenario, scale) * replications
    if requests < LONG:
        return Choice("simpy", f"below {LONG:,} requests nobody need wait for a compiler")
    return Choice("compiled", f"about {requests:,.0f} requests")


def choose_one(engine: str, scenarios: Sequence[Scenario], scale: float, replications: int) -> Choice:
    """One engine for scenarios that are compared, so that no rounding of the last digits looks like a difference: SimPy, if any of
    them takes it.
    """
    choices = [choose(engine, scenario, scale, replications) for scenario in scenarios]
    slow = next((choice for choice in choices if choice.engine == "simpy"), None)
    return slow or choices[0]
