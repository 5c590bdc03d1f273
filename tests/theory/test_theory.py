"""The model reproduces queueing theory within its own interval, through scenarios that any user could write."""

from __future__ import annotations

import pytest

from sim.analysis.estimators import Estimate
from tests.theory.entry import VALUES
from tests.theory.suite import CHECKED_ELSEWHERE, ENTRIES, NOT_SAID, check, family_of
from tests.theory.verdict import t, verdict

QUICK = [entry for entry in ENTRIES if entry.quick]
REST = [entry for entry in ENTRIES if not entry.quick]
FAMILY = family_of(ENTRIES)
"""Every figure of the suite is one of this family, whichever run it is asked in: all verdicts together are 95 % certain."""
KINDS = ("mm1", "ttl", "rate_limiter")
FIRST = list({kind: entry for entry in reversed(QUICK) if (kind := entry.name.split("/")[0]) in KINDS}.values())
"""A queue, a cache and a limit. Other kinds and other parameters are for the slow run."""


def lies_in_the_interval(entry, part, engine="simpy"):
    outside = [row for row in check(entry, FAMILY, part, engine=engine) if not row.verdict.inside]
    assert not outside


@pytest.mark.parametrize("entry", FIRST, ids=lambda entry: entry.name)
def test_closed_form_lies_in_the_interval(entry):
    lies_in_the_interval(entry, entry.quick)


@pytest.mark.slow
@pytest.mark.parametrize("entry", [entry for entry in QUICK if entry not in FIRST], ids=lambda entry: entry.name)
def test_closed_form_lies_in_the_interval_with_other_parameters(entry):
    lies_in_the_interval(entry, entry.quick)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("entry", REST, ids=lambda entry: entry.name)
def test_closed_form_of_a_long_run_lies_in_the_interval(entry):
    """Whole, as compiled code."""
    lies_in_the_interval(entry, None, "compiled")


@pytest.mark.slow
@pytest.mark.parametrize("entry", REST, ids=lambda entry: entry.name)
def test_closed_form_of_a_long_run_lies_in_the_interval_of_a_brief_one(entry):
    lies_in_the_interval(entry, entry.brief)


def test_a_width_is_asked_of_every_figure_but_shares_below_a_tenth():
    unasked = [figure for entry in ENTRIES for figure in entry.figures if isinstance(figure.goal, str)]
    assert all(figure.bracket[1] < 0.1 for figure in unasked)
    assert all(figure.label.startswith(("P(", "share")) for figure in unasked)


def test_runs_with_other_seeds_narrow_an_interval_as_independent_ones_do():
    alone = verdict([Estimate(10.0, 9.0, 11.0)], 20, 1, (10.0, 10.0))
    assert (alone.low, alone.high, alone.half_width) == pytest.approx((9.0, 11.0, 0.1))
    four = verdict([Estimate(value, value - 1.0, value + 1.0) for value in (9.0, 9.0, 11.0, 11.0)], 20, 1, (10.0, 10.0))
    assert four.value == 10.0
    assert four.half_width == pytest.approx(0.1 / 2 * t(76, 1) / t(19, 1))
    assert four.half_width < 0.05
    assert not verdict([Estimate(10.0, 9.0, 11.0)] * 4, 20, 1, (10.6, 10.6)).inside


def test_a_wrong_closed_form_is_noticed():
    """The suite would not pass with an Erlang B that is 5 % off."""
    (entry,) = [entry for entry in ENTRIES if entry.name == "erlang_b/B_c20_a200_10x exponential"]
    (row,) = check(entry, FAMILY, entry.quick, engine="simpy")
    low, high = row.expected
    assert not row.verdict.low <= 1.05 * low <= row.verdict.high
    assert row.verdict.low <= low <= high <= row.verdict.high


def test_every_value_of_the_table_is_used_or_named_as_not_sayable():
    names = [*(entry.name for entry in ENTRIES), *NOT_SAID, *CHECKED_ELSEWHERE]
    missing = [
        key for key in VALUES if not any(name.split(" ")[0].startswith(key) or key.startswith(name.split("/*")[0]) for name in names)
    ]
    assert missing == ["_meta"]
