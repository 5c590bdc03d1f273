"""The numbers of the guide's tables, each with the scenario and the figure that answer it, and what it hangs on."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sim.analysis.estimators import Estimate
from sim.analysis.metrics import measure
from sim.data.run import Run
from sim.formatting import percent, seconds
from sim.guide.cases import CALLS, Cases, calls_a_day, most_users_at_a_time, users_at_a_time
from sim.guide.levers import ANSWERS, REPEATS, SIMPLE, TURNS, Lever
from sim.scenario.metric_names import Unit

COST, MEAN, P99, AVAILABLE, HITS = "cost_usd.per_month", "latency_s.mean", "latency_s.p99", "availability", "cache_hit_rate"


class Line(NamedTuple):
    """A number of the guide, from ``low`` to ``high`` in ``unit``. ``before``: the scenario that a saving is measured against; else the
    line is a figure of ``scenario`` alone. ``of`` takes it from a run, where no metric has it. ``because`` says, where ours lies outside,
    what it is made of, with numbers; ``levers`` are what could make it true.
    """

    table: str
    words: str
    low: float
    high: float
    unit: Unit
    scenario: str
    figure: str
    before: str = ""
    of: Callable[[Run], Estimate] | None = None
    because: Callable[[Cases], str] | None = None
    levers: tuple[Lever, ...] = ()

    def estimate(self, cases: Cases) -> Estimate:
        if self.before:
            return cases.saving(self.before, self.scenario, self.figure)
        run = cases.run(self.scenario)
        return measure(run, self.figure) if self.of is None else self.of(run)


def cache_because(scenario: str, before: str) -> Callable[[Cases], str]:
    def because(cases: Cases) -> str:
        hits = cases.figure(scenario, HITS).value or 0.0
        saved = cases.saving(before, scenario).value or 0.0
        return (
            f"{percent(hits)} of the calls are answered from the cache: 18 % of duplicates in 100,000 queries are fewer within one "
            f"lifetime; and a question that repeats brings no history, so that these calls are only {percent(saved)} of the cost"
        )

    return because


def hits_because(cases: Cases) -> str:
    hits = cases.figure("cost_after", HITS).value or 0.0
    return f"at published repeat rates (18 % of duplicates in 100,000 queries) {percent(hits)} hit within 30 minutes"


def context_because(scenario: str) -> Callable[[Cases], str]:
    def because(cases: Cases) -> str:
        full, kept = (cases.figure(name, "tokens.input_per_request").value or 0.0 for name in ("growth_before", scenario))
        answer = cases.figure(scenario, "tokens.output_per_request").value or 0.0
        return (
            f"it takes {percent(1 - kept / full)} of the {full:,.0f} input tokens of a call away, but the {answer:,.0f} tokens of its "
            "answer cost four times as much each and stay"
        )

    return because


def tail_because(scenario: str) -> Callable[[Cases], str]:
    def because(cases: Cases) -> str:
        typical = cases.figure(scenario, "latency_s.p50").value
        return (
            f"the typical call takes {seconds(typical)}; in the tail long answers (551 tokens in the longest twentieth of the Azure trace) "
            "meet slow moments of the large model (15 ms a token, P99 27 ms)"
        )

    return because


def tiering_because(cases: Cases) -> str:
    return (
        "the small model costs 6 % of the large one today (0.15 and 0.60 against 2.50 and 10 USD per million tokens), and takes 80 % "
        "of the calls"
    )


def example_because(scenario: str) -> Callable[[Cases], str]:
    def because(cases: Cases) -> str:
        per_call = (cases.figure(scenario, "cost_usd.per_request").value or 0.0) * 1000
        inputs, outputs = (cases.figure(scenario, f"tokens.{side}_per_request").value or 0.0 for side in ("input", "output"))
        return (
            f"a call has {inputs:,.0f} tokens in and {outputs:,.0f} out by public traces, which is {per_call:,.1f} USD per 1,000 calls; "
            "the guide counts 30 for GPT-4"
        )

    return because


def few_at_a_time(cases: Cases) -> str:
    scenario = cases.of("prototype").scenario
    arrivals, turns = scenario.workload.arrivals, scenario.workload.conversations.turns
    begun = arrivals.daily_active * arrivals.calls_per_day / turns.mean
    return f"{begun:.0f} conversations a day of a few minutes each fill a small part of it"


STAGE_1, STAGE_2, STAGE_3 = "Stage 1: prototype", "Stage 2: growth", "Stage 3: scale"
STRATEGIES, EXAMPLE = "Cost strategies, each alone on stage 2's traffic", "Cost optimization example, 2023 prices"
LINES: tuple[Line, ...] = (
    Line(STAGE_1, "Daily API calls", 100, 1_000, "requests", "prototype", CALLS, of=calls_a_day),
    Line(STAGE_1, "Monthly API cost", 10, 100, "USD", "prototype", COST),
    Line(STAGE_1, "Average latency", 2, 8, "s", "prototype", MEAN),
    Line(
        STAGE_1, "Concurrent users, on average", 1, 10, "requests", "prototype", "conversations under way", of=users_at_a_time,
        because=few_at_a_time,
    ),
    Line(STAGE_1, "Concurrent users, busiest moment", 1, 10, "requests", "prototype", "most under way", of=most_users_at_a_time),
    Line(STAGE_2, "Daily API calls without optimization", 10_000, 100_000, "requests", "growth_before", CALLS, of=calls_a_day),
    Line(STAGE_2, "Daily API calls with optimization", 6_000, 60_000, "requests", "growth", CALLS, of=calls_a_day),
    Line(
        STAGE_2, "API calls saved (10,000 to 6,000)", 0.4, 0.4, "share", "growth", CALLS, "growth_before",
        because=cache_because("strategies/caching", "growth_before"), levers=(REPEATS,),
    ),
    Line(STAGE_2, "Monthly API cost without optimization", 1_000, 10_000, "USD", "growth_before", COST),
    Line(STAGE_2, "Monthly API cost with optimization", 300, 3_000, "USD", "growth", COST),
    Line(STAGE_2, "Average latency without optimization", 3, 12, "s", "growth_before", MEAN),
    Line(STAGE_2, "Average latency with optimization", 1, 5, "s", "growth", MEAN),
    Line(
        STRATEGIES, "Model tiering", 0.6, 0.7, "share", "strategies/tiering", COST, "growth_before",
        because=tiering_because, levers=(SIMPLE,),
    ),
    Line(
        STRATEGIES, "Prompt caching", 0.2, 0.4, "share", "strategies/caching", COST, "growth_before",
        because=cache_because("strategies/caching", "growth_before"), levers=(REPEATS,),
    ),
    Line(
        STRATEGIES, "Context: summaries after 10 turns", 0.3, 0.5, "share", "strategies/context_summary", COST, "growth_before",
        because=context_because("strategies/context_summary"), levers=(TURNS, ANSWERS),
    ),
    Line(
        STRATEGIES, "Context: sliding window of 4 turns", 0.3, 0.5, "share", "strategies/context_window", COST, "growth_before",
        because=context_because("strategies/context_window"), levers=(TURNS, ANSWERS),
    ),
    Line(
        STRATEGIES, "Context: budget of 500 tokens", 0.3, 0.5, "share", "strategies/context_budget", COST, "growth_before",
        because=context_because("strategies/context_budget"), levers=(TURNS, ANSWERS),
    ),
    Line(STAGE_3, "Daily API calls without optimization", 100_000, 1_000_000, "requests", "scale_before", CALLS, of=calls_a_day),
    Line(STAGE_3, "Daily API calls", 100_000, 1_000_000, "requests", "scale", CALLS, of=calls_a_day),
    Line(STAGE_3, "Monthly API cost without optimization", 5_000, 50_000, "USD", "scale_before", COST),
    Line(STAGE_3, "Monthly API cost", 5_000, 50_000, "USD", "scale", COST),
    Line(
        STAGE_3, "P99 latency without optimization", 0, 8, "s", "scale_before", P99,
        because=tail_because("scale_before"), levers=(ANSWERS,),
    ),
    Line(STAGE_3, "P99 latency", 0, 8, "s", "scale", P99, because=tail_because("scale"), levers=(ANSWERS,)),
    Line(STAGE_3, "Uptime, an outage of 3 minutes included", 0.999, 1, "share", "scale", AVAILABLE),
    Line(
        EXAMPLE, "Monthly cost before", 45_000, 45_000, "USD", "cost_before", COST,
        because=example_because("cost_before"), levers=(ANSWERS, TURNS),
    ),
    Line(
        EXAMPLE, "Monthly cost after", 12_600, 12_600, "USD", "cost_after", COST,
        because=example_because("cost_after"), levers=(ANSWERS, TURNS),
    ),
    Line(EXAMPLE, "Cache hit rate", 0.25, 0.25, "share", "cost_after", HITS, because=hits_because, levers=(REPEATS,)),
    Line(
        EXAMPLE, "Saved", 0.72, 0.72, "share", "cost_after", COST, "cost_before",
        because=hits_because, levers=(REPEATS,),
    ),
)  # fmt: skip
