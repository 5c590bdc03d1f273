"""The gallery: a small scenario for each topic of ``scenarios/gallery``, with one picture. ``python -m docs.gallery`` draws all of them
and writes docs/gallery.md; with names, it draws those alone.

Each scenario is run beside itself without the policy that it shows (or with another value), with the same random numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np

matplotlib.use("svg")
matplotlib.rcParams |= {"svg.hashsalt": "tenfold", "svg.fonttype": "none", "font.size": 9, "font.family": "sans-serif"}
import matplotlib.pyplot as plt  # noqa: E402

from sim.analysis.metrics import measure  # noqa: E402
from sim.data.outcomes import CACHE_HIT, is_available, is_served  # noqa: E402
from sim.data.run import Run  # noqa: E402
from sim.engine.runner import predict  # noqa: E402
from sim.formatting import dollars, percent, seconds  # noqa: E402
from sim.gateway.language import load  # noqa: E402
from sim.scenario.shipped import shipped_folder  # noqa: E402

HERE = Path(__file__).parent
BINS = 60
COLORS = ("#3b6fb6", "#d0762b", "#3f8f5a")
Draw = Callable[[Any, dict[str, Run]], None]


class Topic(NamedTuple):
    """``beside``: what it is compared with, in words, and the overrides that make it so; ``draw``: the picture."""

    title: str
    as_it_is: str
    beside: dict[str, tuple[str, ...]]
    draw: Draw


# ---- pictures ---------------------------------------------------------------------------------------------------------
def bins(run: Run) -> np.ndarray:
    return np.linspace(0.0, run.scenario.workload.duration, BINS + 1)


def over_time(value: Callable[[Run, np.ndarray, np.ndarray], float], words: str) -> Draw:
    """A figure of the requests that arrive in each sixtieth of the run: ``value(run, rows, answered)``."""

    def draw(axes: Any, runs: dict[str, Run]) -> None:
        for color, (label, run) in zip(COLORS, runs.items(), strict=False):
            edges, rows = bins(run), run.requests
            place = np.digitize(rows["arrival_s"], edges) - 1
            values = []
            for number in range(BINS):
                mine = rows[place == number]
                values.append(value(run, mine, is_available(mine["outcome"])) if len(mine) else np.nan)
            axes.plot((edges[:-1] + edges[1:]) / 2 / 60, values, color=color, label=label, linewidth=1.4)
        for fault in next(iter(runs.values())).scenario.faults:
            axes.axvspan(fault.at / 60, (fault.at + fault.for_) / 60, color="#999999", alpha=0.2, linewidth=0)
        axes.set_xlabel("minutes")
        axes.set_ylabel(words)
        axes.set_ylim(bottom=0)

    return draw


def p95(_run: Run, rows: np.ndarray, answered: np.ndarray) -> float:
    return float(np.quantile(rows["latency_s"][answered], 0.95)) if answered.any() else np.nan


def answered_share(_run: Run, _rows: np.ndarray, answered: np.ndarray) -> float:
    return float(answered.mean())


def attempts(_run: Run, rows: np.ndarray, _answered: np.ndarray) -> float:
    return float(rows["attempts"].mean())


def hits(_run: Run, rows: np.ndarray, _answered: np.ndarray) -> float:
    return float((rows["outcome"] == CACHE_HIT).mean())


def cost(_run: Run, rows: np.ndarray, _answered: np.ndarray) -> float:
    return float(rows["cost_usd"].mean()) * 1000


def served_share(_run: Run, rows: np.ndarray, _answered: np.ndarray) -> float:
    return float(is_served(rows["outcome"]).mean())


def waiting(axes: Any, runs: dict[str, Run]) -> None:
    """The queue's depth over time."""
    for color, (label, run) in zip(COLORS, runs.items(), strict=False):
        rows = run.timeline
        step = max(1, len(rows) // 300)
        axes.plot(rows["at_s"][::step] / 60, rows["waiting"][::step], color=color, label=label, linewidth=1.2)
    axes.set_xlabel("minutes")
    axes.set_ylabel("waiting")
    axes.set_ylim(bottom=0)


def latency_curves(axes: Any, runs: dict[str, Run]) -> None:
    """Latency of answered requests by percentile, the far end stretched."""
    for color, (label, run) in zip(COLORS, runs.items(), strict=False):
        percentile_curve(axes, run.requests, color, label)
    percentile_axis(axes)


def latency_by_class(axes: Any, runs: dict[str, Run]) -> None:
    """One curve for each class of requests of the first run, and one for those of the second together."""
    (label, run), (other_label, other) = runs.items()
    of = [(f"{each.name}, {label}", run.requests[run.requests["kind"] == kind]) for kind, each in enumerate(run.scenario.workload.requests)]
    for color, (words, rows) in zip(COLORS, [*of, (other_label, other.requests)], strict=True):
        percentile_curve(axes, rows, color, words)
    percentile_axis(axes)


def percentile_curve(axes: Any, rows: Any, color: str, label: str) -> None:
    shares = 1 - np.geomspace(1.0, 0.001, 150)[1:]
    latency = rows["latency_s"][is_available(rows["outcome"])]
    axes.plot(1 / (1 - shares), np.quantile(latency, shares), color=color, label=label, linewidth=1.4)


def percentile_axis(axes: Any) -> None:
    axes.set_xscale("log")
    axes.set_xticks([2, 10, 100, 1000], ["P50", "P90", "P99", "P99.9"])
    axes.minorticks_off()
    axes.set_xlim(1, 1000)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("latency, s")


def by_user(axes: Any, runs: dict[str, Run]) -> None:
    """Calls that were answered, of the users with the most calls."""
    for color, (label, run) in zip(COLORS, runs.items(), strict=False):
        rows = run.requests
        asked = np.bincount(rows["user"])
        got = np.bincount(rows["user"][is_available(rows["outcome"])], minlength=len(asked))
        order = np.argsort(-asked)[:60]
        axes.plot(np.arange(1, len(order) + 1), got[order], color=color, label=label, linewidth=1.4)
    axes.set_xlabel("user, the busiest first")
    axes.set_ylabel("calls answered")
    axes.set_ylim(bottom=0)


def by_turn(axes: Any, runs: dict[str, Run]) -> None:
    """Input tokens by the turn of the conversation."""
    for color, (label, run) in zip(COLORS, runs.items(), strict=False):
        rows = run.requests
        turns = np.arange(16)
        axes.plot(turns + 1, [rows["input_tokens"][rows["turn"] == turn].mean() for turn in turns], color=color, label=label, linewidth=1.4)
    axes.set_xlabel("turn of the conversation")
    axes.set_ylabel("input tokens")
    axes.set_ylim(bottom=0)


LATENCY = over_time(p95, "latency P95, s")
ANSWERED = over_time(answered_share, "share answered")
TOPICS: dict[str, Topic] = {
    "queue": Topic("A queue without end", "waits as long as it takes", {"40 may wait": ("gateway.queue.waiting=40",)}, LATENCY),
    "queue-timeout": Topic("A queue with a timeout", "2 s", {"no timeout": ("gateway.queue.timeout=null",)}, waiting),
    "priority": Topic("Priorities", "chat first", {"no priorities": ("workload.requests.0.priority=0",)}, latency_by_class),
    "retries": Topic("Retries", "3 attempts", {"1 attempt": ("gateway.retry.attempts=1",)}, ANSWERED),
    "retry-budget": Topic(
        "A retry budget", "budget 20 %", {"no budget": ("gateway.retry.budget=null",)}, over_time(attempts, "attempts per request")
    ),
    "hedging": Topic("Hedging", "hedged", {"not hedged": ("gateway.hedge=null",)}, latency_curves),
    "breaker": Topic("A circuit breaker", "breaker", {"no breaker": ("gateway.breaker=null",)}, LATENCY),
    "cache-ttl": Topic(
        "How long a cache keeps",
        "10 min",
        {"1 min": ("gateway.cache.0.ttl=1m",), "1 h": ("gateway.cache.0.ttl=1h",)},
        over_time(hits, "hit rate"),
    ),
    "cache-size": Topic(
        "How much a cache keeps", "200 answers", {"2,000 answers": ("gateway.cache.0.capacity=2000",)}, over_time(hits, "hit rate")
    ),
    "cache-herd": Topic(
        "A herd at a cache",
        "one asks for all",
        {"everyone asks": ("gateway.cache.0.single_flight=false",)},
        over_time(cost, "USD per 1,000 requests"),
    ),
    "rate-limit": Topic("A limit for every user", "10/min", {"no limit": ("gateway.limits.per_user=null",)}, by_user),
    "provider-limit": Topic("A provider's rate limit", "one key", {"two keys": ("providers.main.keys=2",)}, ANSWERED),
    "fallback": Topic("Fallback to the next provider", "falls back", {"does not": ("gateway.fallback=[]",)}, ANSWERED),
    "stale-answers": Topic(
        "Old answers instead of none", "stale-cache, canned", {"none": ("gateway.fallback=[]",)}, over_time(served_share, "share served")
    ),
    "first-token-timeout": Topic("A timeout for the first token", "2 s", {"none": ("gateway.timeout.first_token=null",)}, latency_curves),
    "bursty-arrivals": Topic("Bursts", "in bursts", {"evenly": ("workload.arrivals.cv=1",)}, latency_curves),
    "day": Topic("A day", "2 slots", {"3 slots": ("gateway.queue.concurrency=3",)}, LATENCY),
    "conversations": Topic("Long conversations", "the last 4 turns", {"all turns": ("gateway.context=full",)}, by_turn),
    "routing": Topic("Routing by latency", "fastest", {"round-robin": ("gateway.routing.kind=round-robin",)}, LATENCY),
    "gateway-cpu": Topic("The gateway's own CPU", "1 process", {"2 processes": ("gateway.workers=2",)}, latency_curves),
}


# ---- the page ---------------------------------------------------------------------------------------------------------
def runs_of(name: str) -> dict[str, Run]:
    """One replication of the scenario as it is, and one of each that it is compared with."""
    topic, path = TOPICS[name], place(name)
    variants = {topic.as_it_is: ()} | topic.beside
    return {label: predict(load(path, overrides).scenario, replications=1, engine="simpy") for label, overrides in variants.items()}


def place(name: str) -> Path:
    folder = shipped_folder()
    assert folder is not None, "the scenarios that come with Tenfold are there"
    return folder / "gallery" / f"{name}.yaml"


def draw(name: str, runs: dict[str, Run]) -> None:
    """docs/gallery/NAME.svg."""
    figure, axes = plt.subplots(figsize=(5.6, 2.6), layout="constrained")
    TOPICS[name].draw(axes, runs)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.legend(frameon=False)
    (HERE / "gallery").mkdir(exist_ok=True)
    figure.savefig(HERE / "gallery" / f"{name}.svg", metadata={"Date": None}, facecolor="white")
    plt.close(figure)


def section(name: str, runs: dict[str, Run]) -> str:
    """The topic's part of the page: what it is, the picture, the figures, the scenario."""
    topic, path = TOPICS[name], place(name)
    text = path.read_text(encoding="utf-8")
    first = f"{topic.title}: {', '.join(runs)}"
    rows = [f"| {label} | {' | '.join(figures(run))} |" for label, run in runs.items()]
    described = load(path).scenario.description
    overrides = "".join(f"- {label}: `--set {' --set '.join(changes)}`\n" for label, changes in topic.beside.items())
    body = text.partition("\n")[2]
    return (
        f"## {topic.title}\n\n{described}\n\n![{first}](gallery/{name}.svg)\n\n"
        "| | P50 | P99 | available | served | attempts per request | cost of 1,000 |\n| --- | --- | --- | --- | --- | --- | --- |\n"
        + "\n".join(rows)
        + "\n\n"
        f"```sh\ntenfold predict gallery/{name}\n```\n\n{overrides}\n```yaml\n{body}```\n"
    )


FIGURES = ("latency_s.p50", "latency_s.p99", "availability", "served", "attempts_per_request", "cost_usd.per_request")


def figures(run: Run) -> list[str]:
    value = {name: measure(run, name).value for name in FIGURES}
    each = value["cost_usd.per_request"]
    return [
        seconds(value["latency_s.p50"]), seconds(value["latency_s.p99"]), percent(value["availability"]), percent(value["served"]),
        f"{value['attempts_per_request'] or 0:.2f}", dollars(None if each is None else 1000 * each),
    ]  # fmt: skip


INTRODUCTION = """# Gallery

Twenty small scenarios, one topic each. Every picture shows the scenario beside itself with one change, both with the same random numbers,
one replication each: small differences are chance. `python -m docs.gallery` draws them and writes this page.
"""


def main(names: Sequence[str]) -> None:
    """Draw the pictures of ``names`` (default: all, and then the page is written, too)."""
    sections = []
    for name in names or TOPICS:
        runs = runs_of(name)
        draw(name, runs)
        sections.append(section(name, runs))
    if not names:
        (HERE / "gallery.md").write_text("\n".join([INTRODUCTION, *sections]), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
