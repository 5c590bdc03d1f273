"""Verdicts as people read them: of a verification, of budgets, and how precise the figures are."""

from __future__ import annotations

from collections.abc import Sequence

from sim.analysis.saturation import SHARE
from sim.analysis.validation import is_of_outcomes
from sim.formatting import Document, interval, listed, metric_words, percent, say, seconds, times
from sim.scenario.budgets import parse_budget


def verdict(summary: Document) -> tuple[str, str]:
    """The state (pass, partly, fail, invalid, unknown) and the one sentence that says everything, of a summary document."""
    if "verify" in summary:
        return verify_verdict(summary["verify"])
    state, sentence = budget_verdict(summary["runs"])
    if summary.get("expected") == "fails" and state in ("pass", "partly", "fail"):
        state, sentence = meant_to_fail(summary["runs"], sentence)
    return with_assertions(summary["runs"], state, sentence)


def meant_to_fail(runs: Sequence[Document], sentence: str) -> tuple[str, str]:
    """Of a scenario that breaks its own budgets on purpose."""
    held = [times(run["scale"]) for run in runs if not any(budget["verdict"] == "broken" for budget in run["budgets"])]
    if held:
        return "fail", f"Expected to break a budget, and broke none at {listed(held)}."
    return "pass", f"As expected: {sentence[:1].lower()}{sentence[1:]}"


def with_assertions(runs: Sequence[Document], state: str, sentence: str) -> tuple[str, str]:
    """What was not observed comes first."""
    unseen = [(run, one) for run in runs for one in run.get("assertions", ()) if one["verdict"] == "broken"]
    unsure = [one for run in runs for one in run.get("assertions", ()) if one["verdict"] == "insufficient"]
    if unseen:
        run, first = unseen[0]
        more = f" and {len(unseen) - 1} more" if len(unseen) > 1 else ""
        return "fail", f"At {times(run['scale'])} does not hold: {first['assertion']} ({first['says']}){more}. {sentence}"
    if unsure:
        return ("unknown" if state == "pass" else state), f"Too few samples for {unsure[0]['assertion']}. {sentence}"
    if any(run.get("assertions") for run in runs) and state == "unknown" and not any(run["budgets"] for run in runs):
        return "pass", f"Every assertion holds. {typical(runs[0])}"
    return state, sentence


def verify_verdict(document: Document) -> tuple[str, str]:
    state, paired = document["verdict"], document["paired"]
    over = f"over {paired['requests']:,} paired requests" if not paired.get("why_not") else f"unpaired, because {paired['why_not']}"
    if state == "invalid":
        return "invalid", f"The measurement is invalid, so it says nothing: {'; '.join(document['why_invalid'])}."
    if past := document.get("past_saturation"):
        over += f". Past saturation ({past}) outcomes are held to their shares, not request by request"
    checks = [checked(check) for check in document["checks"]]
    broken = [words for words, check in zip(checks, document["checks"], strict=True) if check["ok"] is False]
    if state == "fail":
        return "fail", f"Prediction and measurement disagree: {listed(broken)}, {over}.{unlike_outcomes(document)}"
    return "pass", f"The prediction holds: {listed([*filter(None, checks), *shares_held(document)])}, {over}."


def shares_held(document: Document) -> list[str]:
    """One phrase for all shares of outcomes: the one that is furthest off."""
    shares = [check for check in document["checks"] if check["check"].startswith(SHARE)]
    return [f"shares of outcomes: {share_words(max(shares, key=lambda check: abs(check['found'])))}"] if shares else []


def share_words(check: Document) -> str:
    off, most = abs(check["found"]) * 100, check["limit"] * 100
    return f"{check['check'].removeprefix(SHARE)} off by {off:.2f} points (at most {most:.3g})"


def unlike_outcomes(document: Document) -> str:
    """What was answered instead of what had been predicted, and what the target said to that; empty where outcomes are alike."""
    if not any(is_of_outcomes(check["check"]) and check["ok"] is False for check in document["checks"]):
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
    if check["check"].startswith(SHARE):
        return f"share of {share_words(check)}" if check["ok"] is False else ""
    if check["check"] in ("same_outcome", "outcome_shares"):
        return f"{percent(check['found'])} of outcomes alike (at least {check['limit'] * 100:g} %)"
    return f"{name} off by {abs(check['found']) * 100:.1f} % (at most {check['limit'] * 100:g} %)"


def budget_verdict(runs: Sequence[Document]) -> tuple[str, str]:
    if not any(run["budgets"] for run in runs):
        return "unknown", f"No budgets to hold it to. {typical(runs[0])}"
    broken = {times(run["scale"]): [budget for budget in run["budgets"] if budget["verdict"] == "broken"] for run in runs}
    unsure = {times(run["scale"]): [budget for budget in run["budgets"] if budget["verdict"] == "insufficient"] for run in runs}
    holds = [scale for scale in broken if not broken[scale] and not unsure[scale]]
    sentences: list[str] = []
    for scale, budgets in broken.items():
        if budgets:
            one = budgets[0]
            more = f" and {len(budgets) - 1} more" if len(budgets) > 1 else ""
            what = "at {}" if sentences else "at {} this breaks"
            sentences.append(f"{what.format(scale)}: {one['budget']} ({budget_value(one)}){more}")
    if holds:
        sentences.append(f"every budget holds at {listed(holds)}")
    for scale, budgets in unsure.items():
        if budgets:
            sentences.append(f"too few samples at {scale} for {listed([one['budget'] for one in budgets])}")
    state = ("partly" if holds else "fail") if any(broken.values()) else "unknown" if any(unsure.values()) else "pass"
    sentence = "; ".join(sentences)
    return state, sentence[:1].upper() + sentence[1:] + "."


def budget_value(budget: Document) -> str:
    """The value that a budget was judged by, in the unit that the budget is written in."""
    return say(budget["value"]["value"], parse_budget(budget["budget"]).metric.unit)


def typical(run: Document) -> str:
    latency, availability = run["latency_s"], run["availability"]["value"]
    return (
        f"At {times(run['scale'])}: P50 {seconds(latency['p50']['value'])}, P99 {seconds(latency['p99']['value'])}, "
        f"{percent(availability)} available."
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
    return interval(budget["value"], parse_budget(budget["budget"]).metric.unit)
