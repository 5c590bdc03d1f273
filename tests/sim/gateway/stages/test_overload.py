"""Degradation under load: it begins at one load and ends at a lower one; meanwhile calls get less, or nothing."""

from __future__ import annotations

from typing import Any

import pytest

from sim.gateway.stages import overload
from sim.gateway.stages.overload import SHED
from tests.sim.gateway.by_hand import by_hand
from tests.sim.tiny import unchecked

ROUTING = {"kind": "capability", "default": ["a/one"], "small": ["b/two"]}
QUEUE = {"concurrency": 1, "waiting": 9}


def busy(**words: Any) -> Any:
    return by_hand(queue=QUEUE, routing=ROUTING, overload={"above": 2, "below": 0, **words})


def test_calls_go_to_a_smaller_model_and_get_shorter_answers_from_the_upper_load_down_to_the_lower_one():
    hand = busy(model="small", answer=3)
    calls = [hand.start(0.0) for _ in range(5)]
    assert [c.under_load for c in calls] == [False, False, False, True, True], "two were waiting when the fourth came"
    for c in calls:
        hand.answer(c, 1.0)
    assert [c.target for c in calls] == [0, 0, 0, 1, 1]
    assert [c.answer_tokens for c in calls] == [5, 5, 5, 3, 3]
    assert [(c.smaller_model, c.shortened) for c in calls[2:4]] == [(False, False), (True, True)]
    assert not hand.start(2.0).under_load, "nobody waits any more"


def test_between_the_two_loads_it_stays_as_it_is():
    hand = busy(answer=3, above=3, below=1)
    calls = [hand.start(0.0) for _ in range(4)]
    assert not calls[-1].under_load, "two wait, on the way up"
    calls += [hand.start(0.0), hand.start(0.0)]
    assert calls[-1].under_load
    for c in calls[:3]:
        hand.answer(c, 1.0)
    assert hand.g.admission.waiting == 2
    assert hand.start(1.0).under_load, "two wait, on the way down"


def test_classes_that_are_shed_are_refused_and_may_get_a_prepared_text_instead():
    hand = by_hand(queue=QUEUE, routing=ROUTING, overload={"above": 1, "shed": ["job"]}, fallback=["canned"], fallback_on=["rejected"])
    served, waiting, shed = (hand.start(0.0) for _ in range(3))
    assert (served.state, waiting.state, shed.state, shed.refused_by) == ("performing", "waiting", "canned", SHED)


def test_the_wait_of_the_first_in_line_is_a_signal_and_so_is_what_has_been_spent():
    hand = busy(signal="wait", above=5, answer=3)
    hand.start(0.0), hand.start(1.0)
    assert not hand.start(5.9).under_load
    assert hand.start(6.1).under_load
    hand = by_hand(overload={"signal": "spend", "above": 0.5, "answer": 3}, spend_limit={"global_usd": 3e-5, "per": "10s"})
    first = hand.answer(hand.start(0.0), 1.0)
    assert first.cost_usd > 1.5e-5
    assert hand.start(2.0).under_load
    assert not hand.start(11.0).under_load, "a new window"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"above": 2, "below": 2, "answer": 9}, "expected less than above (2), found 2"),
        ({"above": 0.5, "signal": "spend", "answer": 9}, "there is no budget to be spent"),
        ({"above": 2}, "nothing changes under load"),
        ({"above": 2, "model": "smal"}, "the routing has no capability 'smal'"),
        ({"above": 2, "shed": ["aks"]}, "no request class is called 'aks'"),
    ],
)
def test_what_it_cannot_do_is_said(words, says):
    found = list(overload.check(unchecked(gateway={"queue": QUEUE, "routing": ROUTING, "overload": words})))
    assert [finding.message for finding in found] == [says]


def test_without_a_queue_nobody_can_wait():
    (finding,) = overload.check(unchecked(gateway={"overload": {"above": 2, "answer": 9}}))
    assert finding.message == "there is no queue in which calls wait"
