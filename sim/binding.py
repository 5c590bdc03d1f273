"""What binds: the limit that the offered traffic reaches first, in one sentence with its numbers."""

from __future__ import annotations

from typing import Any

from sim.run import Run

NEAR = 0.9
"""Load from which a limit is said to bind: random traffic feels a limit before the average reaches it."""


def ranked_limits(run: Run) -> list[dict[str, Any]]:
    """``Run.usage``, the limit with the highest load (offered demand / capacity) first."""
    return sorted(run.usage, key=lambda row: -float(row["load"]))


def binding_limit(run: Run) -> dict[str, Any] | None:
    """The row of the limit that binds first; None when every load is below NEAR."""
    ranked = ranked_limits(run)
    return ranked[0] if ranked and ranked[0]["load"] >= NEAR else None


def binding(run: Run) -> str:
    """``the gateway's concurrency binds: 92 requests in service asked of 64 (load 1.44), 1,200 refused; next …``."""
    ranked = ranked_limits(run)
    if not ranked:
        return "nothing binds: the scenario sets no limit that was used"
    first = ranked[0]
    if first["load"] < NEAR:
        return f"nothing binds; the nearest limit is {first['limit']}: {asked(first)}"
    sentence = f"{first['limit']} binds: {asked(first)}"
    if first.get("refused"):
        sentence += f", {first['refused']:,} refused"
    if len(ranked) > 1:
        sentence += f"; next {ranked[1]['limit']} (load {ranked[1]['load']:.2g})"
    return sentence


def asked(row: dict[str, Any]) -> str:
    return f"{figure(row['demand'])} {row['unit']} asked of {figure(row['capacity'])} (load {row['load']:.2f})"


def figure(value: float) -> str:
    """Whole numbers as they are, others with three significant digits and no exponent: 64, 0.0123, 9.21, 1,230."""
    if value == int(value) or abs(value) >= 1000:
        return f"{float(f'{value:.3g}') if value != int(value) else value:,.0f}"
    return f"{value:.3g}"
