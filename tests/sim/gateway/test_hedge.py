"""Hedges: when a second call is made, where it goes, who wins, and who pays."""

from __future__ import annotations

import pytest

from sim.data.schema import CANCELLED
from sim.policy.hedge import HedgeState, Race
from sim.scenario.model import Hedge
from tests.sim.tiny import scenario, serve_at

SLOW = {"models": {"one": {"latency": {"kind": "constant", "value": "3s"}, "price": {"input": 1, "output": 2}}}}
STATUS, TARGET, COST = "status", "target", "cost_usd"


def hedging(to: str = "next", after: str = "500ms", at_most: float = 1.0, **more):
    hedge = {"after": after, "at_most": at_most, "to": to}
    return scenario(gateway={"routing": {"kind": "capability", "any": ["a/one", "b/two"]}, "hedge": hedge}, **more)


def test_the_second_call_goes_to_the_next_target_and_wins_when_the_first_is_slow():
    served = serve_at(hedging(a=SLOW), [0.0])
    assert served.outcomes == ["ok"]
    assert served.latencies_s == [1.5], "half a second of waiting, one of answering"
    assert [row[TARGET] for row in served.attempts] == [0, 1]
    assert [row[STATUS] for row in served.attempts] == [CANCELLED, 200]
    assert served.rows["target"].tolist() == [1]
    assert served.rows["attempts"].tolist() == [2]


def test_the_loser_is_billed_what_it_had_read_and_written():
    served = serve_at(hedging(a=SLOW), [0.0])
    assert [row[COST] for row in served.attempts] == pytest.approx([10e-6, 10e-6 + 5 * 2e-6])
    assert served.rows["cost_usd"].tolist() == pytest.approx([30e-6])


def test_the_same_target_may_be_asked_twice():
    served = serve_at(hedging(to="same", a=SLOW), [0.0])
    assert [row[TARGET] for row in served.attempts] == [0, 0]
    assert served.latencies_s == [3.0], "the first was first"


def test_no_second_call_while_the_first_answers_in_time():
    served = serve_at(hedging(after="2s"), [0.0])
    assert len(served.attempts) == 1


def test_hedges_stay_within_their_share():
    """Ten are saved up; from then on one request in twenty."""
    served = serve_at(hedging(at_most=0.05, a=SLOW), [float(second) for second in range(0, 400, 4)])
    hedged = (served.rows["attempts"] == 2).tolist()
    assert hedged[:10] == [True] * 10
    assert sum(hedged) == 14
    assert sum(hedged[-20:]) == 1


def test_a_hedge_that_fails_leaves_the_race_to_the_first():
    broken = {"errors": {"rate": 1.0, "after": {"kind": "constant", "value": "100ms"}}}
    served = serve_at(hedging(a=SLOW, b=broken), [0.0])
    assert served.outcomes == ["ok"]
    assert served.latencies_s == [3.0]
    assert served.rows["failed_s"].tolist() == [0.0], "a failure beside a success cost no time"


def test_a_client_that_leaves_ends_both_calls():
    served = serve_at(hedging(a=SLOW, client={"timeout": "1s"}), [0.0])
    assert served.outcomes == ["abandoned"]
    assert [row[STATUS] for row in served.attempts] == [CANCELLED, CANCELLED]
    assert all(target.in_flight == 0 for target in served.world.gateway.targets)


def test_whoever_wins_first_stays_the_winner():
    race, cancelled = Race(), []
    race.cancel = [lambda: cancelled.append(0), lambda: cancelled.append(1)]
    assert not race.decided
    race.win(0)
    race.win(1)
    assert (race.leader, race.decided, cancelled) == (0, True, [1])


def test_settings_mean_what_they_say():
    assert HedgeState(Hedge(after="2s", to="next")).to_next
    assert not HedgeState(Hedge(after="2s")).to_next
    assert HedgeState(Hedge(after="2s")).budget.ratio == 0.05
