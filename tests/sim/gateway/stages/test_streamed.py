"""The gateway's work for what it streams: it flows to the call's worker, and queues there with all else."""

from __future__ import annotations

import heapq
from math import exp
from types import SimpleNamespace

import numpy as np
import pytest

from sim.gateway.stages import cpu, streamed
from tests.sim.gateway.by_hand import by_hand
from tests.sim.tiny import unchecked

TOKENS = {"cpu_per_token": {"kind": "constant", "value": "10ms"}}


def test_a_stream_ends_when_it_ends_and_the_work_on_it_flows_to_its_worker_over_its_length():
    hand = by_hand(**TOKENS)
    c = hand.start(0.0, cpu_piece_s=0.125)
    assert hand.answer(c, 5.0, tokens=8, first_s=1.0).state == "ok"
    assert c.latency_s == 5.0
    flowing = hand.g.workers[0]
    assert (flowing.pieces_s, flowing.span_s) == (1.0, 4.0)
    assert hand.start(5.0, cpu_demand_s=10.0).until_s == 15.0, "nothing has come before it"
    come_s = 1.0 - exp(-4.0 / 4.0)
    assert hand.start(9.0, cpu_demand_s=0.5).until_s == pytest.approx(15.0 + come_s + 0.5)


def test_what_flows_to_an_idle_worker_is_done_when_it_comes():
    hand = by_hand(**TOKENS)
    hand.answer(hand.start(0.0, cpu_piece_s=0.125), 5.0, tokens=8, first_s=1.0)
    assert hand.start(9.0, cpu_demand_s=0.5).until_s == 9.5


def test_flows_fade_together_with_the_mean_of_their_lengths_weighted_by_work():
    hand = by_hand(**TOKENS)
    first, second = hand.start(0.0, cpu_piece_s=0.125), hand.start(0.0, cpu_piece_s=0.125)
    hand.answer(first, 5.0, tokens=8, first_s=1.0)
    hand.answer(second, 5.0, tokens=24, first_s=5.0)  # all at once: as long as the work on it, 3 s
    assert (hand.g.workers[0].pieces_s, hand.g.workers[0].span_s) == (4.0, (1 * 4 + 3 * 3) / 4)


def test_the_end_of_a_stream_waits_for_what_its_worker_has_to_do_and_for_the_work_after_it():
    hand = by_hand(**TOKENS)
    c = hand.start(0.0, cpu_piece_s=0.125, cpu_after_s=0.25)
    hand.start(2.0, cpu_demand_s=0.5)
    assert hand.answer(c, 2.25, tokens=8, first_s=1.0).until_s == 2.75
    assert hand.g.workers[0].pieces_s == 1.0


@pytest.mark.slow
def test_calls_wait_as_long_as_among_the_single_pieces_of_streams():
    """40 calls/s of 10 ms and 100 tokens of 0.1 ms each: 80 % of a CPU, half of it for streams."""
    true_s, model_s = (wait(40, 0.01, 1e-4, 0.02, np.random.default_rng(1)) for wait in (piece_by_piece, as_flows))
    assert np.median(model_s) == pytest.approx(np.median(true_s), rel=0.05)
    assert model_s.mean() == pytest.approx(true_s.mean(), rel=0.15)


def drawn(calls_rps, call_s, rng, count=20_000):
    return np.cumsum(rng.exponential(1 / calls_rps, count)), rng.exponential(call_s, count), rng.geometric(0.01, count)


def piece_by_piece(calls_rps, call_s, token_s, gap_s, rng):
    """Seconds at a first-come-first-served CPU of each call, among all tokens of all streams."""
    arrivals_s, work_s, tokens = drawn(calls_rps, call_s, rng)
    due = [(at_s, number, -1) for number, at_s in enumerate(arrivals_s)]
    free_s, there_s = 0.0, np.zeros(len(due))
    while due:
        at_s, number, token = heapq.heappop(due)
        free_s = max(free_s, at_s) + (work_s[number] if token < 0 else token_s)
        if token < 0:
            there_s[number] = free_s - at_s
        if token + 1 < tokens[number]:
            heapq.heappush(due, (free_s + 0.3 if token < 0 else at_s + gap_s, number, token + 1))
    return there_s


def as_flows(calls_rps, call_s, token_s, gap_s, rng):
    arrivals_s, work_s, tokens = drawn(calls_rps, call_s, rng)
    g = SimpleNamespace(cpu=cpu.State(), workers=[cpu.Worker()])
    due = [(at_s, number, False) for number, at_s in enumerate(arrivals_s)]
    there_s = np.zeros(len(due))
    while due:
        at_s, number, ends = heapq.heappop(due)
        length_s = gap_s * (tokens[number] - 1)
        if ends:
            cpu.give_pieces(g, 0, tokens[number] * token_s, length_s, at_s)
        else:
            done_s = cpu.give(g, 0, work_s[number], at_s)
            there_s[number] = done_s - at_s
            heapq.heappush(due, (done_s + 0.3 + length_s, number, True))
    return there_s


def test_whole_answers_are_not_streamed():
    hand = by_hand(**TOKENS)
    hand.answer(hand.start(0.0, cpu_piece_s=0.125, streams=False), 2.0, tokens=8)
    assert hand.g.workers[0].pieces_s == 0.0


def test_an_answer_that_breaks_off_has_been_worked_on():
    hand = by_hand(**TOKENS)
    c = hand.answer(hand.start(0.0, cpu_piece_s=0.125), 2.0, status=500, tokens=8, first_s=1.0)
    assert c.state == "error"
    assert hand.g.workers[0].pieces_s == 1.0


def test_so_has_what_a_client_saw_before_it_left_whether_hedged_or_not():
    for words in ({}, {"hedge": {"after": "5s"}}):
        hand = by_hand(**TOKENS, **words)
        hand.cut = lambda c, at_s, hand=hand: cut_after_four(hand, c, at_s)
        hand.depart(hand.start(0.0, cpu_piece_s=0.125), 2.0)
        assert hand.g.workers[0].pieces_s == 0.5, words
        assert hand.g.streamed.tokens == 4


def cut_after_four(hand, c, at_s):
    type(hand).cut(hand, c, at_s)
    c.produced_tokens, c.attempt_first_s = 4, 0.5


def test_the_work_on_a_hedged_call_is_that_on_both_attempts():
    hand = by_hand(hedge={"after": "1s", "at_most": 1.0}, **TOKENS)
    hand.cut = lambda c, at_s: cut_after_four(hand, c, at_s)
    c = hand.start(0.0, cpu_piece_s=0.125)
    hand.time_comes(c)
    _, second = hand.forks(c)
    hand.show(second, 1.5)
    hand.answer(second, 2.0, tokens=8, first_s=0.5)
    assert c.state == "ok"
    assert hand.g.workers[0].pieces_s == 12 * 0.125


@pytest.mark.parametrize(("end_s", "seen_s"), [(5.0, 1.25), (1.125, 1.125)], ids=["after the time", "with the end, if that is sooner"])
def test_held_writes_reach_the_client_later_and_its_end_does_not(end_s: float, seen_s: float):
    hand = by_hand(held_writes={"time": "250ms"})
    c = hand.answer(hand.start(0.0), end_s, tokens=8, first_s=1.0)
    assert (c.ttft_s, c.latency_s) == (seen_s, end_s)


@pytest.mark.parametrize(("tokens", "seen_s"), [(9, 1.25), (17, 1.25), (33, 1.125)], ids=["slow", "as fast as the time", "fast"])
def test_so_many_pieces_end_the_wait_sooner(tokens: int, seen_s: float):
    hand = by_hand(held_writes={"time": "250ms", "pieces": 4})
    assert hand.answer(hand.start(0.0), 2.0, tokens=tokens, first_s=1.0).ttft_s == seen_s


def test_fewer_tokens_than_pieces_wait_for_the_time_or_the_end():
    hand = by_hand(held_writes={"time": "250ms", "pieces": 4})
    assert hand.answer(hand.start(0.0), 1.125, tokens=5, first_s=1.0).ttft_s == 1.125


def test_whole_answers_and_what_never_began_are_not_held():
    hand = by_hand(held_writes={"time": "250ms"})
    assert hand.answer(hand.start(0.0, streams=False), 2.0, tokens=8).ttft_s == 2.0
    assert np.isnan(hand.answer(hand.start(3.0), 4.0, status=500).ttft_s)


def test_a_scenario_in_which_no_client_streams_is_warned_of():
    words = TOKENS | {"held_writes": {"time": "250ms"}}
    said = list(streamed.check(unchecked(gateway=words, client={"stream": False})))
    assert [finding.warning for finding in said] == [True, True]
    assert not list(streamed.check(unchecked(gateway=words, client={"stream": True})))


def test_without_such_work_there_is_no_such_stage():
    hand = by_hand(cpu_after={"kind": "constant", "value": "10ms"})
    assert hand.g.streamed is None
