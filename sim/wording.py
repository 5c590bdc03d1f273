"""Figures and verdicts as people read them. Milliseconds exist only here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

NOT_KNOWN = "–"
Document = Mapping[str, Any]


def seconds(value: float | None) -> str:
    """``0.4 ms``, ``250 ms``, ``1.89 s``, ``12.4 s``, ``3 m 20 s``."""
    if value is None:
        return NOT_KNOWN
    size = abs(value)
    if size == 0:
        return "0 s"
    if size < 0.9995:
        return f"{value * 1000:.3g} ms"
    if size < 599.5:
        return f"{value:.2f} s" if size < 9.995 else f"{value:.1f} s" if size < 99.95 else f"{value:.0f} s"
    minutes, rest = divmod(round(size), 60)
    hours, minutes = divmod(minutes, 60)
    return ("-" if value < 0 else "") + (f"{hours:,} h {minutes} m" if hours else f"{minutes} m {rest} s")


def percent(value: float | None) -> str:
    """``99.5 %``; near 0 and near 100 % with as many digits as tell it from them."""
    if value is None:
        return NOT_KNOWN
    if value in (0.0, 1.0):
        return f"{value * 100:.0f} %"
    if 0 < value < 5e-6:
        return "< 0.001 %"
    if 1 > value > 1 - 5e-6:
        return "> 99.999 %"
    edge = min(abs(value), abs(1 - value)) * 100
    digits = 1 if edge >= 9.95 else 2 if edge >= 0.095 else 3
    return f"{value * 100:.{digits}f} %"


def dollars(value: float | None) -> str:
    """``$0.00036``, ``$1.24``, ``$12,600``."""
    if value is None:
        return NOT_KNOWN
    if value == 0:
        return "$0"
    size = abs(value)
    shown = f"{size:,.0f}" if size >= 1000 else f"{size:,.2f}" if size >= 1 else f"{size:.3g}" if size >= 1e-4 else f"{size:.6f}"
    return f"-${shown}" if value < 0 else f"${shown}"


def number(value: float | None) -> str:
    if value is None:
        return NOT_KNOWN
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.3g}"


def say(value: float | None, unit: str) -> str:
    """A value of a metric with its unit, as metrics.Unit names it."""
    if unit == "s":
        return seconds(value)
    if unit == "share":
        return percent(value)
    if unit == "USD":
        return dollars(value)
    return number(value) + ("/s" if unit == "/s" and value is not None else "")


def interval(estimate: Document, unit: str) -> str:
    """``1.87 s … 1.91 s``; empty where there are no bounds or nothing lies between them."""
    low, high = estimate["low"], estimate["high"]
    if low is None or high is None:
        return ""
    shown = say(low, unit), say(high, unit)
    return "" if shown[0] == shown[1] else " … ".join(shown)


def times(scale: float) -> str:
    return f"{scale:g}x"


def listed(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else ""


WORDS = {
    "latency_s": "latency",
    "batch_latency_s": "batch latency",
    "batch_availability": "whole batches",
    "ttft_s": "first token",
    "throughput_rps": "throughput",
    "cache_hit_rate": "cache hits",
    "fallback_rate": "fallbacks",
    "attempts_per_request": "attempts per request",
    "cost_usd": "cost",
}


def metric_words(name: str) -> str:
    """``latency_s.p50`` → ``latency P50``."""
    family, _, figure = name.partition(".")
    return f"{WORDS.get(family, family)} {figure.replace('_', ' ') if '_' in figure else figure.replace('p', 'P')}".strip()


# ---- verdicts ---------------------------------------------------------------------------------------------------------
def verdict(summary: Document) -> tuple[str, str]:
    """The state (pass, partly, fail, invalid, unknown) and the one sentence that says everything, of a summary document."""
    if "verify" in summary:
        return verify_verdict(summary["verify"])
    return budget_verdict(summary["runs"])


def verify_verdict(document: Document) -> tuple[str, str]:
    state, paired = document["verdict"], document["paired"]
    over = f"over {paired['requests']:,} paired requests" if not paired.get("why_not") else f"unpaired, because {paired['why_not']}"
    if state == "invalid":
        return "invalid", f"The measurement is invalid, so it says nothing: {'; '.join(document['why_invalid'])}."
    checks = [checked(check) for check in document["checks"]]
    broken = [words for words, check in zip(checks, document["checks"], strict=True) if check["ok"] is False]
    if state == "fail":
        return "fail", f"Prediction and measurement disagree: {listed(broken)}, {over}.{unlike_outcomes(document)}"
    return "pass", f"The prediction holds: {listed([words for words in checks if words])}, {over}."


def unlike_outcomes(document: Document) -> str:
    """What was served instead of what had been predicted, and what the target said to that; empty where outcomes are alike."""
    if not any(check["check"] in ("same_outcome", "outcome_shares") and check["ok"] is False for check in document["checks"]):
        return ""
    served = document["comparison"]["availability"]
    told = [f"{each['requests']:,} × {error_words(each)}" for each in document.get("errors", ())[:3]]
    most = f" Most frequent errors: {'; '.join(told)}." if told else ""
    return f" Availability: {percent(served['predicted']['value'])} predicted, {percent(served['measured']['value'])} measured.{most}"


def error_words(error: Document) -> str:
    """``HTTP 500: boom``; the words alone where no answer came."""
    status = f"HTTP {error['status']}" if error["status"] else ""
    return ": ".join(filter(None, [status, error["error"]])) or "no answer"


def checked(check: Document) -> str:
    name = {"latency_s.p50": "P50", "latency_s.p99": "P99", "cost_usd": "cost", "throughput_rps": "throughput"}.get(
        check["check"], check["check"]
    )
    if check.get("floor_s") is not None:
        return f"{name} within {seconds(check['floor_s'])}"
    if check["found"] is None:
        return ""
    if check["check"] in ("same_outcome", "outcome_shares"):
        return f"{percent(check['found'])} of outcomes alike (at least {check['limit'] * 100:g} %)"
    return f"{name} off by {abs(check['found']) * 100:.1f} % (at most {check['limit'] * 100:g} %)"


def budget_verdict(runs: Sequence[Document]) -> tuple[str, str]:
    if not any(run["budgets"] for run in runs):
        return "unknown", f"No budgets to hold it to. {typical(runs[0])}"
    broken = {times(run["scale"]): [budget for budget in run["budgets"] if budget["verdict"] == "broken"] for run in runs}
    unsure = {times(run["scale"]): [budget for budget in run["budgets"] if budget["verdict"] == "insufficient"] for run in runs}
    holds = [scale for scale in broken if not broken[scale] and not unsure[scale]]
    sentences = [f"Every budget holds at {listed(holds)}"] if holds else []
    for scale, budgets in broken.items():
        if budgets:
            one = budgets[0]
            more = f" and {len(budgets) - 1} more" if len(budgets) > 1 else ""
            sentences.append(f"{scale} breaks {one['budget']} ({budget_value(one)}){more}")
    for scale, budgets in unsure.items():
        if budgets:
            sentences.append(f"too few samples at {scale} for {listed([one['budget'] for one in budgets])}")
    state = ("partly" if holds else "fail") if any(broken.values()) else "unknown" if any(unsure.values()) else "pass"
    sentence = "; ".join(sentences)
    return state, sentence[:1].upper() + sentence[1:] + "."


def budget_value(budget: Document) -> str:
    """The value that a budget was judged by, in the unit that the budget is written in."""
    from sim.budgets import parse_budget

    return say(budget["value"]["value"], parse_budget(budget["budget"]).metric.unit)


def typical(run: Document) -> str:
    latency, availability = run["latency_s"], run["availability"]["value"]
    return (
        f"At {times(run['scale'])}: P50 {seconds(latency['p50']['value'])}, P99 {seconds(latency['p99']['value'])}, "
        f"{percent(availability)} served."
    )


IMPRECISE = 0.10
"""Relative half-width of an interval from which a figure is said to be imprecise."""


def imprecise(runs: Sequence[Document]) -> str:
    """``not precise yet: latency P99 at 1x ± 14 %; more replications would narrow it``; empty when all is precise enough.

    Law & Kelton's relative precision: half-width over value, for the figures that decisions rest on.
    """
    wide = []
    for run in runs:
        for name in ("latency_s.mean", "latency_s.p50", "latency_s.p99", "cost_usd.per_month"):
            family, _, figure = name.partition(".")
            value, low, high = (run[family][figure][part] for part in ("value", "low", "high"))
            if run["kind"] == "prediction" and value and low is not None and high is not None and high - low > 2 * IMPRECISE * value:
                wide.append(f"{metric_words(name)} at {times(run['scale'])} ± {(high - low) / (2 * value) * 100:.0f} %")
    return f"not precise yet: {listed(wide)}; more replications would narrow that" if wide else ""


def interval_of_budget(budget: Document) -> str:
    from sim.budgets import parse_budget

    return interval(budget["value"], parse_budget(budget["budget"]).metric.unit)
