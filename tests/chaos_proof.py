"""``python -m tests.chaos_proof [WHAT …]``: play chaos scenarios for real and write results/validation/chaos.md: model beside measurement.

WHAT is a group (library, gateways, storm), a target, a scenario, or a pattern of rows ('*50% load*'). With it only those rows are played,
and the others stay as they are kept. Run it with nothing else going on: a disturbed run is reported invalid. A row is one run of ``tenfold
chaos NAME --target T`` with the changes that the page names, which hold for the prediction too. Gateways of others: ``python -m
loadtest.targets.install NAME``.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

from sim.report.chaos import recovery_cell
from tests.proof import PLACE, ROOT, is_installed, table_row, tenfold, today_here

QUICK = ("--on", "scenarios/validation/launch-quick.yaml")
TWO = ("--on", "scenarios/validation/two-providers.yaml")
MINUTE = ("--duration", "60s")


class Case(NamedTuple):
    """``says`` tells rows of one scenario apart. ``published``: whether it recovers by the literature, where that says so."""

    name: str
    laid: tuple[str, ...] = QUICK
    changes: tuple[str, ...] = ()
    target: str = "reference"
    says: str = ""
    published: bool | None = None

    @property
    def title(self) -> str:
        name = Path(self.name).stem
        return f"{name}, {self.says}" if self.says else name

    @property
    def options(self) -> list[str]:
        return [*self.laid, *(word for change in self.changes for word in ("--set", change))]

    @property
    def key(self) -> str:
        return " ".join([self.target, self.title, *self.options])


SLOW = "gateway.breaker={slow_rate: 0.5, slow_after: 4s, window: time, window_size: 10, minimum_calls: 20}"  # the scenario's, in a third
LIBRARY = [
    Case("provider_blackout"),
    Case("provider_hang"),
    Case("provider_brownout", changes=(SLOW,)),
    Case("flaky_provider"),
    Case("failover_cascade", changes=("providers.anthropic.limits.requests=33/20s",)),
    Case("correlated_providers"),
    Case("stalled_stream"),
    Case("breaker_flap", MINUTE, ("workload.arrivals.rate=20/s", "gateway.breaker.open_for=1s")),
    Case("agent_loop_amplification", MINUTE, ("workload.arrivals.rate=12/s",)),
    Case("fallback_cost_blowup", MINUTE, ("workload.arrivals.rate=12/s", "gateway.breaker.open_for=2s")),
    Case("poison_request", MINUTE, ("workload.requests.ask.share=0.985", "workload.requests.poison.share=0.015", "faults.0.restart=4s")),
    Case("control_plane_dns", changes=("faults.0.ttl=5s",)),
]
IN_TURN = "gateway.retry={attempts: 2, to: next, backoff: {kind: none}}"
EJECTIONS = {
    "haproxy": ("gateway.ejection={kind: haproxy}",),
    "envoy": ("gateway.ejection={kind: envoy, max_ejection_percent: 0.5}",),
    "nginx": ("gateway.ejection={kind: nginx}", IN_TURN),
}
"""Each with its own defaults, but that Envoy may eject one of two; nginx counts a failed call only where it goes on to another target."""
OUTAGES = ("provider_blackout", "provider_hang", "correlated_providers")
GATEWAYS = [Case(name, TWO, changes, target) for target, changes in EJECTIONS.items() for name in OUTAGES]
IN_ORDER = ("gateway.routing={kind: capability, default: [first/chat, second/chat]}", "gateway.fallback=[next-provider]")
WHOLE = "gateway.timeout={total: 4s}"
THRICE = "gateway.retry={attempts: 3, backoff: {kind: full-jitter, base: 100ms, cap: 2s}}"
FERROGW = (*IN_ORDER, WHOLE, "gateway.ejection={kind: ferrogw}")
EACH = "gateway.timeout={attempt: 4s}"
COOLS = "gateway.ejection={kind: litellm}"
SELDOM = ("workload.arrivals.rate=4/s", "workload.duration=2m")
"""Failed calls keep LiteLLM's worker busy: where all of twenty a second fail, it is late by seconds, and the outage is over for some."""
LEAST_BUSY = (
    "gateway.routing={kind: least-busy, models: [first/chat, second/chat]}", "gateway.retry={attempts: 3, to: any, backoff: {kind: none}}",
)  # fmt: skip
LLM_GATEWAYS = [
    Case("provider_blackout", TWO, FERROGW, "ferrogw"),
    Case("provider_hang", TWO, FERROGW, "ferrogw"),
    Case("correlated_providers", TWO, (*FERROGW, "gateway.ejection.timeout=15s"), "ferrogw"),
    Case("flaky_provider", TWO, (*FERROGW, THRICE), "ferrogw"),
    *(Case(name, TWO, (*IN_ORDER, EACH, COOLS), "litellm") for name in OUTAGES),
    *(Case(name, TWO, (*IN_ORDER, EACH, COOLS, *SELDOM), "litellm", "seldom") for name in OUTAGES[1:]),
    Case("provider_blackout", TWO, (*LEAST_BUSY, EACH, COOLS, *SELDOM), "litellm", "least busy"),
]
"""Gateways that know what they route. Each leaves targets out with its own defaults, but that a breaker of ferrogw's is open for 15 s where
all are: half an hour's outage is nine seconds here, and 30 s would outlast the run.
"""


# Of the published ones, 30 % of the capacity is missing: nine tenths of it are then asked for, and it recovers after minutes, not in one.
STORM_FILE = "scenarios/validation/retry-storm-quick.yaml"
CAPACITY_RPS = 20


def storm(share: float, published: bool, says: str = "", *changes: str) -> Case:
    """``share`` of the capacity."""
    rate = f"workload.arrivals.rate={CAPACITY_RPS * share:g}/s"
    return Case(STORM_FILE, (), (rate, *changes), says=f"{share:.0%} load{says}", published=published)


BUDGET = ", retries held to 20 %", "workload.client.retries.budget=0.2"
CANCEL = ", left work cancelled", "gateway.cancel_on_disconnect=true"
STORM = [
    storm(0.25, True), storm(0.5, False), storm(0.7, False), storm(0.7, True, *BUDGET), storm(0.9, False, *BUDGET),
    storm(0.5, True, *CANCEL), storm(0.7, True, *CANCEL),
]  # fmt: skip
GROUPS = {"library": LIBRARY, "gateways": GATEWAYS, "llm-gateways": LLM_GATEWAYS, "storm": STORM}
COLUMNS = [
    "scenario", "target", "requests", "available before, during, after: predicted", "measured", "P99, s", "recovers", "broke first",
    "assertions that hold", "verdict",
]  # fmt: skip


def played(case: Case) -> dict[str, Any]:
    return json.loads(tenfold("chaos", case.name, "--target", case.target, *case.options, "--json", "-q") or "{}")


def cells(case: Case, said: dict[str, Any]) -> list[str]:
    if not said:
        return [case.title, case.target, *["–"] * (len(COLUMNS) - 3), "did not run"]
    predicted, measured = said["prediction"], said["measurement"]
    phases = said["agreement"]["availability"].values()
    return [
        case.title, case.target, f"{measured['requests']:,}",
        *(", ".join(percent(phase[side]) for phase in phases) for side in ("predicted", "measured")),
        both(case_p99(predicted), case_p99(measured)), both(recovery_cell(predicted), recovery_cell(measured)),
        both(first(predicted), first(measured)), both(held(predicted), held(measured)), verdict(case, said),
    ]  # fmt: skip


def both(predicted: str, measured: str) -> str:
    return predicted if predicted == measured == "–" else f"{predicted} / {measured}"


def percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def case_p99(side: dict[str, Any]) -> str:
    value = side["latency_s"]["p99"]["value"]
    return "–" if value is None else f"{value:.2f}"


def first(side: dict[str, Any]) -> str:
    broke = side["broke_first"]
    return "nothing" if broke is None else f"{broke['outcome']} after {broke['after_s']:.1f} s"


def held(side: dict[str, Any]) -> str:
    """Assertions that hold, of all."""
    return f"{sum(one['ok'] is True for one in side['assertions'])} of {len(side['assertions'])}" if side["assertions"] else "–"


def verdict(case: Case, said: dict[str, Any]) -> str:
    """By the tolerances of ``sim.analysis.chaos_agreement``."""
    if said["why_invalid"]:
        return "invalid: " + "; ".join(said["why_invalid"])
    agreement = said["agreement"]
    off = [f"available {phase}" for phase, one in agreement["availability"].items() if one["ok"] is False]
    off += ["time to recover"] if agreement["recovery"]["ok"] is False else []
    words = "differs: " + ", ".join(off) if off else "agrees"
    if case.published is None:
        return words
    same = said["prediction"]["recovered"] is case.published is said["measurement"]["recovered"]
    return f"{words}; {'as' if same else 'not as'} published: {'recovers' if case.published else 'does not'}"


def chosen(group: str, case: Case, asked: list[str]) -> bool:
    names = (group, case.target, Path(case.name).stem, case.title)
    return not asked or any(fnmatch(name, what) for name in names for what in asked)


def write(rows: dict[str, list[str]]) -> None:
    text = [
        "# Chaos: prediction beside measurement",
        "",
        f"`python -m tests.chaos_proof` on {today_here()}, one run after the other. Each row is one run of real "
        "processes: mock providers that have the scenario's faults at their times, the gateway, the load generator. Predicted / measured. "
        "A row agrees if every phase's availability is within 2 points and the time to recover within 20 %, or one step of the window that "
        "tells it. Broke first: how the first request without a fresh answer ended, and how long after the fault began; a gateway of "
        "others passes a provider's 503 on, which its clients cannot tell from its own and count as rejected. Assertions were written "
        "for the scenario at its own length, here it lasts a minute.",
        "",
        table_row(COLUMNS),
        table_row(["---"] * len(COLUMNS)),
        *(table_row(rows[case.key]) for cases in GROUPS.values() for case in cases if case.key in rows),
        "",
        "Each is `tenfold chaos` with:",
        "",
        *(f"- `{shlex.join([case.name, '--target', case.target, *case.options])}`" for cases in GROUPS.values() for case in cases),
        "",
    ]
    (PLACE / "chaos.md").write_text("\n".join(text))


def main() -> int:
    asked, kept = sys.argv[1:], PLACE / "chaos.json"
    cases = [case for group, all_ in GROUPS.items() for case in all_ if chosen(group, case, asked) and is_installed(case.target)]
    if not cases:
        print(f"nothing to play is called {' '.join(asked)}; there are {', '.join(GROUPS)}, targets and scenarios", file=sys.stderr)
        return 2
    known = {case.key for all_ in GROUPS.values() for case in all_}
    rows = {key: row for key, row in (json.loads(kept.read_text()) if kept.exists() else {}).items() if key in known}
    os.chdir(ROOT)
    for case in cases:
        rows[case.key] = cells(case, played(case))
        print(table_row(rows[case.key]), file=sys.stderr, flush=True)
        kept.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
        write(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
