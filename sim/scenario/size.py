"""How many requests a scenario makes, and the most that a run may have."""

from __future__ import annotations

from sim.scenario.errors import Problem, ScenarioError
from sim.scenario.model import Closed, Gamma, Poisson, Scenario, Stages, Users

MOST_REQUESTS = 50_000_000
"""Expected requests of one replication. A schedule of this many fills some 5 GB."""
MOST_IN_ALL = 200_000_000
"""Expected requests of all replications of one scale. Their rows fill some 25 GB of disk, where long runs keep them (sim.data.spill)."""


def expected_requests(scenario: Scenario, scale: float = 1.0) -> float:
    """How many requests one replication is expected to make, warm-up included.

    Closed clients count once each, the least they can do; a trace counts 0, because only its file can tell.
    """
    arrivals, duration_s = scenario.workload.arrivals, scenario.workload.duration
    if isinstance(arrivals, (Poisson, Gamma)):
        return arrivals.rate.rps * duration_s * scale
    if isinstance(arrivals, Stages):
        return scale * sum(stage.rate.rps * stage.duration for stage in arrivals.stages)
    if isinstance(arrivals, Users):
        return scale * arrivals.daily_active * arrivals.calls_per_day * duration_s / 86400
    return arrivals.clients * scale if isinstance(arrivals, Closed) else 0.0


def refuse_too_many(scenario: Scenario, scale: float, replications: int = 1) -> None:
    """Raises ScenarioError, before anything is computed, for more requests at this scale than a run may have."""
    requests = expected_requests(scenario, scale)
    if requests > MOST_REQUESTS:
        message = f"about {requests:,.0f} requests at {scale:g}x; a run may have {MOST_REQUESTS:,}"
        hint = "lower --scale, or shorten workload.duration"
    elif requests * replications > MOST_IN_ALL:
        message = (
            f"about {requests * replications:,.0f} requests in {replications:,} replications at {scale:g}x; the most is {MOST_IN_ALL:,}"
        )
        hint = "lower --replications or --scale, or shorten workload.duration"
    else:
        return
    raise ScenarioError([Problem("scenario", message, path="workload.arrivals", hint=hint)])
