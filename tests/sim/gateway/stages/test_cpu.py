"""The gateway's CPU: workers are first-come-first-served servers, and connections are spread over them in turn."""

from __future__ import annotations

from itertools import pairwise

import pytest

from sim.gateway.stages import cpu
from tests.sim.gateway.by_hand import by_hand
from tests.sim.tiny import scenario, serve_at, unchecked

TENTH = {"cpu_per_request": {"kind": "constant", "value": "100ms"}}


def test_it_serves_one_after_the_other():
    served = serve_at(scenario(gateway=TENTH), [5.0, 5.0])
    assert served.latencies_s == [1.1, 1.2]
    assert served.rows["cpu_s"].tolist() == pytest.approx([0.1, 0.2])


def test_workers_take_connections_in_turn_whoever_is_free():
    hand = by_hand(workers=2, **TENTH)
    calls = [hand.start(0.0, cpu_demand_s=demand_s) for demand_s in (1.0, 0.25, 0.25, 0.25)]
    assert [c.until_s for c in calls] == [1.0, 0.25, 1.25, 0.5]


def test_every_worker_has_its_turn():
    hand = by_hand(workers=3, **TENTH)
    assert [hand.start(0.0, cpu_demand_s=0.5).until_s for _ in range(7)] == [0.5, 0.5, 0.5, 1.0, 1.0, 1.0, 1.5]


def test_an_idle_worker_begins_at_once():
    hand = by_hand(**TENTH)
    assert [hand.start(at_s, cpu_demand_s=0.5).until_s for at_s in (0.0, 10.0)] == [0.5, 10.5]


def test_work_begun_for_a_client_that_left_is_done_all_the_same():
    hand = by_hand(**TENTH)
    first = hand.start(0.0, cpu_demand_s=0.5)
    hand.depart(first, 0.1)
    assert hand.start(0.2, cpu_demand_s=0.5).until_s == 1.0


def test_a_request_without_work_takes_no_turn():
    hand = by_hand(workers=2, **TENTH)
    assert hand.start(0.0, cpu_demand_s=0.0).state == "performing"
    assert hand.g.cpu.turn == 0


AFTER = {"cpu_after": {"kind": "constant", "value": "100ms"}}


def test_a_call_comes_back_to_its_worker_and_waits_for_its_turn():
    hand = by_hand(workers=2, **TENTH)
    calls = [hand.start(0.0, cpu_demand_s=0.25, cpu_after_s=0.5, streams=False) for _ in range(3)]  # workers 0, 1 and 0 again
    for c in calls:
        hand.time_comes(c)
    hand.answer(calls[0], 2.0)
    hand.answer(calls[1], 2.0)
    hand.answer(calls[2], 2.1)
    assert [c.until_s for c in calls] == [2.5, 2.5, 3.0]
    assert [hand.time_comes(c).state for c in calls] == ["ok"] * 3
    assert [c.cpu_s for c in calls] == pytest.approx([0.25 + 0.5, 0.25 + 0.5, 0.5 + 0.9])
    assert calls[2].latency_s == 3.0


def test_work_before_a_call_waits_for_work_after_another():
    hand = by_hand(**AFTER)
    first = hand.start(0.0, cpu_after_s=0.5)
    hand.answer(first, 1.0)
    assert hand.start(1.25, cpu_demand_s=0.25).until_s == 1.75


def test_a_whole_answer_is_seen_after_the_work_on_it_and_a_streamed_one_before():
    seen = {}
    for streams in (False, True):
        hand = by_hand(**AFTER)
        c = hand.start(0.0, cpu_after_s=0.5, streams=streams)
        hand.answer(c, 1.0, first_s=0.25)
        hand.time_comes(c)
        seen[streams] = (c.ttft_s, c.latency_s)
    assert seen == {False: (1.5, 1.5), True: (0.25, 1.5)}


def test_a_failure_is_worked_on_too_once_when_it_leaves_the_gateway():
    hand = by_hand(retry={"attempts": 2, "backoff": {"kind": "constant", "base": "1s"}}, **AFTER)
    c = hand.start(0.0, cpu_after_s=0.5)
    assert hand.time_comes(hand.answer(c, 0.5, status=500)).state == "performing"
    assert hand.answer(c, 2.0, status=500).until_s == 2.5
    assert hand.time_comes(c).state == "error"


def test_what_no_provider_was_asked_for_needs_no_work_after_it():
    hand = by_hand(queue={"concurrency": 1, "waiting": 0}, **AFTER)
    hand.start(0.0, cpu_after_s=0.5)
    assert hand.start(0.0, cpu_after_s=0.5).state == "rejected"


def test_work_after_a_call_is_done_once_also_if_its_client_has_left():
    hand = by_hand(**AFTER)
    hand.depart(hand.start(0.0, cpu_after_s=0.5), 1.0)  # before the answer
    assert hand.g.workers[0].free_s == 1.5
    c = hand.answer(hand.start(2.0, cpu_after_s=0.5), 3.0)
    hand.depart(c, 3.25)  # after it
    assert c.state == "abandoned"
    assert hand.g.workers[0].free_s == 3.5
    assert hand.is_idle()


def test_simulated_latency_has_the_work_before_and_after():
    served = serve_at(scenario(gateway=TENTH | AFTER, client={"stream": False}), [5.0, 5.0])
    assert served.latencies_s == [1.2, 1.3]
    assert served.rows["ttft_s"].tolist() == pytest.approx([1.2, 1.3])
    assert served.rows["cpu_s"].tolist() == pytest.approx([0.2, 0.3])


def stalled(spacing: str = "even", first_s: float | None = None):
    """A worker that stalls for 1 s, 10 s apart."""
    hand = by_hand(stalls={"every": "10s", "for": "1s", "spacing": spacing}, **TENTH)
    if first_s is not None:
        hand.g.workers[0].stall_at_s = first_s
    return hand


def test_work_goes_on_after_a_stall_that_begins_in_it():
    hand = stalled(first_s=5.0)
    assert hand.start(4.75, cpu_demand_s=0.5).until_s == 6.25
    assert hand.start(4.75, cpu_demand_s=0.5).until_s == 6.75, "and what waits behind it"


def test_work_that_comes_in_a_stall_waits_for_its_end():
    assert stalled(first_s=5.0).start(5.5, cpu_demand_s=0.5).until_s == 6.5


def test_a_stall_of_an_idle_worker_holds_nothing_up():
    hand = stalled(first_s=5.0)
    assert hand.start(8.0, cpu_demand_s=0.5).until_s == 8.5
    assert hand.g.workers[0].stall_at_s == 16.0, "the next one comes 10 s after its end"


def test_long_work_goes_through_several_stalls():
    assert stalled(first_s=5.0).start(0.0, cpu_demand_s=20.0).until_s == 22.0


def test_random_stalls_are_as_frequent_and_the_first_of_even_ones_is_anywhere():
    hand = stalled("random")
    done_s = hand.start(0.0, cpu_demand_s=100_000.0).until_s
    assert hand.g.workers[0].stalls == pytest.approx(done_s - 100_000.0) == pytest.approx(10_000, rel=0.04)  # 4 standard deviations
    hand = by_hand(workers=1000, stalls={"every": "10s", "for": "1s"}, **TENTH)
    firsts = [worker.stall_at_s for worker in hand.g.workers.values()]
    assert 0 < min(firsts) < 0.1
    assert 9.9 < max(firsts) < 10


def test_stalls_need_a_length_a_distance_and_work():
    said = check_of(unchecked(gateway={"stalls": {"every": "0s", "for": "0s"}}))
    assert said == [("every", False), ("for", False), ("stalls", True)]
    assert check_of(unchecked(gateway=TENTH | {"stalls": {"every": "10s", "for": "1s"}})) == []


def check_of(made):
    return [(finding.path[-1], finding.warning) for finding in cpu.check(made)]


def test_without_work_there_is_no_such_stage():
    assert by_hand(workers=4).g.cpu is None


def test_a_worker_with_slices_turns_to_the_next_that_waits_after_each():
    hand = by_hand(cpu_slice="250ms", **TENTH)
    long, short = hand.start(0.0, cpu_demand_s=0.75), hand.start(0.0, cpu_demand_s=0.25)
    assert [c.until_s for c in (long, short)] == [0.25, 0.5]
    assert hand.time_comes(long).until_s == 0.75, "behind the other one"
    assert hand.time_comes(short).state == "performing"
    assert hand.time_comes(long).until_s == 1.0
    assert hand.time_comes(long).state == "performing"
    assert (long.cpu_s, short.cpu_s) == (1.0, 0.5)


def test_the_rest_of_the_slices_is_done_also_for_a_client_that_has_left():
    hand = by_hand(cpu_slice="250ms", **TENTH)
    hand.depart(hand.start(0.0, cpu_demand_s=1.0), 0.1)
    assert hand.g.workers[0].free_s == 1.0


def test_work_behind_other_work_takes_less_the_more_there_is():
    hand = by_hand(cpu_crowded=0.5, **TENTH)
    ends = [hand.start(at_s, cpu_demand_s=1.0).until_s for at_s in (0.0, 0.0, 5.0)]
    assert ends == [1.0, 1.75, 6.0], "half of it whatever waits, the other half with as much ahead"
    crowd = by_hand(cpu_crowded=0.5, **TENTH)
    busy_s = [crowd.start(0.0, cpu_demand_s=1.0).until_s for _ in range(1000)]
    assert busy_s[-1] - busy_s[-2] == pytest.approx(0.5, rel=0.01)


def test_a_call_alone_takes_all_of_its_work_however_thin_the_slices():
    hand = by_hand(cpu_crowded=0.5, cpu_slice="250ms", **TENTH)
    c = hand.start(0.0, cpu_demand_s=1.0)
    for _ in range(4):
        hand.time_comes(c)
    assert (c.state, c.cpu_s) == ("performing", 1.0)


def test_an_answer_does_not_wait_for_the_work_behind_it_but_the_next_call_does():
    hand = by_hand(cpu_background={"kind": "constant", "value": "500ms"})
    c = hand.answer(hand.start(0.0, cpu_background_s=0.5), 1.0)
    assert (c.state, c.latency_s) == ("ok", 1.0)
    assert hand.start(1.25, cpu_demand_s=0.25).until_s == 1.75


def test_a_slower_worker_takes_longer_for_all_of_its_work():
    hand = by_hand(cpu_speed=0.5, cpu_background={"kind": "constant", "value": "1s"}, **TENTH, **AFTER)
    c = hand.start(0.0, cpu_demand_s=0.5, cpu_after_s=0.25, cpu_background_s=1.0)
    assert c.until_s == 1.0
    hand.time_comes(c)
    assert hand.answer(c, 2.0).until_s == 2.5
    hand.time_comes(c)
    assert hand.g.workers[0].free_s == 4.5


def test_stalls_by_calls_come_after_so_many_whatever_the_time():
    hand = by_hand(stalls={"calls": 10, "for": "1s"}, **TENTH)
    waits = [hand.start(at_s, cpu_demand_s=0.5).until_s - at_s for at_s in (*range(0, 1000, 50), *range(1000, 1040, 2))]
    stalled = [number for number, wait_s in enumerate(waits) if wait_s == 1.5]
    assert len(stalled) == 4
    assert {after - before for before, after in pairwise(stalled)} == {10}
    assert set(waits) == {0.5, 1.5}


def test_random_stalls_by_calls_are_as_frequent():
    hand = by_hand(stalls={"calls": 10, "for": "1s", "spacing": "random"}, **TENTH)
    waits = [hand.start(10.0 * number, cpu_demand_s=0.5).until_s - 10.0 * number for number in range(20_000)]
    assert waits.count(1.5) == pytest.approx(20_000 / 10, rel=0.09)  # 4 standard deviations


@pytest.mark.parametrize("stalls", [{"for": "1s"}, {"every": "10s", "calls": 10, "for": "1s"}])
def test_stalls_come_by_time_or_by_calls(stalls: dict[str, object]):
    assert any("either `every` or `calls`" in each.message for each in cpu.check(unchecked(gateway=TENTH | {"stalls": stalls})))
