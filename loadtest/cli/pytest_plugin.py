"""pytest plugin: latency budgets of a scenario as tests of a project's own suite.

    @pytest.mark.latency_budget("launch.yaml", "latency.p99 < 8s", scale=10)
    def test_a_launch_is_survived(): ...

    def test_a_smaller_pool_will_do(latency_budget):
        run = latency_budget("launch.yaml", "latency.p99{class=chat} < 8s", overrides=["gateway.queue.concurrency=32"])
        assert run["cost_usd"]["per_month"]["value"] < 5_000

Both predict the scenario and fail with every budget that does not hold, or of which the samples cannot say; without budgets of their own
they take the scenario's. What has been predicted once in a session is not predicted again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sim.data.run import Run

MARKER = "latency_budget(scenario, *budgets, scale=1, replications=10, seed=None, overrides=[]): hold a predicted scenario to budgets"
Check = Callable[..., dict[str, Any]]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Before the body of a test its marks: those of its class and module, too."""
    for mark in item.iter_markers("latency_budget"):
        hold(*mark.args, **mark.kwargs)
    return (yield)


@pytest.fixture
def latency_budget() -> Check:
    """Holds a scenario to budgets, and returns what ``tenfold predict --json`` says of the run: ``hold``."""
    return hold


def hold(
    scenario: str | Path, *budgets: str, scale: float = 1.0, replications: int = 10, seed: int | None = None, overrides: Sequence[str] = ()
) -> dict[str, Any]:
    """Predict and judge; the entry of the summary. Fails the test for a broken budget, and for a scenario or budget that is refused."""
    __tracebackhide__ = True
    from sim.analysis.budgets import judge
    from sim.analysis.summary import judged, summarize_run
    from sim.report.ci import said_of
    from sim.scenario.budgets import BudgetError, parse_budget
    from sim.scenario.errors import ScenarioError

    try:
        run = predicted(str(Path(scenario).absolute()), tuple(overrides), scale, replications, seed)
        asked = tuple(parse_budget(text) for text in budgets or run.scenario.budgets)
        verdicts = [judged(judgement) for judgement in judge(run, asked)]
    except (BudgetError, ScenarioError) as error:
        pytest.fail(str(error), pytrace=False)
    if not asked:
        pytest.fail(f"{scenario} states no budgets, and none were given", pytrace=False)
    if broken := [said_of(verdict) for verdict in verdicts if verdict["ok"] is not True]:
        pytest.fail("\n".join([f"{run.scenario.name} at {scale:g}x:", *(f"  {said}" for said in broken)]), pytrace=False)
    return summarize_run(run)


@cache
def predicted(path: str, overrides: tuple[str, ...], scale: float, replications: int, seed: int | None) -> Run:
    """Budgets, which do not bear on what is predicted, are checked by whoever asks."""
    from sim.engine.runner import predict
    from sim.gateway.language import load

    return predict(load(path, overrides).scenario, scale, replications, seed)
