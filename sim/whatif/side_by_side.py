"""A scenario as it stands beside the same with some values changed, on the same random numbers, short enough for an answer at once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from sim.analysis.paired_comparison import Difference
from sim.formatting import Document, seconds
from sim.scenario.load import Loaded, to_yaml
from sim.scenario.model import Closed, Scenario
from sim.scenario.shorten import shortened
from sim.scenario.size import expected_requests
from sim.whatif.configurations import Load
from sim.whatif.evaluation import AVAILABILITY, COST, P99, with_those_of_budgets
from sim.whatif.evaluator import Evaluator
from sim.whatif.kept import Kept
from sim.whatif.plan import predict_command
from sim.whatif.sweep import changes_of
from sim.whatif.variation import Settings

SHOWN = ("latency_s.p50", P99, AVAILABILITY, COST)
AT_ONCE = {"simpy": 8_000, "compiled": 80_000}
"""Requests that are predicted and evaluated in some 0.4 s on one core of 2025: SimPy takes 25,000 a second, compiled code 180,000."""
MOST_REPLICATIONS = 10


class Amount(NamedTuple):
    """What stands behind the figures. ``shortening``: overrides that squeeze the run, none where it is short enough."""

    engine: str
    replications: int
    shortening: tuple[str, ...]
    words: str


class Pair(NamedTuple):
    """Documents of ``figures_of`` of the scenario as it stands, and changed; what moved; how they are had again."""

    before: Document
    after: Document
    changes: dict[str, Difference]
    amount: Amount
    commands: tuple[str, str]
    overlay: str
    took_s: float


@dataclass
class SideBySide:
    """``path`` and ``overrides`` are of the scenario as it stands; ``load`` takes all overrides. ``engine`` auto: compiled code, if it has
    been compiled before. ``seed`` None: the scenario's own.
    """

    path: str
    overrides: tuple[str, ...]
    load: Load
    engine: str = "auto"
    seed: int | None = None
    executor: Executor | None = None
    kept: Kept = field(default_factory=lambda: Kept(None))

    def __post_init__(self) -> None:
        self.base = self.load(self.overrides)
        self.written = self.load(()) if self.overrides else self.base  # what the overlay extends

    def compare(self, settings: Settings, scale: float) -> Pair:
        """Raises ScenarioError for settings that do not hold together with the rest."""
        begun_s = time.perf_counter()
        changed = tuple(f"{path}={value}" for path, value in settings)
        variant = self.load((*self.overrides, *changed))
        how = amount_for(self.base.scenario, scale, self.engine_for(variant.scenario))
        first, second = (self.load((*self.overrides, *each, *how.shortening)) for each in ((), changed))
        figures = with_those_of_budgets(SHOWN, self.base.scenario)
        dice = self.base.scenario.seed if self.seed is None else self.seed
        evaluator = Evaluator(dice, how.replications, how.engine, figures, 2, self.kept, self.executor, workers=2)
        before, after = evaluator.each([first, second], scale)
        changes = changes_of(before, after, SHOWN, len(SHOWN))
        commands = (self.command((), how, before), self.command(changed, how, after))
        return Pair(before, after, changes, how, commands, overlay_of(self.written, second), time.perf_counter() - begun_s)

    def command(self, changed: Sequence[str], how: Amount, document: Document) -> str:
        return predict_command(self.path, [*self.overrides, *changed, *how.shortening], self.seed, document)

    def engine_for(self, variant: Scenario) -> str:
        if self.engine != "auto":
            return self.engine
        from sim.engine.compiled_driver.replicate import is_compiled

        return "compiled" if is_compiled(self.base.scenario) and is_compiled(variant) else "simpy"


def amount_for(scenario: Scenario, scale: float, engine: str) -> Amount:
    """As many replications as are had at once, MOST_REPLICATIONS at most; one of a squeezed run where not even that is. A trace, whose
    length only its file can tell, and closed clients, who set their own pace, run once and whole. What clients send again comes on top.
    """
    requests, duration_s = expected_requests(scenario, scale), scenario.workload.duration
    whole = f"the whole {seconds(duration_s)}"
    if requests == 0 or isinstance(scenario.workload.arrivals, Closed):
        return Amount(engine, 1, (), f"1 replication of {whole}")
    if requests <= AT_ONCE[engine]:
        replications = min(MOST_REPLICATIONS, int(AT_ONCE[engine] // requests))
        return Amount(engine, replications, (), f"{replications} replication{'s' * (replications > 1)} of {whole}")
    short_s = float(f"{duration_s * AT_ONCE[engine] / requests:.2g}")
    words = f"1 replication of {seconds(duration_s)} squeezed into {seconds(short_s)}"
    words += ", its faults with it (a shorter fault may do less)" if scenario.faults else ""
    return Amount(engine, 1, shortened(scenario, short_s), words)


# ---- the overlay ------------------------------------------------------------------------------------------------------
def overlay_of(written: Loaded, changed: Loaded) -> str:
    """A scenario file that extends the written one, to be kept beside it, and loads as the changed one."""
    return to_yaml({"extends": Path(written.path).name, **difference_of(written.tree(), changed.tree())})


def difference_of(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """What laid over ``old`` makes it ``new``, as ``extends`` lays it: mappings merge, null removes, anything else replaces, and so does a
    mapping that states its kind.
    """
    found: dict[str, Any] = dict.fromkeys(key for key in old if key not in new)
    for key, value in new.items():
        if key in old and value == old[key]:
            continue
        before = old.get(key)
        merges = isinstance(before, dict) and isinstance(value, dict) and ("kind" not in value or key == "gateway")
        found[key] = difference_of(before or {}, value) if merges else value
    return found
