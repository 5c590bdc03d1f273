"""Routing: in which order a call may try its targets."""

from __future__ import annotations

from math import exp

import pytest

from sim.gateway.stages.route import check, place_by_weight, pool_of
from sim.kernel.refusals import NAMES
from tests.sim.gateway.by_hand import by_hand
from tests.sim.tiny import JOB, ONE_SECOND, scenario, serve_at, unchecked

FIVE_DOLLARS = ONE_SECOND | {"price": {"input": 5, "output": 1}}
PAIR = ["a/one", "b/two"]


def routed(kind="round-robin", models=("a/one", "a/mid", "b/two"), **more):
    changes = {"a": {"models": {"one": ONE_SECOND, "mid": ONE_SECOND}}} | more.pop("changes", {})
    return by_hand(routing={"kind": kind, "models": list(models), **more.pop("routing", {})}, changes=changes, **more)


def order(hand, c):
    """The targets that a call may try."""
    return hand.g.orders[c.slot][: c.candidates]


def orders(hand, times, **fields):
    return [order(hand, hand.start(0.0, **fields)) for _ in range(times)]


def test_round_robin_goes_round():
    assert orders(routed(), 4) == [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]


def test_a_pool_is_in_the_order_of_the_scenario():
    assert orders(routed(models=("b/two", "a/one")), 2) == [[2, 0], [0, 2]]


def test_the_least_busy_is_first_and_the_pools_order_holds_among_equals():
    hand = routed("least-busy")
    assert orders(hand, 4) == [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]], "each has one call more in flight"
    hand.answer(hand.g.calls[1], 1.0)
    assert orders(hand, 1) == [[1, 2, 0]]


class TestFastest:
    def measured(self, latencies_s, at_s=0.0, **routing):
        hand = routed("fastest", routing=routing)
        for target, latency_s in enumerate(latencies_s):
            hand.g.targets[target].latency_s, hand.g.targets[target].measured_s = latency_s, at_s
        return hand

    def test_the_lowest_latency_is_first(self):
        assert orders(self.measured((3.0, 1.0, 2.0)), 1) == [[1, 2, 0]]

    def test_one_never_measured_is_tried(self):
        assert orders(self.measured((3.0, 0.0, 2.0)), 1) == [[1, 2, 0]]

    def test_a_latency_not_seen_again_fades(self):
        hand = self.measured((8.0, 1.0, 9.0))
        for at_s, first in ((10.0, 1), (50.0, 1), (70.0, 0)):
            hand.g.targets[1].measured_s = at_s
            assert order(hand, hand.start(at_s))[0] == first
        assert 8.0 * exp(-50.0 / 30.0) > 1.0 > 8.0 * exp(-70.0 / 30.0), "with a time constant of 30 s"

    def test_as_fast_as_its_memory_says(self):
        hand = self.measured((8.0, 1.0, 9.0), memory="1s")
        hand.g.targets[1].measured_s = 3.0
        assert order(hand, hand.start(3.0))[0] == 0

    def test_nothing_can_be_remembered_for_no_time(self):
        (finding,) = (
            each for each in check(unchecked(gateway={"routing": {"kind": "fastest", "models": PAIR, "memory": "0s"}})) if not each.warning
        )
        assert finding.path == ("gateway", "routing", "memory")

    def test_traffic_comes_back_after_a_brown_out(self):
        """a is twice as fast as b, but for a minute in which it is ten times as slow as it was."""
        half = {"models": {"one": ONE_SECOND | {"latency": {"kind": "constant", "value": "500ms"}}}}
        slow = {"kind": "brownout", "provider": "a", "at": "60s", "for": "60s", "ttft_factor": 10.0, "per_token_factor": 10.0}
        made = scenario(gateway={"routing": {"kind": "fastest", "models": PAIR}}, a=half, faults=[slow])
        served = serve_at(made, [float(second) for second in range(400)])
        at_a = served.rows["target"] == 0
        assert at_a[10:60].mean() > 0.9
        assert at_a[60:120].mean() < 0.5, "most go elsewhere"
        assert at_a[200:].mean() > 0.9, "and come back"


# By input b is five times the price of a, by output half of it.
INPUT_DEAR = {"b": {"models": {"two": FIVE_DOLLARS}}}


class TestCheapest:
    def hand(self):
        return by_hand(routing={"kind": "cheapest", "models": PAIR}, changes=INPUT_DEAR)

    def test_it_goes_by_the_tokens_of_the_call_itself(self):
        hand = self.hand()
        assert hand.g.route.answer_tokens == 256.0
        cheap_at_b = hand.start(0.0, prompt_tokens=10)  # 10 + 512 against 50 + 256 millionths
        cheap_at_a = hand.start(0.0, prompt_tokens=1000)  # 1000 + 512 against 5000 + 256
        assert (order(hand, cheap_at_b), order(hand, cheap_at_a)) == ([1, 0], [0, 1])

    def test_the_history_counts_too(self):
        hand = by_hand(routing={"kind": "cheapest", "models": PAIR}, changes=INPUT_DEAR, history=(990,))
        assert order(hand, hand.start(0.0, prompt_tokens=10, history_start=0, history_turns=1)) == [0, 1]

    def test_it_learns_how_long_answers_are(self):
        hand = self.hand()
        hand.answer(hand.start(0.0), 1.0, tokens=1256)
        assert hand.g.route.answer_tokens == pytest.approx(256 + 0.1 * 1000)
        for _ in range(100):
            hand.answer(hand.start(0.0), 1.0, tokens=1)
        assert hand.g.route.answer_tokens < 2
        assert order(hand, hand.start(0.0, prompt_tokens=10)) == [0, 1], "short answers: input is what counts"

    def test_only_answers_of_providers_count(self):
        hand = self.hand()
        hand.answer(hand.start(0.0), 1.0, status=503)
        hand.answer(hand.start(0.0), 1.0, status=0, first_s=0.5, tokens=900)
        hand.depart(hand.start(0.0), 1.0)
        assert hand.g.route.answer_tokens == 256.0

    def test_an_answer_beside_a_cancelled_attempt_counts_once(self):
        hand = by_hand(routing={"kind": "cheapest", "models": PAIR}, changes=INPUT_DEAR, hedge={"after": "1s", "at_most": 1.0})
        c = hand.start(0.0)
        hand.time_comes(c)
        hand.answer(hand.forks(c)[1], 2.0, tokens=356)
        assert (c.state, hand.g.route.answer_tokens) == ("ok", pytest.approx(266.0))

    def test_equal_prices_leave_the_pools_order(self):
        assert orders(by_hand(routing={"kind": "cheapest", "models": PAIR[::-1]}), 1) == [[1, 0]]


class TestWeighted:
    def test_the_draw_falls_on_a_place_by_its_weight(self):
        places = [[type("Weight", (), {"weight": weight}) for weight in weights] for weights in ([1, 1, 2], [0, 1, 0])]
        assert [place_by_weight(places[0], 3, draw) for draw in (0.001, 0.24, 0.26, 0.49, 0.51, 0.999)] == [0, 0, 1, 1, 2, 2]
        assert [place_by_weight(places[1], 3, draw) for draw in (0.001, 0.5, 0.999)] == [1, 1, 1]

    def test_calls_are_shared_by_weight_and_the_others_follow_as_they_stand(self):
        hand = by_hand(routing={"kind": "weighted", "weights": {"a/one": 1, "b/two": 3}})
        first = [each[0] for each in orders(hand, 2000)]
        assert sum(first) / 2000 == pytest.approx(0.75, abs=0.04)
        assert {tuple(each) for each in orders(hand, 50)} == {(0, 1), (1, 0)}

    def test_the_draw_belongs_to_the_request(self):
        hands = [by_hand(routing={"kind": "weighted", "weights": {"a/one": 1, "b/two": 3}}) for _ in range(2)]
        assert orders(hands[0], 50) == orders(hands[1], 50)

    def test_some_weight_must_be_above_zero(self):
        (finding,) = (
            each
            for each in check(unchecked(gateway={"routing": {"kind": "weighted", "weights": {"a/one": 0, "b/two": 0}}}))
            if not each.warning
        )
        assert finding.path == ("gateway", "routing", "weights")


CAPABILITIES = {"kind": "capability", "small": PAIR, "default": ["b/two"], "large": ["b/two", "a/one"]}


class TestCapabilities:
    def test_each_need_has_its_targets_in_order_of_preference(self):
        hand = by_hand(routing=CAPABILITIES)
        assert [order(hand, hand.start(0.0, needs=needs)) for needs in range(3)] == [[0, 1], [1], [1, 0]]
        assert orders(hand, 2, needs=0) == [[0, 1], [0, 1]]

    def test_a_class_is_served_by_what_it_needs_and_by_the_default_if_it_needs_nothing(self):
        made = unchecked(gateway={"routing": CAPABILITIES})
        assert [pool_of(made, needs) for needs in ("small", "default", "large", None)] == [0, 1, 2, 1]

    def test_by_the_first_one_if_there_is_nothing_of_that_name(self):
        made = unchecked(gateway={"routing": {"kind": "capability", "small": PAIR, "large": ["b/two"]}})
        assert [pool_of(made, needs) for needs in ("unheard-of", None)] == [0, 0]

    def test_where_the_routing_knows_none_there_is_one_pool_for_all(self):
        made = unchecked(gateway={"routing": {"kind": "round-robin", "models": PAIR}})
        assert [pool_of(made, needs) for needs in ("small", None)] == [0, 0]

    @pytest.mark.parametrize(("needs", "path"), [("smal", ("needs",)), (None, ())])
    def test_a_class_whose_needs_are_not_met_is_refused(self, needs, path):
        routing = {"kind": "capability", "small": PAIR}
        (finding,) = (
            each for each in check(unchecked(gateway={"routing": routing}, requests=[JOB | {"needs": needs}])) if not each.warning
        )
        assert finding.path == ("workload", "requests", 0, *path)
        assert "small" in finding.hint


@pytest.mark.parametrize(
    ("routing", "path"),
    [
        ({"kind": "fastest", "models": ["a/one", "a/won"]}, ("models", 1)),
        ({"kind": "weighted", "weights": {"a/won": 1}}, ("weights", "a/won")),
        ({"kind": "capability", "default": ["a/won"]}, ("default", 0)),
    ],
)  # fmt: skip
def test_a_target_that_no_provider_has_is_refused(routing, path):
    (finding,) = (each for each in check(unchecked(gateway={"routing": routing})) if not each.warning)
    assert finding.path == ("gateway", "routing", *path)
    assert "a/one" in finding.hint


@pytest.mark.parametrize("kind", ["round-robin", "least-busy", "cheapest", "fastest"])
def test_targets_whose_breaker_is_open_are_left_out(kind):
    hand = routed(kind, breaker={"window_size": 1, "minimum_calls": 1})
    first = hand.start(0.0)
    hand.answer(first, 0.0, status=503)
    assert first.target not in order(hand, hand.start(1.0))
    assert hand.start(1.0).candidates == 2


def test_with_no_target_left_the_call_fails_and_says_so():
    hand = by_hand(routing={"kind": "round-robin", "models": ["a/one"]}, breaker={"window_size": 1, "minimum_calls": 1})
    hand.answer(hand.start(0.0), 0.0, status=503)
    c = hand.start(1.0)
    assert (c.state, c.latency_s, c.attempts, NAMES[c.refused_by]) == ("error", 0.0, 0, "no healthy target")
