"""From which volume a way pays, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sim.guide.break_even import Terms


def test_a_fixed_cost_is_earned_back_by_what_each_request_saves() -> None:
    assert Terms(500, 0.001).pays_from(0.003) == pytest.approx(250_000)


def test_what_costs_more_for_each_request_never_pays() -> None:
    assert Terms(500, 0.004).pays_from(0.003) == math.inf


def test_rent_that_full_units_do_not_earn_never_pays() -> None:
    assert Terms(1000, 0.0, 1000, capacity=100_000).pays_from(0.005) == math.inf
    assert Terms(1000, 0.0, 1000, capacity=400_000).pays_from(0.005) == pytest.approx(200_000)


def test_a_set_up_may_take_several_units_to_be_earned_back() -> None:
    terms = Terms(fixed=1500, per_request=0.0, rent=1000, capacity=250_000)
    volume = terms.pays_from(0.005)
    assert volume > terms.capacity
    assert float(terms.cost(np.array([volume]))[0]) == pytest.approx(volume * 0.005)


@pytest.mark.parametrize("terms", [Terms(500, 0.001), Terms(1000, 0.0005, 400, 300_000), Terms(11.5, 0.0029)])
def test_where_it_pays_both_ways_cost_the_same(terms: Terms) -> None:
    volume = terms.pays_from(0.003)
    assert float(terms.cost(np.array([volume]))[0]) == pytest.approx(volume * 0.003)
