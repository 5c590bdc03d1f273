"""Budgets: ``latency.p99 < 8s``, ``cost.month < 60000 USD``, ``latency.p99{class=chat} < 8s``, ``error_rate < 5% @during:outage``,
``recovery_time < 30s @outage``.

A metric, perhaps of some requests only, a comparison, a quantity with its unit, and optionally the phase of the scenario's faults to hold
it to. All of it is checked before anything runs.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NamedTuple, get_args

from sim.scenario.metric_names import CAPACITY, METRIC_NAMES, OF_THE_WHOLE, RECOVERY, MetricName
from sim.scenario.model import Fault, RedisFault, RequestClass, Scenario, Stages
from sim.scenario.targets import target_names
from sim.scenario.units import NUMBER, finite, parse_duration, parse_rate
from sim.scenario.words import METRIC_FAMILIES, METRICS

Span = tuple[float, float]
BUDGET = re.compile(r"\s*([A-Za-z_][\w.]*?)\s*(?:\{([^{}]*)\}\s*)?(<=|>=|<|>|==?)\s*([^@]+?)\s*(?:@\s*(\S.*?))?\s*")
COMPARISONS: dict[str, Callable[[float, float], bool]] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
CLASS_SELECTORS = ("class", "feature", "needs")
"""What tells requests apart before they are sent: words of ``workload.requests``."""
SELECTORS = (*CLASS_SELECTORS, "provider", "model")
"""And by where their last attempt went: ``provider=openai``, ``model=openai/gpt-4o``."""
FAMILIES = {
    "latency": "latency_s", "batch_latency": "batch_latency_s", "ttft": "ttft_s", "added_latency": "added_latency_s",
    "queue_wait": "queue_wait_s", "job": "job_s", "cost": "cost_usd",
}  # fmt: skip
SHORT = {
    "cost.request": "cost_usd.per_request",
    "cost.answer": "cost_usd.per_answer",
    "cost.conversation": "cost_usd.per_conversation",
    "cost.completed_conversation": "cost_usd.per_completed_conversation",
    "cost.user": "cost_usd.per_user_month",
    "cost.user_month": "cost_usd.per_user_month",
    "cost.day": "cost_usd.per_day",
    "cost.month": "cost_usd.per_month",
    "cost.capacity": CAPACITY,
    "cost.per_1k": "cost_usd.per_request",
    "error_rate": "error_rate.total",
    "throughput": "throughput_rps",
}
TIMES = {"cost.per_1k": 1000.0}
PHASES = ("before", "during", "after")
SPIKE = "spike"
"""A disturbance that is no fault: stages of arrivals at more than the first one's rate."""
FAULT_KINDS: tuple[str, ...] = tuple(kind for each in (Fault, RedisFault) for kind in get_args(each.model_fields["kind"].annotation))
EXAMPLES = {
    "s": "a duration such as 8s or 250ms",
    "share": "a share such as 99.5% or 0.995",
    "USD": "an amount such as 60000 USD",
    "/s": "a rate such as 40/s",
}


class Words(NamedTuple):
    """``latency.p99{class=chat} < 8s @after`` cut into its five parts."""

    metric: str
    selector: str | None
    comparison: str
    quantity: str
    phase: str | None


def split_budget(text: str) -> Words | None:
    found = BUDGET.fullmatch(text)
    return Words(*found.groups()) if found else None


class BudgetError(ValueError):
    """A budget that cannot be understood. The message says what was expected."""


@dataclass(frozen=True)
class Budget:
    """``limit`` is in the metric's own unit (seconds, share, USD, per second, count) times ``times`` (1000 for cost.per_1k)."""

    text: str
    metric: MetricName
    comparison: str
    limit: float
    times: float = 1.0
    phase: str | None = None
    fault: str | None = None
    selector: tuple[tuple[str, str], ...] = ()

    def holds(self, value: float) -> bool:
        return COMPARISONS[self.comparison](value, self.limit)

    def spans(self, scenario: Scenario) -> list[Span] | None:
        """The spans of arrival time it is held over; None: all that counts. Raises BudgetError when the scenario has no such fault."""
        if self.metric is RECOVERY:
            return phase_spans(scenario, "after", self.fault, self.text)
        return phase_spans(scenario, self.phase, self.fault, self.text) if self.phase else None

    def classes(self, scenario: Scenario) -> tuple[int, ...] | None:
        """The request classes it is about, as their places in ``workload.requests``; None: all. Raises BudgetError for what none is."""
        selector = [(key, wanted) for key, wanted in self.selector if key in CLASS_SELECTORS]
        if not selector:
            return None
        requests = scenario.workload.requests
        for key, wanted in selector:
            known = list(dict.fromkeys(named(each, key) for each in requests))
            if wanted not in known:
                near = get_close_matches(wanted, known, n=1, cutoff=0.5)
                hint = f"did you mean {near[0]!r}?" if near else f"the scenario has {', '.join(known)}"
                raise BudgetError(f"{self.text!r}: no request has {key} {wanted!r}; {hint}")
        chosen = [place for place, each in enumerate(requests) if all(named(each, key) == wanted for key, wanted in selector)]
        if not chosen:
            raise BudgetError(f"{self.text!r}: no request has all of {', '.join(f'{key}={wanted}' for key, wanted in selector)}")
        return tuple(chosen)

    def targets(self, scenario: Scenario) -> tuple[int, ...] | None:
        """The targets that its requests' last attempts went to, as their places; None: all. Raises BudgetError where there are none."""
        selector = [(key, wanted) for key, wanted in self.selector if key not in CLASS_SELECTORS]
        if not selector:
            return None
        names = target_names(scenario)
        chosen = [
            place for place, name in enumerate(names)
            if all(wanted == (name.split("/")[0] if key == "provider" else name) for key, wanted in selector)
        ]  # fmt: skip
        if not chosen:
            said = ", ".join(f"{key}={wanted}" for key, wanted in selector)
            raise BudgetError(f"{self.text!r}: there is no target with {said}; the scenario has {', '.join(names)}")
        return tuple(chosen)

    def check(self, scenario: Scenario) -> None:
        """Raises BudgetError for a phase or requests that the scenario does not have."""
        self.spans(scenario)
        self.classes(scenario)
        self.targets(scenario)


def named(request: RequestClass, key: str) -> str:
    """What a request class says under a word of SELECTORS."""
    return {"class": request.name, "feature": request.feature or request.name, "needs": request.needs or "default"}[key]


def parse_budget(text: str, either_way: bool = False) -> Budget:
    """Raises BudgetError for an unknown metric, a wrong unit, the wrong direction (unless ``either_way``) or an unknown phase."""
    words = split_budget(text)
    if words is None:
        raise BudgetError(f"{text!r}: expected a metric, a comparison and a quantity, such as 'latency.p99 < 8s'")
    metric = find_metric(words.metric, text)
    if words.comparison not in COMPARISONS:
        raise BudgetError(f"{text!r}: expected one of {', '.join(COMPARISONS)} instead of '{words.comparison}'")
    wrong_way = (metric.better == "lower" and ">" in words.comparison) or (metric.better == "higher" and "<" in words.comparison)
    if wrong_way and not either_way:
        raise BudgetError(
            f"{text!r}: {words.metric} is better when {metric.better}, so expected '{'<' if metric.better == 'lower' else '>'}'"
        )
    try:
        limit = parse_quantity(words.quantity, metric.unit)
    except ValueError as error:
        raise BudgetError(f"{text!r}: {error}, found {words.quantity!r}") from None
    phase, fault = parse_phase(words.phase, text)
    if metric is RECOVERY and phase == "before":
        raise BudgetError(f"{text!r}: there is nothing to recover from before a fault; expected such as '@outage'")
    selector = parse_selector(words.selector, metric, text)
    return Budget(" ".join(text.split()), metric, words.comparison, limit, TIMES.get(words.metric, 1.0), phase, fault, selector)


def parse_selector(text: str | None, metric: MetricName, budget: str) -> tuple[tuple[str, str], ...]:
    """``class=chat, needs=large`` → pairs. Raises BudgetError, also where the metric cannot be said of some requests."""
    if text is None:
        return ()
    if metric.name.startswith(OF_THE_WHOLE):
        raise BudgetError(f"{budget!r}: {metric.name} is of the whole gateway, so no requests can be selected")
    pairs = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\w+)\s*[=:]\s*([\w./:-]+)\s*", part)
        if found is None:
            raise BudgetError(f"{budget!r}: expected requests selected by {', '.join(SELECTORS)}, such as {{class=chat}}, found {{{text}}}")
        if found[1] not in SELECTORS:
            near = get_close_matches(found[1], SELECTORS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(SELECTORS)}"
            raise BudgetError(f"{budget!r}: requests cannot be selected by {found[1]!r}; {hint}")
        pairs.append((found[1], found[2]))
    return tuple(pairs)


def parse_budgets(scenario: Scenario) -> tuple[Budget, ...]:
    """All budgets of a scenario, phases and requests checked against it. Raises BudgetError."""
    budgets = tuple(parse_budget(text) for text in scenario.budgets)
    for budget in budgets:
        budget.check(scenario)
    return budgets


def find_metric(name: str, text: str) -> MetricName:
    family, dot, figure = name.partition(".")
    full = SHORT.get(name, FAMILIES.get(family, family) + dot + figure.replace(".", ""))
    if full in METRIC_NAMES:
        return METRIC_NAMES[full]
    if name == RECOVERY.name:
        return RECOVERY
    known = spoken_names()
    if name in METRICS:
        near = [METRICS[name]]
    elif family in METRIC_FAMILIES:
        near = [METRIC_FAMILIES[family] + (dot + figure if figure else ".p99")]
    else:
        near = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
    raise BudgetError(f"{text!r}: there is no metric {name!r}; {hint}")


def spoken_names() -> list[str]:
    """Metric names as budgets usually write them."""
    families = {full: short for short, full in FAMILIES.items()}
    long = [name for name in METRIC_NAMES if name not in SHORT.values()]
    return [
        *(families.get(name.partition(".")[0], name.partition(".")[0]) + "".join(name.partition(".")[1:]) for name in long),
        *SHORT,
        RECOVERY.name,
    ]


def parse_quantity(text: str, unit: str) -> float:
    """A limit in the metric's unit. Raises ValueError that says what was expected."""
    text = text.strip()
    if unit == "s":
        return parse_duration(text)
    if unit == "/s":
        return parse_rate(text).rps
    patterns = {"share": rf"{NUMBER}\s*(%?)", "USD": rf"\$?\s*{NUMBER}\s*(?:USD)?"}
    found = re.fullmatch(patterns.get(unit, NUMBER), text)
    if not found or (unit == "USD" and "USD" not in text and "$" not in text):
        raise ValueError(f"expected {EXAMPLES.get(unit, 'a plain number')}")
    value = finite(float(found[1]))
    if unit == "share":
        value = value / 100 if found[2] else value
        if value > 1:
            raise ValueError(f"expected {EXAMPLES[unit]}")
    return value


def parse_phase(text: str | None, budget: str) -> tuple[str | None, str | None]:
    """``after`` → (after, None); ``during:outage`` and ``outage`` → (during, outage)."""
    if text is None:
        return None, None
    phase, _, fault = text.partition(":") if text.partition(":")[0] in PHASES else ("during", ":", text)
    known = (*PHASES, *FAULT_KINDS, SPIKE)
    if fault and fault not in known:
        near = get_close_matches(fault, known, n=1)
        hint = f"did you mean '@{near[0]}'?" if near else f"expected one of {', '.join(known)}"
        raise BudgetError(f"{budget!r}: there is no phase {text!r}; {hint}")
    return phase, fault or None


def phase_spans(scenario: Scenario, phase: str, fault: str | None = None, budget: str = "") -> list[Span]:
    """Arrival times before the first, during any, or after the last of the scenario's faults (of one kind). Raises BudgetError."""
    struck = disturbances(scenario, fault)
    if not struck:
        raise BudgetError(f"{budget!r}: the scenario has no fault{f' of kind {fault}' if fault else ''}, so there is no such phase")
    first, last = scenario.workload.warmup_s, scenario.workload.duration
    if phase == "before":
        spans = [(first, min(start for start, _ in struck))]
    elif phase == "after":
        spans = [(max(end for _, end in struck), last)]
    else:
        spans = struck
    return merged([(max(first, start), min(last, end)) for start, end in spans if max(first, start) < min(last, end)])


def disturbances(scenario: Scenario, kind: str | None = None) -> list[Span]:
    """When the scenario's faults strike (those of one kind); a spike of arrivals where that is asked for, or there is nothing else."""
    faults = [(one.at, one.at + one.for_) for one in scenario.faults if kind in (None, one.kind)]
    return spikes(scenario) if kind == SPIKE or (kind is None and not faults) else faults


def spikes(scenario: Scenario) -> list[Span]:
    arrivals, at_s = scenario.workload.arrivals, 0.0
    if not isinstance(arrivals, Stages):
        return []
    spans = []
    for stage in arrivals.stages:
        if stage.rate.rps > arrivals.stages[0].rate.rps:
            spans.append((at_s, at_s + stage.duration))
        at_s += stage.duration
    return spans


def merged(spans: list[Span]) -> list[Span]:
    """Overlapping spans joined, so that no second counts twice."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined
