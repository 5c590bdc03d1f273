"""What binds: the limit that the offered traffic reaches first, and what is refused, in one sentence with its numbers."""

from __future__ import annotations

from typing import Any

from sim.data.run import Run
from sim.formatting import percent

NEAR = 0.9
"""Load from which a limit is said to bind: random traffic feels a limit before the average reaches it."""
NOTICED = 0.001
"""Share refused from which a limit is said to refuse: bursts reach a limit that the average is far from."""


def ranked_limits(run: Run) -> list[dict[str, Any]]:
    """``Run.usage``, the limit with the highest load (offered demand / capacity) first."""
    return sorted(run.usage, key=lambda row: -float(row["load"]))


def most_refusing(ranked: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The limit that refuses the most, if that is more than NOTICED of what comes to it."""
    refusing = [row for row in ranked if row.get("refused_share", 0.0) > NOTICED]
    return max(refusing, key=lambda row: int(row["refused"]), default=None)


def binding_limit(run: Run) -> dict[str, Any] | None:
    """The row of the limit that binds first, else of the one that refuses the most; None when every load is below NEAR and none refuses."""
    ranked = ranked_limits(run)
    return ranked[0] if ranked and ranked[0]["load"] >= NEAR else most_refusing(ranked)


def binding(run: Run) -> str:
    """``the gateway's concurrency binds: 92 requests in service asked of 64 (load 1.44), refuses 7.20 % of requests; … refuses most …``."""
    ranked = ranked_limits(run)
    if not ranked:
        return "nothing binds: the scenario sets no limit that was used"
    first, refusing = ranked[0], most_refusing(ranked)
    if first["load"] < NEAR:
        if refusing is None:
            return f"nothing binds; the nearest limit is {first['limit']}: {asked(first)}"
        return f"{refusing['limit']} refuses {refused(refusing)} in bursts: on average {asked(refusing)}"
    sentence = f"{first['limit']} binds: {asked(first)}"
    if first.get("refused_share"):
        sentence += f", refuses {refused(first)}"
    if refusing is not None and refusing is not first:
        return f"{sentence}; {refusing['limit']} refuses most: {refused(refusing)} (load {refusing['load']:.2f})"
    if len(ranked) > 1:
        sentence += f"; next {ranked[1]['limit']} (load {ranked[1]['load']:.2f})"
    return sentence


def asked(row: dict[str, Any]) -> str:
    return f"{figure(row['demand'])} {row['unit']} asked of {figure(row['capacity'])} (load {row['load']:.2f})"


def refused(row: dict[str, Any]) -> str:
    return f"{percent(row['refused_share'])} of {row['refused_of']}"


def figure(value: float) -> str:
    """Whole numbers as they are, others with three significant digits and no exponent: 64, 0.0123, 9.21, 1,230."""
    if value == int(value) or abs(value) >= 1000:
        return f"{float(f'{value:.3g}') if value != int(value) else value:,.0f}"
    return f"{value:.3g}"
