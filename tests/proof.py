"""``python -m tests.proof [WHAT …]``: predict and measure scenarios on this machine, and write the pages of results/validation.

WHAT is a page (verify, guide-live), a target, or a pattern of scenarios' names (``validation/stages/*``). With it only those rows are
measured, and the others stay as they are kept. Run it with nothing else going on: a disturbed run is reported invalid, not averaged away.
Gateways of others are installed by ``python -m loadtest.targets.install NAME``.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from loadtest.targets import install
from mockprovider.processes.supervisor import RunFailed
from sim.analysis.validation import FIGURES

ROOT = Path(__file__).parents[1]
PLACE = ROOT / "results" / "validation"


RUNS = 3


class Case(NamedTuple):
    """``calibrate``: experiments whose figures are laid over the scenario first, at the scenario's own rate. ``changes``: of the scenario,
    as ``--set`` takes them.
    """

    target: str
    scenario: str
    scale: float = 1.0
    calibrate: str = ""
    changes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.target} {self.scenario} {self.scale:g}"


class Page(NamedTuple):
    """A page of results: its cases, how often each is measured, and how the valid runs of one, or an invalid one, are told."""

    title: str
    says: str
    cases: list[Case]
    columns: list[str]
    cells: Callable[[Case, list[dict[str, Any]]], list[str]]
    runs: int = 1


def tenfold(*arguments: Any) -> str:
    done = subprocess.run([Path(sys.executable).with_name("tenfold"), *map(str, arguments)], stdout=subprocess.PIPE, check=False)
    return done.stdout.decode()


def verify(case: Case, runs: int) -> list[dict[str, Any]]:
    """What ``tenfold verify --json`` said, calibrated first if the case asks for it: of valid runs only, unless there is none."""
    scenario = ROOT / "scenarios" / f"{case.scenario}.yaml"
    with TemporaryDirectory() as folder:
        found = Path(folder) / "calibration.yaml"
        if case.calibrate:
            tenfold("calibrate", scenario, "--target", case.target, "--only", case.calibrate, "-o", found, "-q")
        laid = ["--calibration", found] if case.calibrate else []
        sets = [word for change in case.changes for word in ("--set", change)]
        asked = ("verify", scenario, "--target", case.target, "--scale", case.scale, *laid, *sets, "--json", "-q")
        told = [json.loads(tenfold(*asked)) for _ in range(runs)]
    return [each for each in told if not each["why_invalid"]] or told[:1]


def gateways_row(case: Case, runs: list[dict[str, Any]]) -> list[str]:
    """Of several runs the one in the middle by P50, and the errors of all: their median and range."""
    said = sorted(runs, key=lambda each: each["comparison"]["latency_s.p50"]["error"] or 0.0)[len(runs) // 2]
    p50, p99, added = (said["comparison"][name] for name in ("latency_s.p50", "latency_s.p99", "added_latency_s.p50"))
    shares = " (outcomes by share)" if said.get("past_saturation") else ""
    return [
        case.target, case.scenario + (", calibrated" if case.calibrate else ""), f"{case.scale:g}x", f"{len(runs)}",
        f"{said['paired']['requests']:,}", *sides(p50), errors(runs, "latency_s.p50"), *sides(p99), errors(runs, "latency_s.p99"),
        *sides(added, 1), errors(runs, "ttft_s.p50"), errors(runs, "ttft_s.p99"), f"{said['paired']['same_outcome']:.1%}",
        errors(runs, "cost_usd"), "; ".join([said["verdict"] + shares, *said["why_invalid"]]),
    ]  # fmt: skip


def guide_row(case: Case, runs: list[dict[str, Any]]) -> list[str]:
    """Judged by bars of its own, which are narrower than those of ``tenfold verify``."""
    said = runs[0]
    p50, p99, cost = (said["comparison"][name] for name in ("latency_s.p50", "latency_s.p99", "cost_usd"))
    alike = said["paired"]["same_outcome"]
    broken = [name for name, entry, limit in (("P50", p50, 0.02), ("P99", p99, 0.05)) if not within(entry, limit)]
    broken += ["same outcome"] if alike < 0.98 else []
    verdict = "invalid: " + "; ".join(said["why_invalid"]) if said["why_invalid"] else "beyond: " + ", ".join(broken) if broken else "holds"
    own = [f"{name} {plain(entry)}" for name, entry in said["comparison"].items() if name not in (*FIGURES, "cost_usd")]
    return [
        case.scenario, f"{case.scale:g}x", f"{said['paired']['requests']:,}", *sides(p50), error(p50), *sides(p99), error(p99),
        f"{alike:.1%}", error(cost), "<br>".join(own) or "–", verdict,
    ]  # fmt: skip


def within(entry: dict[str, Any], limit: float) -> bool:
    return entry["error"] is not None and abs(entry["error"]) <= limit


def plain(entry: dict[str, Any]) -> str:
    return " / ".join("–" if (value := entry[side]["value"]) is None else f"{value:.4g}" for side in ("predicted", "measured"))


def sides(entry: dict[str, Any], digits: int = 0) -> list[str]:
    return ["–" if (value := entry[side]["value"]) is None else f"{value * 1000:,.{digits}f} ms" for side in ("predicted", "measured")]


def errors(runs: list[dict[str, Any]], name: str) -> str:
    return error(*(run["comparison"][name] for run in runs))


def error(*entries: dict[str, Any]) -> str:
    """Of one run, or the median of several and their range."""
    found = sorted(each["error"] for each in entries if each["error"] is not None)
    if not found:
        return "–"
    spread = f" ({found[0]:+.1%} to {found[-1]:+.1%})" if len(found) > 1 else ""
    return f"{median(found):+.1%}{spread}"


def today_here() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}"


def table_row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


STAGES = (
    "semantic_cache", "cdn", "freshness", "tiering", "validation", "spend_limit", "sessions", "context", "summary", "overload", "autoscale",
    "cheapest", "fastest", "connections", "jobs",
)  # fmt: skip
SHORTLY = ("workload.duration=150s", "workload.warmup=15s")
PROTOTYPE = (  # 500 calls a day are none in three minutes: 600 times as many, and of the provider 600 times its limits
    *SHORTLY, "workload.arrivals.peak_to_mean=1", "providers.openai.limits={requests: 300000/min, tokens: 18000000/min}",
)  # fmt: skip
SCALE = (*SHORTLY, "gateway.workers=1", "faults=[{kind: outage, provider: openai, at: 60s, for: 20s}]")
STRATEGIES = ("tiering", "caching", "context_window", "context_budget", "context_summary")
BRIEFLY = ("workload.duration=80s", "workload.warmup=10s")
MISTAKE = ("workload.arrivals=6/s", "workload.duration=85s", "workload.warmup=10s", "gateway.workers=1")
OUTAGE = "faults=[{kind: outage, provider: openai, at: 35s, for: 15s}]"
BLACKOUT = "faults=[{kind: outage, provider: openai, also: [anthropic], at: 35s, for: 15s}]"
MISTAKES = {"token_limits": MISTAKE, "single_provider": (*MISTAKE, OUTAGE), "no_degradation": (*MISTAKE, BLACKOUT)}
PAGES = {
    "verify": Page(
        "Prediction beside measurement",
        f"Every part a process of its own. A row has up to {RUNS} valid runs: figures of the one in the middle by P50, "
        "the errors' median and range.",
        [
            Case("reference", "demo"),
            Case("reference", "demo", 3.0),
            Case("reference", "validation/busy"),
            Case("haproxy", "validation/proxy-queue"),
            Case("haproxy", "validation/proxy-stream"),
            Case("haproxy", "validation/proxy-held"),
            Case("haproxy", "validation/proxy", 10.0),
            Case("envoy", "validation/proxy-queue"),
            Case("envoy", "validation/proxy", 10.0),
            Case("nginx", "validation/proxy", 10.0),
            Case("ferrogw", "validation/proxy-queue"),
            Case("ferrogw", "validation/proxy", 10.0),
            Case("rolter", "validation/proxy", 10.0),
            Case("litellm", "validation/litellm", 4.0, "costs"),
            Case("litellm", "validation/litellm", 10.0, "costs"),
            Case("litellm", "validation/litellm-saturated", 1.0, "costs"),
        ],
        [
            "target", "scenario", "scale", "runs", "requests", "P50 predicted", "measured", "error", "P99 predicted", "measured", "error",
            "added P50 predicted", "measured", "first token P50 error", "P99 error", "same outcome", "cost error", "verdict",
        ],
        gateways_row,
        RUNS,
    ),
    "guide-live": Page(
        "The guide on real sockets",
        "Stages of the gateway one by one, then the guide's own scenarios at a scale that one machine carries: the reference gateway, "
        "mock providers and load generator, each a process of its own; one run a row. A row holds if P50 is within 2 %, P99 within 5 %, "
        "and 98 % of the requests end as predicted. Figures of the stage: predicted / measured.",
        [
            *(Case("reference", f"validation/stages/{stage}") for stage in STAGES),
            Case("reference", "guide/prototype", 600.0, changes=PROTOTYPE),
            Case("reference", "guide/growth", 20.0, changes=SHORTLY),
            Case("reference", "guide/scale", 2.0, changes=SCALE),
            *(Case("reference", f"guide/strategies/{name}", 25.0, changes=BRIEFLY) for name in STRATEGIES),
            *(
                Case("reference", f"guide/mistakes/{name}_{side}", changes=changes)
                for name, changes in MISTAKES.items()
                for side in ("before", "after")
            ),
        ],
        [
            "scenario", "scale", "requests", "P50 predicted", "measured", "error", "P99 predicted", "measured", "error", "same outcome",
            "cost error", "figures of the stage", "bars",
        ],
        guide_row,
    ),
}  # fmt: skip


def chosen(page: str, case: Case, asked: list[str]) -> bool:
    return any(what in (page, case.target) or fnmatch(case.scenario, what) for what in asked)


def is_installed(target: str) -> bool:
    if target == "reference":
        return True
    try:
        install.program(target)
    except RunFailed as missing:
        print(missing, file=sys.stderr)
        return False
    return True


def measure(page: str, cases: list[Case]) -> None:
    """Measure these rows of the page, and write it whole."""
    kept = PLACE / f"{page}.json"
    rows: dict[str, str] = json.loads(kept.read_text()) if kept.exists() else {}
    told = PAGES[page]
    for case in cases:
        rows[case.name] = table_row(told.cells(case, verify(case, told.runs)))
        print(rows[case.name], file=sys.stderr, flush=True)
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(rows, indent=1) + "\n")
    text = [
        f"# {told.title}",
        "",
        f"`python -m tests.proof {page}` on {today_here()}. {told.says}",
        "",
        table_row(told.columns),
        table_row(["---"] * len(told.columns)),
        *(rows[case.name] for case in told.cases if case.name in rows),
        "",
    ]
    (PLACE / f"{page}.md").write_text("\n".join(text))
    print("\n".join(text))


def main() -> int:
    every = [(page, case) for page, told in PAGES.items() for case in told.cases]
    asked = sys.argv[1:] or [target for target in dict.fromkeys(case.target for _, case in every) if is_installed(target)]
    if unknown := [what for what in asked if not any(chosen(page, case, [what]) for page, case in every)]:
        targets = ", ".join(dict.fromkeys(case.target for _, case in every))
        print(
            f"nothing is called {', '.join(unknown)}; there are the pages {', '.join(PAGES)}, the targets {targets}, and:", file=sys.stderr
        )
        print("\n".join(dict.fromkeys(case.scenario for _, case in every)), file=sys.stderr)
        return 2
    for page in PAGES:
        cases = [case for name, case in every if name == page and chosen(page, case, asked)]
        if cases:
            measure(page, cases)
    return 0


if __name__ == "__main__":
    sys.exit(main())
