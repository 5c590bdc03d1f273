"""Run directories of format 1, as the versions before the gateway became a chain wrote them: their rows as rows of today.

What differs: outcomes had other codes, and `fallback` stood for stale and prepared answers alike; rows did not say what refused them, nor
how much of a prompt was read from the provider's cache. What was not written stays unknown: `refused_by` and `cached_tokens` are 0. Figures
are computed anew from the rows, so availability counts fresh answers alone, as it does today.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sim.analysis.summary import summarize
from sim.analysis.validation import compare
from sim.data import outcomes
from sim.data.run import Run
from sim.data.table import Rows
from sim.scenario.model import Scenario

FORMAT = 1
LACKS = frozenset({"refused_by", "cached_tokens"})
"""Columns that rows of format 1 do not have, of those that every row has today."""
ANSWERS = (outcomes.OK, outcomes.CACHE_HIT)
FAILURES = (outcomes.REJECTED, outcomes.RATE_LIMITED, outcomes.TIMEOUT, outcomes.ERROR, outcomes.ABANDONED)
TOO_FEW = "too few requests for "
"""How reasons of invalidity begin that a comparison finds by itself."""


def codes(scenario: Scenario) -> np.ndarray:
    """Today's outcome of each code. Format 1's `fallback` was stale where the scenario knew no prepared text; else it counts as canned."""
    fallback: Sequence[str] = getattr(scenario, "gateway").fallback  # noqa: B009 - the gateway's words are the chain's
    degraded = outcomes.STALE if "stale-cache" in fallback and "canned" not in fallback else outcomes.CANNED
    return np.array([*ANSWERS, degraded, *FAILURES], np.int8)


def translated(scenario: Scenario, requests: Rows) -> np.ndarray:
    """Rows of requests with today's outcomes."""
    rows = np.array(requests)
    rows["outcome"] = codes(scenario)[rows["outcome"]]
    return rows


def summary_of(runs: Sequence[Run], sha256: str, before: dict[str, Any]) -> dict[str, Any]:
    """The summary document of today over the rows that were kept; what the old one says of those that were not, and of the measurement's
    own certificate, is taken over."""
    summary = summarize(runs, sha256)
    for entry, old in zip(summary["runs"], before["runs"], strict=True):
        entry |= {"engine": old.get("engine")} | ({"rows_kept": old["rows_kept"]} if "rows_kept" in old else {})
    if "verify" in before:
        old = before["verify"]
        predicted = next(run for run in runs if run.kind == "prediction")
        measured = next(run for run in runs if run.kind == "measurement")
        why = [reason for reason in old["why_invalid"] if not reason.startswith(TOO_FEW)]
        comparison = compare(predicted, measured, why_invalid=why, certificate=old["certificate"], errors=old.get("errors", ()))
        summary["verify"] = comparison.as_dict()
    return summary


def run_of_today(run: Run) -> Run:
    return replace(run, requests=translated(run.scenario, run.requests))
