"""Ignoring token limits: every call brings the whole conversation, which costs money and fills the providers' token limits."""

from __future__ import annotations

from typing import Any

from sim.analysis.metrics import measure
from sim.data.run import Run
from sim.formatting import percent
from sim.guide.found import Found
from sim.guide.trials import Trials, change, gain, share_saved, surely_less

WORDS = "Ignoring token limits: Sending too much context wastes money and hits rate limits."
KEPT_TURNS = 4
"""The guide's sliding window keeps "only last N relevant turns"."""
WASTED = 0.1
"""Share of the cost from which history is too much."""
SCALE = 10.0


def find(trials: Trials) -> Found | None:
    if trials.scenario.gateway.context.kind != "full" or not brings_history(trials.scenario):
        return None
    mend = (change("gateway.context", {"kind": "window", "turns": KEPT_TURNS}),)
    before, after = trials.run(), trials.run(mend)
    cost = gain("cost_usd.per_month", before, after)
    if share_saved(cost) < WASTED or not surely_less(cost):
        return None
    tokens = gain("tokens.input_per_request", before, after)
    limits = token_limits(trials.run(scale=SCALE))
    return Found(
        where="gateway.context",
        says=f"each call brings all that was said before: {tokens.before:,.0f} input tokens a call, of which "
        f"{percent(share_saved(tokens))} are older than the last {KEPT_TURNS} turns; {limits}",
        mend=mend,
        todo="send a window of the last turns, a summary of the older ones, or a budget of tokens: gateway.context",
        gains=(cost, tokens, gain("latency_s.p99", before, after)),
    )


def brings_history(scenario: Any) -> bool:
    return scenario.workload.conversations is not None and any(each.brings_history for each in scenario.workload.requests)


def token_limits(run: Run) -> str:
    """What the providers' and the gateway's token limits are asked for at SCALE."""
    rows = [row for row in run.usage if "token limit" in row["limit"] and row["load"] is not None]
    if not rows:
        spent = measure(run, "tokens.input_per_s").value or 0.0
        return f"no token limit is stated; at {SCALE:g}x it takes {spent * 60:,.0f} input tokens/min"
    most = max(rows, key=lambda row: row["load"])
    refused = f" and refuses {percent(most['refused_share'])} of {most['refused_of']}" if most["refused"] else ""
    return f"at {SCALE:g}x {most['limit']} is asked for {percent(most['load'])} of what it has{refused}"
