"""After the verdict: from where a limit binds, what to raise first, and the bill."""

from __future__ import annotations

from typing import Any

import pytest

from sim.report.outlook import binds_from, outlook


def run(
    scale: float,
    load: float,
    ok: bool = True,
    refused_share: float = 0.0,
    limit: str = "the gateway's concurrency",
    budget: str = "latency.p99 < 5s",
) -> dict[str, Any]:
    row = {"limit": limit, "load": load, "refused": int(1000 * refused_share), "refused_share": refused_share}
    return {
        "kind": "prediction",
        "scale": scale,
        "limits": [row],
        "budgets": [{"budget": budget, "verdict": "ok" if ok else "broken"}],
        "cost_usd": {"per_month": {"value": 1200.0 * scale}},
    }


def summary(*runs: dict[str, Any]) -> dict[str, Any]:
    return {"runs": list(runs)}


def test_what_breaks_comes_with_the_limit_what_to_raise_and_the_bill_of_that_scale() -> None:
    assert outlook(summary(run(1, 0.2), run(10, 1.4, ok=False, refused_share=0.2), run(100, 14.0, ok=False, refused_share=0.9))) == (
        "The gateway's concurrency binds from about 7x; raise gateway.queue.concurrency first (`tenfold plan` tries it). "
        "It will cost $12,000 a month at 10x."
    )


def test_what_holds_comes_with_the_limit_that_is_next() -> None:
    assert outlook(summary(run(1, 0.05))) == (
        "Next comes the gateway's concurrency, which binds from about 20x. It will cost $1,200 a month at 1x."
    )


def test_a_budget_that_breaks_while_no_limit_is_short_is_not_blamed_on_one() -> None:
    assert "what breaks is elsewhere" in outlook(summary(run(1, 0.1, ok=False)))


def test_a_bill_that_is_too_high_is_not_blamed_on_a_limit_either() -> None:
    said = outlook(summary(run(1, 0.1, ok=False, budget="cost.month < 900 USD")))
    assert said == "Next comes the gateway's concurrency, which binds from about 10x. It will cost $1,200 a month at 1x."


def test_a_limit_that_nothing_raises_is_named_without_advice() -> None:
    said = outlook(summary(run(1, 1.5, ok=False, limit="breaker at a/m")))
    assert said.startswith("Breaker at a/m binds from about 0.67x.")
    assert "raise" not in said


def test_measurements_have_no_outlook() -> None:
    assert outlook({"runs": [run(1, 0.5)], "verify": {}}) == ""
    assert outlook({"runs": [run(1, 0.5) | {"kind": "measurement"}]}) == ""


@pytest.mark.parametrize(
    ("loads", "scale"), [({1: 0.1}, 10), ({1: 0.5, 2: 1.5}, 1.5), ({2: 4.0, 4: 9.0}, 0.5), ({1: 0.1, 2: 0.25}, 8), ({1: 0.0}, None)]
)
def test_a_limit_binds_where_its_load_reaches_one(loads: dict[float, float], scale: float | None) -> None:
    runs = [run(at, load) for at, load in loads.items()]
    assert binds_from(runs, "the gateway's concurrency") == (None if scale is None else pytest.approx(scale))
