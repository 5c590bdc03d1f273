"""The bottleneck: the limit that refuses the most, else the one that the offered traffic comes closest to, in one sentence with numbers."""

from __future__ import annotations

from typing import Any

from sim.data.run import Run
from sim.formatting import percent

NEAR = 0.9
"""Load from which a limit is said to bind although it refuses nothing: random traffic waits before the average reaches the capacity."""
NOTICED = 0.001
"""Share refused from which a limit is said to bind."""


def ranked_limits(run: Run) -> list[dict[str, Any]]:
    """``Run.usage``, the limit with the highest load (offered demand / capacity) first, those without a load last."""
    return sorted(run.usage, key=lambda row: (row["load"] is None, -(row["load"] or 0.0)))


def most_refusing(ranked: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The limit that refused the most, if that is more than NOTICED of what came to it."""
    refusing = [row for row in ranked if row["refused_share"] > NOTICED]
    return max(refusing, key=lambda row: int(row["refused"]), default=None)


def bottleneck(run: Run) -> dict[str, Any] | None:
    """The row of the limit that refused the most; of none that did, the one with the highest load. None when every load is below NEAR."""
    return binding_of(ranked_limits(run))


def binding_of(ranked: list[dict[str, Any]]) -> dict[str, Any] | None:
    """``bottleneck`` of limits that are ranked already, as a summary document has them."""
    loaded = ranked[0] if ranked and (ranked[0]["load"] or 0.0) >= NEAR else None
    return most_refusing(ranked) or loaded


def bottleneck_in_words(run: Run) -> str:
    """``the gateway's concurrency binds: 92 requests in service asked of 64 (load 1.44), refuses 7.2 % of requests; next … (load 1.2)``."""
    ranked = [row for row in ranked_limits(run) if row["load"] is not None]
    row = bottleneck(run)
    if row is None:
        if not ranked:
            return "nothing binds: the scenario sets no limit that was used"
        return f"nothing binds; the nearest limit is {ranked[0]['limit']}: {asked(ranked[0])}"
    others = [other for other in ranked if other is not row]
    return sentence(row) + (f"; next {others[0]['limit']} (load {others[0]['load']:.2f})" if others else "")


def sentence(row: dict[str, Any]) -> str:
    """One limit, with what is asked of it and what it refuses."""
    if row["load"] is None:
        return f"{row['limit']} refuses {refused(row)}"
    if row["load"] < NEAR:
        return f"{row['limit']} refuses {refused(row)} in bursts: on average {asked(row)}"
    return f"{row['limit']} binds: {asked(row)}" + (f", refuses {refused(row)}" if row["refused"] else "")


def asked(row: dict[str, Any]) -> str:
    return f"{figure(row['demand'])} {row['unit']} asked of {figure(row['capacity'])} (load {row['load']:.2f})"


def refused(row: dict[str, Any]) -> str:
    return f"{percent(row['refused_share'])} of {row['refused_of']}"


def figure(value: float) -> str:
    """Whole numbers as they are, others with three significant digits and no exponent: 64, 0.0123, 9.21, 1,230."""
    if value == int(value) or abs(value) >= 1000:
        return f"{float(f'{value:.3g}') if value != int(value) else value:,.0f}"
    return f"{value:.3g}"
