"""The mistakes found in a shipped scenario, by a few short predictions."""

from __future__ import annotations

from typing import Any

from sim.engine.runner import predict
from sim.gateway.language import load
from sim.guide.audit import find_mistakes
from sim.guide.trials import Trials


def trials(name: str, *overrides: str, replications: int = 3) -> Trials:
    base = load(name, overrides)
    return Trials(
        base,
        lambda changes: load(name, [*overrides, *changes]),
        lambda loaded, scale: predict(loaded.scenario, scale, replications, base.scenario.seed),
    )


def found_in(name: str, *overrides: str) -> dict[str, Any]:
    """By the mistake's name."""
    return {row["mistake"]: row["found"] for row in find_mistakes(trials(name, *overrides)) if row["found"]}
