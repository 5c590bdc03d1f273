"""An attempt in virtual time: when it ends, how, and what it leaves."""

from __future__ import annotations

from math import isnan
from typing import Any

import pytest

from sim.data.statuses import CANCELLED, REFUSED, TIMED_OUT
from tests.sim.provider.calls import Clock, scenario

FAULT = {"provider": "p", "at": "0s", "for": "1h"}


def attempt(clock: Clock, **fields: Any) -> Any:
    c = clock.send(10.0, **fields)
    clock.run()
    return c


def facts(c: Any) -> tuple[int, float, int, int]:
    return c.status, round(c.attempt_s, 9), c.billed_tokens, c.produced_tokens


def test_an_answer_takes_its_time_and_bills_its_tokens() -> None:
    c = attempt(Clock(scenario()))
    assert facts(c) == (200, 2.0, 100, 11)
    assert (c.attempt_started_s, c.attempt_first_s) == (10.0, 1.0)


def test_it_is_cut_without_content_in_time_but_not_with_it() -> None:
    c = attempt(Clock(scenario()), first_by_s=10.9)
    assert facts(c) == (TIMED_OUT, 0.9, 100, 0)
    assert isnan(c.attempt_first_s)
    assert facts(attempt(Clock(scenario()), first_by_s=11.0)) == (200, 2.0, 100, 11)


def test_it_is_cut_at_its_deadline_with_what_there_is() -> None:
    c = attempt(Clock(scenario()), end_by_s=11.35)
    assert facts(c) == (TIMED_OUT, 1.35, 100, 4)
    assert c.attempt_first_s == 1.0


def test_a_client_that_leaves_cuts_it() -> None:
    clock = Clock(scenario())
    assert facts(attempt(clock, leaves_s=11.05)) == (CANCELLED, 1.05, 100, 1)
    assert clock.p.providers[0].in_service == 0


def test_a_hang_bills_nothing_and_an_error_says_when_to_come_back() -> None:
    assert facts(attempt(Clock(scenario(faults=[{**FAULT, "kind": "outage", "mode": "hang"}])), end_by_s=15.0)) == (TIMED_OUT, 5.0, 0, 0)
    clock = Clock(scenario(limits={"requests": "1/min"}))
    clock.send(9.0)
    c = attempt(clock)
    assert facts(c) == (429, 0.1, 0, 0)
    assert c.retry_after_s == pytest.approx(59.0)
    assert c.attempt_refused_by == c.plan_refused_by != 0


def test_a_refusal_that_did_not_come_in_time_has_refused_nothing() -> None:
    c = attempt(Clock(scenario(faults=[{**FAULT, "kind": "rate-limit"}])), end_by_s=10.05)
    assert (c.status, c.attempt_refused_by) == (TIMED_OUT, 0)


def test_a_broken_answer_is_billed_up_to_the_break() -> None:
    assert facts(attempt(Clock(scenario(faults=[{**FAULT, "kind": "reset", "after": 0.5}])))) == (REFUSED, 1.5, 100, 6)


@pytest.mark.parametrize("model", [{}, {"batching": {"parallel": 1}}])
def test_content_is_told_at_once_where_somebody_must_know(model: dict[str, Any]) -> None:
    clock = Clock(scenario(model))
    c = attempt(clock, shows=True)
    assert clock.shown == {0: pytest.approx(11.0)}
    assert facts(c) == (200, 2.0, 100, 11)
    assert c.attempt_first_s == pytest.approx(1.0)


def test_two_on_a_shared_server_slow_each_other() -> None:
    """Both take 2 s alone. The second comes at 1: from then on each runs at half speed until the first ends at 3."""
    clock = Clock(scenario({"batching": {"parallel": 1}}))
    first, second = clock.send(0.0), clock.send(1.0)
    clock.run()
    assert facts(first) == (200, 3.0, 100, 11)
    assert facts(second) == (200, 3.0, 100, 11)
    assert (first.attempt_first_s, second.attempt_first_s) == (pytest.approx(1.0), pytest.approx(2.0))


def test_on_a_shared_server_work_done_is_what_is_billed() -> None:
    clock = Clock(scenario({"batching": {"parallel": 1}}))
    first, second = clock.send(0.0), clock.send(0.0, end_by_s=2.5)
    clock.run()
    assert facts(second) == (TIMED_OUT, 2.5, 100, 3), "1.25 s of work"
    assert second.attempt_first_s == pytest.approx(2.0)
    assert facts(first) == (200, 3.25, 100, 11), "alone from then on"
    assert clock.p.servers[0].in_service == clock.p.servers[0].waiting == 0
