"""The chain itself: what is entered is left, what fails may be rescued, and what is not used is not there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sim.data.outcomes import ABANDONED, CACHE_HIT, CANNED, ERROR, OK, STALE, TIMEOUT
from sim.gateway import call, chain
from sim.gateway.call import CONTINUE, PERFORM, WAIT
from sim.kernel.containers import Line, wake
from tests.sim.gateway.by_hand import by_hand


class Stage:
    """A stage that answers what it is told to, and writes down what it was asked."""

    def __init__(self, log: list[str], name: str, enter: int = CONTINUE, rescue: int | None = None, woken: int = CONTINUE) -> None:
        self.log, self.name, self.answers, self.saves, self.goes_on = log, name, enter, rescue, woken

    def enter(self, g: Any, c: Any, now_s: float) -> int:
        self.log.append(f"enter {self.name}")
        return self.answers

    def woken(self, g: Any, c: Any, now_s: float) -> int:
        self.log.append(f"woken {self.name}")
        return self.goes_on

    def rescue(self, g: Any, c: Any, now_s: float) -> int:
        self.log.append(f"rescue {self.name}")
        return c.outcome if self.saves is None else self.saves

    def leave(self, g: Any, c: Any, now_s: float) -> None:
        self.log.append(f"leave {self.name}")


def of(*stages: Stage) -> Any:
    """A gateway of these stages, the outermost first."""
    return by_hooks(*(tuple(getattr(stage, hook) for stage in stages) for hook in chain.HOOKS))


def by_hooks(*hooks: tuple[Any, ...]) -> Any:
    """A gateway whose stages have these hooks: ``enter``, ``woken``, ``rescue`` and ``leave`` of each."""
    return SimpleNamespace(path=chain.Path(*hooks, (), (), ()), calls=[], ready=Line())


def played(*answers: dict[str, Any]) -> tuple[list[str], Any, int]:
    """What happens to one call in a chain of stages a, b, c … with these answers: (log, the call, the verdict)."""
    log: list[str] = []
    g = of(*(Stage(log, name, **answer) for name, answer in zip("abcdef", answers, strict=False)))
    c = chain.Call(slot=0)
    g.calls.append(c)
    return log, c, chain.start(g, c, 0.0)


def test_a_call_goes_down_while_stages_say_continue_and_comes_back_inside_out():
    log, c, verdict = played({}, {}, {"enter": OK})
    assert verdict == OK
    assert log == ["enter a", "enter b", "enter c", "leave c", "leave b", "leave a"]
    assert (c.outcome, c.decided_by, c.stage) == (OK, 2, -1)


def test_stages_that_were_not_reached_are_not_left():
    log, c, verdict = played({}, {"enter": CACHE_HIT}, {})
    assert verdict == CACHE_HIT
    assert log == ["enter a", "enter b", "leave b", "leave a"]
    assert c.decided_by == 1


def test_a_failure_may_be_rescued_by_the_stages_above_it_and_not_by_its_own():
    log, c, verdict = played({"rescue": CANNED}, {}, {"enter": ERROR, "rescue": OK})
    assert verdict == CANNED
    assert log == ["enter a", "enter b", "enter c", "leave c", "rescue b", "leave b", "rescue a", "leave a"]
    assert (c.outcome, c.decided_by) == (CANNED, 0)


def test_an_answer_is_nothing_to_rescue():
    for answer in (OK, CACHE_HIT, STALE, CANNED):
        assert not [line for line in played({"rescue": TIMEOUT}, {"enter": answer})[0] if "rescue" in line]


def test_a_failure_after_the_client_has_seen_content_is_not_rescued():
    log: list[str] = []
    g = of(Stage(log, "a", rescue=CANNED), Stage(log, "b", enter=WAIT, woken=ERROR))
    c = chain.Call(slot=0)
    assert chain.start(g, c, 0.0) == WAIT
    c.committed = True
    assert chain.resume(g, c, 1.0) == ERROR
    assert log == ["enter a", "enter b", "woken b", "leave b", "leave a"]


def test_a_rescue_that_says_continue_enters_the_stages_below_again():
    log: list[str] = []
    a, b = Stage(log, "a", rescue=CONTINUE), Stage(log, "b", enter=ERROR)
    c = chain.Call(slot=0)
    a.rescue = lambda g, c, now_s: setattr(b, "answers", OK) or CONTINUE  # type: ignore[method-assign, func-returns-value]
    assert chain.start(of(a, b), c, 0.0) == OK
    assert log == ["enter a", "enter b", "leave b", "enter b", "leave b", "leave a"]


def test_a_stage_may_make_a_rescued_call_wait_and_goes_on_with_its_own_woken():
    log: list[str] = []
    g = of(Stage(log, "a", rescue=WAIT), b := Stage(log, "b", enter=ERROR))
    c = chain.Call(slot=0)
    assert chain.start(g, c, 0.0) == WAIT
    b.answers = OK
    assert chain.resume(g, c, 1.0) == OK
    assert log == ["enter a", "enter b", "leave b", "rescue a", "woken a", "enter b", "leave b", "leave a"]


def test_stages_without_a_hook_are_passed():
    g = by_hooks((None, lambda g, c, now_s: ERROR), (None, None), (None, None), (None, None))
    assert chain.start(g, chain.Call(slot=0), 2.5) == ERROR


def test_a_fork_ends_at_the_stage_of_its_parent():
    log: list[str] = []
    g = of(Stage(log, "a"), Stage(log, "b", enter=OK))
    fork = chain.Call(slot=1, parent=0, stage=0, floor=0)
    assert chain.advance(g, fork, 0.0, CONTINUE) == OK
    assert log == ["enter b", "leave b"]


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_client_that_leaves_takes_its_call_out_of_every_stage_it_is_in(depth):
    log: list[str] = []
    g = of(*(Stage(log, name, enter=WAIT if place == depth else CONTINUE, rescue=CANNED) for place, name in enumerate("abc")))
    c = chain.Call(slot=0)
    assert chain.start(g, c, 0.0) == WAIT
    assert chain.depart(g, c, 1.5) == ABANDONED
    assert log == [f"enter {name}" for name in "abc"[: depth + 1]] + [f"leave {name}" for name in "abc"[depth::-1]]
    assert (c.outcome, c.decided_by, c.latency_s) == (ABANDONED, depth, 1.5)


def test_a_call_that_was_woken_and_then_leaves_does_not_go_on():
    log: list[str] = []
    g = of(Stage(log, "a", enter=WAIT))
    c = chain.Call(slot=0)
    g.calls.append(c)
    chain.start(g, c, 0.0)
    wake(g, c)
    wake(g, c)
    assert g.ready.length == 1, "it is woken once, however many wake it"
    chain.depart(g, c, 1.0)
    assert (g.ready.length, c.is_ready) == (0, False)


@pytest.mark.parametrize(("leaves_s", "outcome"), [(4.0, ABANDONED), (5.0, ABANDONED), (5.0001, OK)])
def test_a_client_whose_time_is_up_has_left_even_if_an_answer_comes_at_that_moment(leaves_s, outcome):
    log: list[str] = []
    g = of(Stage(log, "a", enter=WAIT, woken=OK))
    c = chain.Call(slot=0, leaves_s=leaves_s)
    chain.start(g, c, 0.0)
    assert chain.resume(g, c, 5.0) == outcome
    assert ("woken a" in log) == (outcome == OK)
    assert log.count("leave a") == 1


def test_a_timer_set_before_a_call_went_on_is_void():
    g = of(Stage([], "a", enter=WAIT, woken=WAIT))
    c = chain.Call(slot=0)
    chain.start(g, c, 0.0)
    tickets = [c.ticket]
    chain.resume(g, c, 1.0)
    tickets.append(c.ticket)
    chain.depart(g, c, 2.0)
    assert len({*tickets, c.ticket}) == 3


@pytest.mark.parametrize(
    ("outcome", "first_content_s", "ttft_s"),
    [(OK, 2.25, 1.25), (CACHE_HIT, float("nan"), 3.0), (STALE, float("nan"), 3.0), (CANNED, float("nan"), 3.0), (ERROR, 2.25, 1.25)],
)
def test_what_the_gateway_answers_by_itself_comes_at_once(outcome, first_content_s, ttft_s):
    c = chain.Call(arrival_s=1.0, outcome=outcome, first_content_s=first_content_s)
    chain.end(c, 4.0)
    assert (c.latency_s, c.ttft_s) == (3.0, ttft_s)


def test_a_failure_without_content_has_no_first_content():
    c = chain.Call(outcome=ERROR)
    chain.end(c, 4.0)
    assert c.ttft_s != c.ttft_s


def test_calls_that_were_woken_go_on_in_the_order_in_which_they_were_woken():
    hand = by_hand(cache=[{"kind": "exact", "ttl": "0s"}])
    leader, *followers = (hand.start(float(second), prompt=7) for second in range(4))
    hand.answer(leader, 5.0, status=503)
    assert hand.resumed == followers
    assert [c.state for c in followers] == ["performing", "waiting", "waiting"], "the first of them asks, the others follow it"


def test_slots_are_taken_again_when_they_are_free():
    hand = by_hand()
    first = hand.start(0.0)
    hand.answer(first, 1.0)
    assert hand.start(2.0).slot == first.slot == 0
    assert hand.start(2.0).slot == 1


def test_verdicts_and_outcomes_are_apart():
    assert {CONTINUE, WAIT, PERFORM} == {-1, -2, -3}
    assert call.Call().outcome == CONTINUE
