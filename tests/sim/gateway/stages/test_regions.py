"""Regions: the nearest gateway that is known to be up, what is lost until that is known, and the way on to the provider."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from sim.analysis.metrics import measure
from sim.engine.runner import predict
from sim.gateway.language import Scenario
from sim.gateway.stages import regions
from sim.gateway.stages.regions import check, region_of_users
from sim.kernel.refusals import NAMES
from tests.sim.gateway.by_hand import ByHand
from tests.sim.tiny import BASE, ONE_SECOND

US, EU, AP = range(3)
WORLD = {"gateways": ["us", "eu"], "within": "10ms", "rtt": {"us": {"eu": "80ms", "ap": "200ms"}, "eu": {"ap": "170ms"}}, "detect": "30s"}
OUTAGE = {"kind": "region-outage", "region": "us", "at": "100s", "for": "200s"}
USERS = {"count": 300, "regions": {"us": 0.5, "eu": 0.3, "ap": 0.2}}


def world(faults=(), a=None, b=None, users=USERS, gateway=None, **words):
    routing = {"kind": "nearest", "models": ["a/one", "b/two"]}
    return Scenario.model_validate(
        {
            **BASE,
            "workload": {**BASE["workload"], "users": users},
            "gateway": {"routing": routing, "regions": {**WORLD, **words}, **(gateway or {})},
            "providers": {
                "a": {"region": "us", "models": {"one": ONE_SECOND}, **(a or {})},
                "b": {"models": {"two": ONE_SECOND}, **(b or {})},
            },
            "faults": list(faults),
        }
    )


def by_hand(*faults, **words):
    return ByHand(world(faults, **words))


def sent_to(hand, region, at_s):
    """(the gateway's region, how long the way takes) of a request that comes then; None: it was refused."""
    c = hand.start(at_s, region=region)
    return (c.gateway_region, round(c.until_s - at_s, 9)) if c.state == "waiting" else None


def test_users_are_sent_to_the_nearest_gateway_and_wait_for_the_way_there_and_back():
    hand = by_hand()
    assert [sent_to(hand, region, 0.0) for region in (US, EU, AP)] == [(US, 0.01), (EU, 0.01), (EU, 0.17)]


def test_until_an_outage_is_noticed_calls_to_its_region_are_refused_and_then_they_go_to_the_next_nearest():
    hand = by_hand(OUTAGE)
    refused = hand.start(100.0, region=US)
    assert (refused.state, NAMES[refused.refused_by]) == ("error", "region outage")
    assert sent_to(hand, US, 129.0) is None
    assert sent_to(hand, US, 130.0) == (EU, 0.08)


def test_users_come_back_as_long_after_the_end_of_an_outage():
    hand = by_hand(OUTAGE)
    assert [sent_to(hand, US, at_s) for at_s in (299.0, 301.0, 329.0, 330.0)] == [(EU, 0.08)] * 3 + [(US, 0.01)]


def test_without_failover_they_are_refused_until_the_end():
    hand = by_hand(OUTAGE, failover=False)
    assert [sent_to(hand, US, at_s) for at_s in (200.0, 299.0, 300.0)] == [None, None, (US, 0.01)]


def test_what_was_inside_a_region_when_it_went_down_is_lost():
    hand = by_hand(OUTAGE)
    ours, theirs = hand.start(99.0, region=US), hand.start(99.0, region=EU)
    for c in (ours, theirs):
        hand.time_comes(c)
        while c.state == "waiting":
            hand.time_comes(c)
        hand.answer(c, 101.0)
    assert (ours.state, NAMES[ours.refused_by], theirs.state) == ("error", "region outage", "ok")


def test_calls_go_to_the_provider_that_is_nearest_to_their_gateway_and_wait_for_that_way_too():
    hand = ByHand(world(b={"region": "eu"}))
    for region, target, seconds in ((US, 0, 0.01), (EU, 1, 0.01)):
        c = hand.start(0.0, region=region)
        hand.time_comes(c)
        assert (c.aim, round(c.until_s - 0.01, 9)) == (target, seconds)
        hand.time_comes(c)
        assert (c.state, round(c.network_s, 9), round(c.backbone_s, 9)) == ("performing", 0.01, seconds)


def test_a_region_takes_its_workers_along_and_gives_them_back():
    queue = {"concurrency": 3, "per": "worker", "waiting": 10}
    hand = ByHand(world([OUTAGE], gateway={"workers": 4, "queue": queue}))
    assert hand.tick(0.0) == 100.0
    assert (hand.tick(100.0), hand.g.admission.concurrency) == (300.0, 6.0)
    assert (hand.tick(300.0), hand.g.admission.concurrency) == (float("inf"), 12.0)


def test_a_user_stays_in_its_region_and_the_shares_are_those_that_are_stated():
    found = region_of_users(world(), 7, np.arange(20_000))
    assert np.bincount(found) / 20_000 == pytest.approx([0.5, 0.3, 0.2], abs=0.02)
    assert (region_of_users(world(), 7, np.arange(100)) == found[:100]).all()


def test_a_regional_outage_strikes_the_providers_of_its_region_too():
    only = {"routing": {"kind": "capability", "default": ["a/one"]}}
    run = predict(world([OUTAGE], gateway=only), replications=1, engine="simpy")
    sent = run.attempts[(run.attempts["started_s"] > 100) & (run.attempts["started_s"] < 300) & (run.attempts["target"] == 0)]
    assert len(sent) > 5
    assert (sent["status"] != 200).all()


def test_failover_is_worth_what_the_outage_would_have_cost_after_it_was_noticed():
    """Half of the users; 200 s less the 30 s until it is noticed, and as much beyond the end in which nothing is lost."""
    saved = []
    for failover in (True, False):
        run = predict(world([OUTAGE], failover=failover, b={"region": "eu"}), replications=1, engine="simpy")
        saved.append(measure(run, "region_lost_rate").value)
    assert saved == pytest.approx([0.5 * 31 / 3600, 0.5 * 201 / 3600], rel=0.25)


def test_each_region_has_a_point_of_the_cdn():
    cache = [{"kind": "cdn", "ttl": "1h", "points": 3}]
    hand = ByHand(world(gateway={"cache": cache}))
    c = hand.start(0.0, region=EU, user=0, prompt=5)
    while c.state == "waiting":
        hand.time_comes(c)
    hand.answer(c, 2.0)
    assert hand.start(3.0, region=EU, user=1, prompt=5).state == "cache_hit"
    assert hand.start(3.0, region=US, user=0, prompt=5).state == "waiting"


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"rtt": {"us": {"eu": "80ms", "ap": "200ms"}}}, ("gateway", "regions", "rtt")),
        ({"users": {"count": 10, "regions": {"us": 0.5, "eu": 0.3}}}, ("workload", "users", "regions")),
        ({"faults": [{**OUTAGE, "region": "mars"}]}, ("faults", 0, "region")),
    ],
)
def test_what_points_at_nothing_is_refused(changes, place):
    found = [finding.path for finding in check(world(**changes))]
    assert place in found


def test_an_outage_of_a_region_names_the_region_and_any_other_fault_a_provider():
    for fault in ({**OUTAGE, "provider": "a"}, {"kind": "outage", "at": "1s", "for": "1s"}, {**OUTAGE, "kind": "outage"}):
        with pytest.raises(ValueError, match="expected region with kind: region-outage"):
            world([fault])


def test_a_gateway_at_one_place_has_no_regions():
    assert regions.build(SimpleNamespace(gateway=SimpleNamespace(regions=None)), 1) is None
