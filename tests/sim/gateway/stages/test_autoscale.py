"""Auto-scaling: Kubernetes' HPA on CPU utilisation, KEDA on calls and from no worker, and what the calls see of it."""

from __future__ import annotations

import pytest

from sim.analysis.metrics import measure
from sim.engine.runner import predict
from sim.gateway.language import Scenario
from sim.gateway.stages import autoscale
from sim.gateway.stages.autoscale import SCALED, check
from sim.scenario.model import Stages
from sim.workload.rates import foreseen
from tests.sim.gateway.by_hand import ByHand, by_hand
from tests.sim.tiny import BASE, unchecked

TENTH = {"kind": "constant", "value": "100ms"}


def hpa(workers=1, start_up="0s", target=0.5, **words):
    scaler = {"kind": "hpa", "max": 100, "start_up": start_up, "target": target, **words}
    return by_hand(workers=workers, cpu_per_request=TENTH, autoscale=scaler)


def keda(workers=0, start_up="0s", calls_per_worker=1, slots=1, **words):
    scaler = {"kind": "keda", "max": 100, "start_up": start_up, "calls_per_worker": calls_per_worker, **words}
    return by_hand(queue={"concurrency": slots, "per": "worker", "waiting": "unlimited"}, autoscale={"start": workers, **scaler})


def busy(hand, number, seconds, at_s):
    """Give a worker work of that length."""
    hand.g.cpu.turn = number
    return hand.start(at_s, cpu_demand_s=seconds)


def asked(hand):
    return hand.g.autoscale.asked


def said(hand):
    states = ("up", "down", "ready", "flapping")
    return [(at_s, states[value], workers) for at_s, kind, workers, value in hand.g.events if kind == SCALED]


class TestHpa:
    """desired = ceil(ready · utilisation / target), by Kubernetes' replica calculator."""

    def test_workers_become_as_many_as_the_usage_over_the_target_rounded_up(self):
        hand = hpa(workers=2)
        busy(hand, 0, 15.0, 0.0)
        busy(hand, 1, 6.0, 0.0)
        assert hand.tick(15.0) == 30.0
        assert asked(hand) == 3  # 2 · 0.7 / 0.5 = 2.8

    @pytest.mark.parametrize(("seconds", "workers"), [(8.2, 2), (8.4, 3)])
    def test_nothing_changes_within_the_tolerance(self, seconds, workers):
        hand = hpa(workers=2)
        for number in (0, 1):
            busy(hand, number, seconds, 0.0)
        hand.tick(15.0)
        assert asked(hand) == workers  # 0.547 and 0.56 over 0.5: 1.09 and 1.12

    def test_only_the_time_since_the_last_look_counts(self):
        hand = hpa(workers=1, target=0.8)
        busy(hand, 0, 12.0, 0.0)
        hand.tick(15.0)
        busy(hand, 0, 12.0, 15.0)
        hand.tick(30.0)
        assert asked(hand) == 1

    def test_it_grows_by_four_or_by_as_many_as_there_are_within_a_period(self):
        hand = hpa(workers=2, target=0.01)
        asked_then = []
        for at_s in (0.0, 15.0, 30.0):
            for number in range(asked(hand)):
                busy(hand, number, 15.0, at_s)
            hand.tick(at_s + 15.0)
            asked_then.append(asked(hand))
        assert asked_then == [6, 12, 24]

    def test_syncs_more_frequent_than_the_period_share_its_allowance(self):
        hand = hpa(workers=1, target=0.01, every="5s")
        asked_then = []
        for at_s in (0.0, 5.0, 10.0, 15.0, 20.0):
            for number in range(asked(hand)):
                busy(hand, number, 5.0, at_s)
            hand.tick(at_s + 5.0)
            asked_then.append(asked(hand))
        assert asked_then == [5, 5, 5, 10, 10]  # those added at 5 s count until 15 s have passed

    def test_workers_that_are_starting_count_as_idle_and_nothing_is_asked_for_twice(self):
        hand = hpa(workers=1, start_up="40s")
        busy(hand, 0, 60.0, 0.0)
        hand.tick(15.0)
        assert (asked(hand), hand.g.autoscale.ready) == (2, 1)
        hand.tick(30.0)
        assert asked(hand) == 2  # (1 + 0) / 2 = 0.5, the target

    def test_a_worker_is_ready_after_its_start_up_and_then_takes_its_turn(self):
        hand = hpa(workers=1, start_up="40s")
        busy(hand, 0, 60.0, 0.0)
        hand.tick(15.0)
        assert [hand.start(16.0, cpu_demand_s=0.1).worker for _ in range(2)] == [0, 0]
        assert [hand.tick(at_s) for at_s in (30.0, 45.0, 55.0)] == [45.0, 55.0, 60.0]
        assert [hand.start(56.0, cpu_demand_s=0.1).worker for _ in range(2)] == [0, 1]

    def test_it_scales_down_to_the_highest_advice_of_the_stabilisation_window(self):
        hand = hpa(workers=8)
        for at_s in range(15, 300, 15):
            hand.tick(float(at_s))
            assert asked(hand) == 8
        hand.tick(300.0)
        assert asked(hand) == 1

    def test_a_worker_that_is_taken_away_gets_no_new_call_and_finishes_those_it_has(self):
        hand = hpa(workers=2, stabilization="15s", target=1.0)
        last = busy(hand, 1, 25.0, 0.0)
        hand.tick(15.0)
        assert (asked(hand), last.until_s) == (1, 25.0)
        assert [hand.start(16.0, cpu_demand_s=0.1).worker for _ in range(3)] == [0, 0, 0]
        assert hand.time_comes(last).state == "performing"

    def test_it_never_leaves_the_bounds(self):
        hand = hpa(workers=3, min=2, max=4, target=0.01, stabilization="15s")
        busy(hand, 0, 15.0, 0.0)
        hand.tick(15.0)
        assert asked(hand) == 4
        hand.tick(30.0)
        assert asked(hand) == 2


class TestKeda:
    """By calls, and from none."""

    def test_without_a_worker_calls_wait_until_a_poll_has_found_one_and_a_worker_has_started(self):
        hand = keda(start_up="5s", slots=2, calls_per_worker=2)
        first, second = hand.start(10.0), hand.start(12.0)
        assert [hand.tick(at_s) for at_s in (15.0, 30.0)] == [30.0, 35.0]
        assert (asked(hand), first.state) == (1, "waiting")
        hand.tick(35.0)
        assert [first.state, second.state] == ["performing", "performing"]
        assert (first.worker_wait_s, second.worker_wait_s) == (25.0, 23.0)
        assert said(hand) == [(30.0, "up", 1), (35.0, "ready", 1)]

    def test_a_client_that_leaves_before_there_is_a_worker_is_forgotten(self):
        hand = keda()
        c = hand.start(0.0)
        hand.depart(c, 10.0)
        assert (c.worker_wait_s, hand.g.autoscale.inside) == (10.0, 0)
        hand.tick(30.0)
        assert asked(hand) == 0
        assert hand.is_idle()

    def test_there_are_as_many_workers_as_calls_need_waiting_ones_included(self):
        hand = keda(workers=1, calls_per_worker=2)
        for _ in range(7):
            hand.start(0.0)
        hand.tick(15.0)
        assert asked(hand) == 4
        assert sum(c.state == "performing" for c in hand.resumed) == 3, "each worker that is ready has a slot"

    def test_the_last_worker_goes_once_no_poll_has_found_a_call_for_the_cool_down(self):
        hand = keda(workers=1, cooldown="60s")
        c = hand.start(0.0)
        hand.tick(30.0)
        hand.answer(c, 31.0)
        hand.tick(60.0)
        assert asked(hand) == 1
        hand.tick(90.0)
        assert asked(hand) == 0
        assert hand.start(91.0).state == "waiting"

    def test_slots_of_workers_that_are_taken_away_go_once_they_are_free(self):
        hand = keda(workers=2, calls_per_worker=1, stabilization="15s")
        first, second = hand.start(0.0), hand.start(0.0)
        hand.answer(first, 1.0)
        hand.tick(15.0)
        assert asked(hand) == 1
        third = hand.start(16.0)
        assert (second.state, third.state) == ("performing", "waiting")
        hand.answer(second, 17.0)
        assert third.state == "performing"


def test_to_and_fro_is_said_to_be_flapping():
    hand = keda(workers=1, calls_per_worker=1, slots=10, stabilization="15s")
    calls = []
    for at_s, number in ((15.0, 3), (30.0, 1), (45.0, 3)):
        while len(calls) > number:
            hand.answer(calls.pop(), at_s - 1.0)
        while len(calls) < number:
            calls.append(hand.start(at_s - 1.0))
        hand.tick(at_s)
    assert [(at_s, state) for at_s, state, _ in said(hand) if state != "ready"] == [
        (15.0, "up"), (30.0, "down"), (45.0, "up"), (45.0, "flapping"),
    ]  # fmt: skip


RISING = {"kind": "stages", "stages": [{"rate": "2/s", "duration": "60s"}, {"rate": "20/s", "duration": "180s"}]}


def rising(**gateway):
    raw = {**BASE, "workload": {**BASE["workload"], "arrivals": RISING, "duration": "4m"}, "gateway": {**BASE["gateway"], **gateway}}
    return Scenario.model_validate(raw)


def test_workers_and_what_they_cost_are_figures_of_a_run():
    scaler = {"kind": "hpa", "max": 10, "start_up": "10s"}
    run = predict(rising(cpu_per_request=TENTH, autoscale=scaler, worker_usd_per_hour=0.5), replications=2, engine="simpy")
    mean, most = measure(run, "workers.mean").value, measure(run, "workers.max").value
    assert 1.0 < mean < most <= 10
    assert measure(run, "cost_usd.capacity_per_month").value == pytest.approx(mean * 0.5 * 720)
    tokens = measure(run, "cost_usd.per_request").value * measure(run, "offered_rps").value * 86_400 * 30
    assert measure(run, "cost_usd.per_month").value == pytest.approx(tokens + mean * 0.5 * 720)


def test_workers_that_stay_as_they_are_cost_the_same_every_hour():
    run = predict(rising(workers=4, worker_usd_per_hour=0.25), replications=1, engine="simpy")
    assert measure(run, "cost_usd.capacity_per_month").value == pytest.approx(4 * 0.25 * 720)


def test_too_few_workers_that_scale_answer_what_fixed_ones_cannot():
    words = {"cpu_per_request": TENTH, "timeout": {"total": "30s"}}
    fixed = predict(rising(**words), replications=1, engine="simpy")
    scaled = predict(rising(**words, autoscale={"kind": "hpa", "max": 10, "start_up": "10s"}), replications=1, engine="simpy")
    assert measure(fixed, "availability").value < 0.75
    assert measure(scaled, "availability").value > 0.95


@pytest.mark.parametrize(
    ("gateway", "place"),
    [
        (
            {"workers": 9, "cpu_per_request": TENTH, "autoscale": {"kind": "hpa", "max": 4, "start_up": "1s"}},
            ("gateway", "autoscale", "max"),
        ),
        ({"autoscale": {"kind": "hpa", "max": 4, "start_up": "1s"}}, ("gateway", "autoscale")),
        ({"autoscale": {"kind": "keda", "max": 4, "start_up": "1s", "calls_per_worker": 2}}, ("gateway", "autoscale")),
        (
            {"cpu_per_request": TENTH, "autoscale": {"kind": "hpa", "max": 4, "start_up": "1s", "every": 0}},
            ("gateway", "autoscale", "every"),
        ),
    ],
)
def test_what_cannot_work_is_refused(gateway, place):
    (finding,) = check(unchecked(gateway=gateway))
    assert finding.path == place


def test_a_gateway_whose_workers_stay_as_they_are_has_no_control_loop():
    assert autoscale.build(unchecked(), 1) is None
    assert by_hand().g.timers == ()


def test_a_clock_that_is_set_back_to_the_start_of_a_run_starts_the_loop_anew():
    hand = keda(workers=1)
    for at_s in (15.0, 30.0, 45.0):
        hand.tick(at_s)
    assert hand.tick(0.0) == 15.0


class TestForecast:
    """Pre-warming: the workers that the traffic's pattern asks for a while from now."""

    def rising(self, **words):
        scaler = {"kind": "hpa", "max": 100, "start_up": "30s", "target": 0.5, **words}
        made = rising(workers=2, cpu_per_request=TENTH, autoscale=scaler)
        return ByHand(made)

    @pytest.mark.parametrize(("forecast", "workers"), [(None, 2), ("40s", 2), ("50s", 6)])
    def test_it_scales_up_as_much_as_the_rate_will_rise_within_the_time_it_looks_ahead(self, forecast, workers):
        """2/s become 20/s at 60 s. At 15 s a utilisation of 0.2 foresees 2.0: 8 workers, of which the policies allow 4 more at once."""
        hand = self.rising(**({} if forecast is None else {"forecast": forecast}))
        for number in (0, 1):
            busy(hand, number, 3.0, 0.0)
        hand.tick(15.0)
        assert asked(hand) == workers

    def test_it_does_not_scale_down_because_the_rate_will_fall(self):
        falling = {"kind": "stages", "stages": [{"rate": "20/s", "duration": "30s"}, {"rate": "2/s", "duration": "30s"}]}
        assert foreseen(Stages.model_validate(falling), 60.0, 15.0, 60.0) == [1.0] * 5

    def test_workers_that_are_there_before_the_rise_are_not_waited_for(self):
        words = {"cpu_per_request": TENTH, "workers": 1}
        scaler = {"kind": "hpa", "max": 20, "start_up": "40s", "target": 0.5}
        late, ready = (
            predict(rising(**words, autoscale={**scaler, **more}), replications=1, engine="simpy") for more in ({}, {"forecast": "60s"})
        )
        assert measure(late, "added_latency_s.p99").value > 10.0
        assert measure(ready, "added_latency_s.p99").value < 1.0

    def test_nothing_can_be_foreseen_of_arrivals_without_a_stated_rate(self):
        closed = {"kind": "closed", "clients": 3, "think": {"kind": "constant", "value": "1s"}}
        scaler = {"kind": "hpa", "max": 4, "start_up": "1s", "forecast": "1m"}
        made = Scenario.model_validate(
            {
                **BASE,
                "workload": {**BASE["workload"], "arrivals": closed},
                "gateway": {**BASE["gateway"], "cpu_per_request": TENTH, "autoscale": scaler},
            }
        )
        assert [finding.path for finding in check(made)] == [("gateway", "autoscale", "forecast")]
