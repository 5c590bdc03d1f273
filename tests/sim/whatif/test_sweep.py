"""Which configuration is best, and why."""

from __future__ import annotations

from typing import Any

import pytest

from sim.whatif.charts import front
from sim.whatif.sweep import answer
from tests.sim.whatif.documents import document

BUDGETS = ("latency.p99 < 2s", "availability > 99%")


def rows(*documents: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        each
        | {
            "configuration": number,
            "settings": {"a": str(number)},
            "holds": all(one["ok"] for one in each["budgets"]) if each["budgets"] else None,
        }
        for number, each in enumerate(documents)
    ]


def test_the_cheapest_within_all_budgets_is_best() -> None:
    best, says = answer(rows(*(document(p99_s, cost, budgets=BUDGETS) for p99_s, cost in ((1.0, 90.0), (1.5, 70.0), (3.0, 10.0)))))
    assert best == 1
    assert (
        says == "Cheapest within all budgets: a=1: $70.00 a month, P99 1.50 s, 100 % available (2 of 3 configurations hold every budget)."
    )


def test_of_those_that_cost_the_same_the_quickest_is_best() -> None:
    best, says = answer(
        rows(document(1.5, 70.0, budgets=BUDGETS), document(1.0, 70.0, budgets=BUDGETS), document(1.2, 71.0, budgets=BUDGETS))
    )
    assert best == 1
    assert "1 other costs the same as far as can be seen" in says


def test_a_best_that_may_miss_a_budget_is_said_to() -> None:
    assert "though not surely" in answer(rows(document(1.99, 70.0, budgets=BUDGETS, half=0.05)))[1]


def test_if_none_holds_the_closest_and_what_it_breaks_are_named() -> None:
    best, says = answer(rows(document(9.0, budgets=BUDGETS), document(2.5, budgets=BUDGETS)))
    assert best is None
    assert says == "No configuration of 2 holds every budget; the closest is a=1, which breaks latency.p99 < 2s (2.50 s)."


def test_without_budgets_the_best_p99_is_best() -> None:
    best, says = answer(rows(document(1.5), document(1.0)))
    assert best == 1
    assert says.startswith("Best P99: a=1: $100.00 a month, P99 1.00 s")
    assert says.endswith("the scenario states no budgets.")


def test_without_answers_there_is_no_best() -> None:
    assert answer(rows(document(None), document(None)))[0] is None


@pytest.mark.parametrize("missing", [None, 5.0])
def test_the_front_holds_what_no_other_is_both_cheaper_and_quicker_than(missing: float | None) -> None:
    found = front(rows(document(1.0, 90.0), document(2.0, 80.0), document(2.5, 85.0), document(missing, 95.0)))
    assert [row["configuration"] for row in found] == [1, 0]
