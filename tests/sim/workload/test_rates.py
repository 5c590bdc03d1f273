"""Rates over time, and the times at which expected counts are reached."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.scenario.errors import ScenarioError
from sim.scenario.model import Stages
from sim.workload.rates import busy_spans, foreseen, rate_curve
from tests.examples import examples
from tests.sim.workload.workloads import make

STAGES = {
    "kind": "stages",
    "stages": [
        {"rate": "10/s", "duration": "1m"},
        {"rate": "100/s", "duration": "1m", "ramp": True},
        {"rate": "0/s", "duration": "30s"},
        {"rate": "50/s", "duration": "1m", "ramp": True},
        {"rate": "0/s", "duration": "30s", "ramp": True},
        {"rate": "20/s", "duration": "1m"},
    ],
}


def curve(arrivals, low_s=0.0, high_s=300.0, factor=1.0):
    return rate_curve(make(arrivals).workload.arrivals, factor, low_s, high_s)


def rate_at(rates, at_s):
    """The curve's rate at times inside its segments."""
    segment = np.searchsorted(rates.end_s, at_s, side="right")
    share = (at_s - rates.start_s[segment]) / (rates.end_s - rates.start_s)[segment]
    return rates.first_rps[segment] * (1 - share) + rates.last_rps[segment] * share


def test_stages_hold_ramp_and_pause_as_written():
    rates = curve(STAGES)
    at_s = np.array([0.0, 59.9, 60.0, 90.0, 119.999, 121.0, 149.0, 180.0, 225.0, 241.0, 299.0])
    assert rate_at(rates, at_s) == pytest.approx([10, 10, 10, 55, 100, 0, 0, 25, 25, 20, 20], abs=0.01)
    assert rates.expected[-1] == pytest.approx(60 * 10 + 60 * 55 + 0 + 60 * 25 + 30 * 25 + 60 * 20)


def test_a_first_stage_that_ramps_rises_from_zero_and_the_last_rate_holds():
    rates = curve({"kind": "stages", "stages": [{"rate": "10/s", "duration": "10s", "ramp": True}]}, low_s=-5.0, high_s=30.0)
    assert rate_at(rates, np.array([-1.0, 0.0, 5.0, 10.0, 29.0])) == pytest.approx([0, 0, 5, 10, 10])


def test_before_the_start_the_rate_is_that_of_the_start():
    rates = curve(STAGES, low_s=-50.0)
    assert rate_at(rates, np.array([-49.0, -1.0])).tolist() == [10, 10]
    assert rates.expected[0] == -500
    assert rates.times(np.array([-500.0, -250.0, 0.0, 100.0])) == pytest.approx([-50, -25, 0, 10])


@given(st.lists(st.floats(0.001, 0.999), min_size=1, max_size=20), st.sampled_from([0.0, -40.0]))
@settings(max_examples=examples(25), deadline=None)
def test_times_are_where_the_integral_of_the_rate_reaches_the_count(shares, low_s):
    rates = curve(STAGES, low_s=low_s, factor=3.0)
    edges = rates.expected
    wanted = edges[0] + np.array(shares) * (edges[-1] - edges[0])
    at_s = rates.times(wanted)
    for time_s, count in zip(at_s, wanted, strict=True):
        ends = np.clip(rates.end_s, None, time_s)
        starts = np.minimum(rates.start_s, ends)
        share = (ends - rates.start_s) / (rates.end_s - rates.start_s)
        last = rates.first_rps + (rates.last_rps - rates.first_rps) * np.maximum(share, 0)
        area = ((ends - starts) * (rates.first_rps + last) / 2).sum()
        assert area == pytest.approx(count - edges[0], rel=1e-9, abs=1e-9)


def test_no_time_falls_into_a_pause():
    rates = curve(STAGES)
    at_s = rates.times(np.linspace(0, rates.expected[-1], 100_001))
    assert not ((at_s > 120) & (at_s < 150)).any()
    assert (np.diff(at_s) >= 0).all()


USERS = {"kind": "users", "daily_active": 86_400, "calls_per_day": 3}


@pytest.mark.parametrize("peak_to_mean", [1.0, 1.6, 2.0, 2.5, 5.0, 20.0])
def test_a_day_of_users_makes_their_calls_and_peaks_as_asked_at_14_hours(peak_to_mean):
    rates = curve({**USERS, "peak_to_mean": peak_to_mean}, high_s=86_400.0)
    assert rates.expected[-1] == pytest.approx(86_400 * 3, rel=1e-4)
    assert rates.first_rps.max() / 3 == pytest.approx(peak_to_mean, rel=1e-4)
    assert (rates.first_rps >= 0).all()
    if peak_to_mean > 1:
        assert rates.start_s[rates.first_rps.argmax()] == 14 * 3600
        assert rates.first_rps[rates.start_s == 2 * 3600] == rates.first_rps.min()


def test_a_profile_gives_each_part_of_the_day_its_share():
    rates = curve({**USERS, "profile": [0, 1, 2, 1], "start_hour": 6}, low_s=-3600.0, high_s=2 * 86_400.0)
    hours = np.array([-0.5, 1, 7, 13, 19, 25])
    assert rate_at(rates, hours * 3600).tolist() == [0, 3, 6, 3, 0, 3]
    assert rates.expected[-1] == pytest.approx(2 * 86_400 * 3)


def test_start_hour_moves_the_day():
    rates = curve({**USERS, "peak_to_mean": 2.0, "start_hour": 8}, high_s=86_400.0)
    assert rates.start_s[rates.first_rps.argmax()] == 6 * 3600


def test_an_edge_lies_at_time_zero():
    for arrivals in (STAGES, {**USERS, "peak_to_mean": 1.5, "start_hour": 8.37}, {"kind": "poisson", "rate": "3/s"}):
        rates = curve(arrivals, low_s=-100.0)
        assert 0.0 in rates.start_s
        assert 0.0 in rates.expected


def test_a_day_without_calls_is_refused():
    with pytest.raises(ScenarioError, match="at least one value above zero"):
        curve({**USERS, "profile": [0, 0]})


def test_what_is_foreseen_is_the_highest_rate_within_the_time_over_the_rate_now():
    stages = [{"rate": "2/s", "duration": "60s"}, {"rate": "8/s", "duration": "60s"}, {"rate": "4/s", "duration": "60s"}]
    arrivals = Stages.model_validate({"kind": "stages", "stages": stages})
    assert foreseen(arrivals, 180.0, 30.0, 30.0) == [1.0, 4.0, 1.0, 1.0, 1.0, 1.0, 1.0]


def test_nothing_may_become_anything_but_no_more_than_a_thousand_times_what_it_was():
    stages = [{"rate": "0/s", "duration": "60s"}, {"rate": "8/s", "duration": "60s"}]
    assert foreseen(Stages.model_validate({"kind": "stages", "stages": stages}), 60.0, 60.0, 60.0)[0] == 1000.0


def test_spans_that_will_be_busy_begin_and_end_the_lead_before_they_are():
    stages = [{"rate": "1/s", "duration": "100s"}, {"rate": "9/s", "duration": "50s"}, {"rate": "1/s", "duration": "100s"}]
    arrivals = Stages.model_validate({"kind": "stages", "stages": stages})
    assert busy_spans(arrivals, 250.0, 5.0, 20.0) == [80.0, 130.0]
