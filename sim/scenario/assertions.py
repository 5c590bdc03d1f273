"""Assertions: what must be observed when a scenario is run. ``availability > 99% @after:outage``, ``cost.request > 5x @during:outage`` (of
what it was before), ``recovery_time < 30s @outage``, ``sometimes breaker opens``, ``never refused_by "provider requests limit"``.

Unlike a budget, an assertion may want the bad: a chaos run in which nothing broke has tested nothing. All of it is checked before
anything runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from sim.scenario.budgets import (
    COMPARISONS,
    Budget,
    BudgetError,
    Span,
    find_metric,
    parse_budget,
    parse_phase,
    parse_quantity,
    parse_selector,
    phase_spans,
    split_budget,
)
from sim.scenario.metric_names import RECOVERY as RECOVERY_TIME
from sim.scenario.metric_names import MetricName
from sim.scenario.model import Scenario
from sim.scenario.units import NUMBER

RECOVERY = RECOVERY_TIME.name
RELATIVE = re.compile(rf"{NUMBER}\s*x")
COVERAGE = re.compile(r"\s*(sometimes|never)\s+([a-z_-]+)(?:\s+(?:\"([^\"]*)\"|([a-z-]+)))?\s*(?:@\s*(\S.*?))?\s*")
BREAKER_MOVES = {"opens": "open", "half-opens": "half-open", "closes": "closed"}
REFUSED_BY, BREAKER, RETRIES = "refused_by", "breaker", "retries"
TIMES_OF_BREAKER = ", ".join(f"breaker {move}" for move in BREAKER_MOVES)


@dataclass(frozen=True)
class Figure:
    """A figure of a phase; with ``relative``, the limit counts times the same figure before the first fault."""

    text: str
    budget: Budget
    relative: bool = False


@dataclass(frozen=True)
class Recovery:
    """How long after the end of a disturbance availability may take to be back for good: see ``sim.analysis.recovery``."""

    text: str
    comparison: str
    limit_s: float
    fault: str | None

    def holds(self, value: float) -> bool:
        return COMPARISONS[self.comparison](value, self.limit_s)


@dataclass(frozen=True)
class Coverage:
    """Something that must happen at least once in the run, or not at all. ``what`` is ``breaker`` (``which``: the state it moves to),
    ``refused_by`` (``which``: the limit), ``retries``, or an outcome.
    """

    text: str
    word: Literal["sometimes", "never"]
    what: str
    which: str = ""
    phase: str | None = None
    fault: str | None = None

    def spans(self, scenario: Scenario) -> list[Span] | None:
        return phase_spans(scenario, self.phase, self.fault, self.text) if self.phase else None


Assertion = Figure | Recovery | Coverage


def parse_assertion(text: str, outcomes: Iterable[str], limits: Iterable[str]) -> Assertion:
    """``outcomes`` and ``limits`` are the names that a run may leave. Raises BudgetError for anything that could not be observed."""
    plain = " ".join(text.split())
    if plain.startswith(("sometimes", "never")):
        return parse_coverage(plain, list(outcomes), list(limits))
    words = split_budget(plain)
    if words is None:
        first = plain.split(" ")[0]
        near = get_close_matches(first, ("sometimes", "never"), n=1, cutoff=0.7)
        hint = f"did you mean {near[0]!r}?" if near else "such as 'availability > 99% @during:outage' or 'sometimes breaker opens'"
        raise BudgetError(f"{text!r}: expected a metric, a comparison and a quantity, or sometimes and what is seen; {hint}")
    if words.metric == RECOVERY:
        return parse_recovery(plain)
    metric = known_metric(words.metric, plain)
    if found := RELATIVE.fullmatch(words.quantity.strip()):
        phase, fault = parse_phase(words.phase, plain)
        if phase not in ("during", "after"):
            raise BudgetError(f"{plain!r}: so many times what it was before: expected a phase, such as '@during' or '@after'")
        selector = parse_selector(words.selector, metric, plain)
        comparison = comparison_of(words.comparison, plain)
        return Figure(plain, Budget(plain, metric, comparison, float(found[1]), 1.0, phase, fault, selector), True)
    return Figure(plain, parse_budget(plain, either_way=True))


def known_metric(name: str, text: str) -> MetricName:
    if get_close_matches(name, (RECOVERY,), n=1, cutoff=0.85):
        raise BudgetError(f"{text!r}: there is no metric {name!r}; did you mean {RECOVERY!r}?")
    return find_metric(name, text)


def comparison_of(comparison: str, text: str) -> str:
    if comparison not in COMPARISONS:
        raise BudgetError(f"{text!r}: expected one of {', '.join(COMPARISONS)} instead of {comparison!r}")
    return comparison


def parse_recovery(text: str) -> Recovery:
    """``@outage``, ``@after:outage`` and no phase at all (all faults) are the same: it is counted from the end."""
    words = split_budget(text)
    assert words is not None
    try:
        limit_s = parse_quantity(words.quantity, "s")
    except ValueError as error:
        raise BudgetError(f"{text!r}: {error}, found {words.quantity!r}") from None
    phase, fault = parse_phase(words.phase, text)
    if phase == "before":
        raise BudgetError(f"{text!r}: there is nothing to recover from before a fault; expected such as '@outage'")
    return Recovery(text, comparison_of(words.comparison, text), limit_s, fault)


def parse_coverage(text: str, outcomes: list[str], limits: list[str]) -> Coverage:
    found = COVERAGE.fullmatch(text)
    known = [*(f"breaker {move}" for move in BREAKER_MOVES), RETRIES, *outcomes, f'{REFUSED_BY} "…"']
    if found is None:
        raise BudgetError(f"{text!r}: expected sometimes or never, and one of {', '.join(known)}")
    _, what, quoted, which, phrase = found.groups()
    word: Literal["sometimes", "never"] = "never" if found[1] == "never" else "sometimes"
    phase, fault = parse_phase(phrase, text)
    place = (phase, fault)
    if what == BREAKER:
        if which not in BREAKER_MOVES:
            near = get_close_matches(which or "", BREAKER_MOVES, n=1)
            raise BudgetError(f"{text!r}: " + (f"did you mean 'breaker {near[0]}'?" if near else f"expected one of {TIMES_OF_BREAKER}"))
        return Coverage(text, word, BREAKER, BREAKER_MOVES[which], *place)
    if what == REFUSED_BY:
        limit = quoted or which or ""
        if limit not in limits:
            near = get_close_matches(limit, limits, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(limits))}"
            raise BudgetError(f"{text!r}: there is no limit {limit!r}; {hint}")
        return Coverage(text, word, REFUSED_BY, limit, *place)
    if what not in (RETRIES, *outcomes) or quoted or which:
        near = get_close_matches(what, [BREAKER, RETRIES, REFUSED_BY, *outcomes], n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near and near[0] != what else f"expected one of {', '.join(known)}"
        raise BudgetError(f"{text!r}: a run has no such event; {hint}")
    return Coverage(text, word, what, "", *place)


def check_phases(scenario: Scenario, assertion: Assertion) -> None:
    """Raises BudgetError for a phase that the scenario does not have, or a figure of a stage that it does not use."""
    match assertion:
        case Figure():
            assertion.budget.check(scenario)
        case Recovery():
            phase_spans(scenario, "after", assertion.fault, assertion.text)
        case Coverage():
            assertion.spans(scenario)
            if assertion.what == BREAKER and assertion.word == "sometimes" and scenario.gateway.breaker is None:
                raise BudgetError(f"{assertion.text!r}: the gateway has no breaker; add gateway.breaker")
