"""Closed workloads: requests by client and number, the same in whatever order they are asked for."""

import numpy as np
import pytest
from scipy import stats

from sim.workload.closed import BLOCK, ClosedWorkload
from tests.sim.workload.workloads import PLAIN, make

ALPHA = 1e-4
CLOSED = {"kind": "closed", "clients": 200, "think": {"kind": "exponential", "mean": "5s"}}
SIZES = {"input": {"kind": "exponential", "mean": 500}, "output": {"kind": "constant", "value": 7}}
CLASSES = [{"name": "faq", "share": 0.5, "prompts": {"catalog": 10, "zipf": 0}, "tokens": SIZES}, {**PLAIN, "share": 0.5}]


def workload(**more):
    return ClosedWorkload(make(CLOSED, requests=CLASSES), **more)


def test_a_request_is_the_same_whenever_it_is_asked_for():
    one, other = workload(), workload()
    wanted = [(client, n) for client in range(5) for n in range(2 * BLOCK)]
    forwards = {key: one.request(*key) for key in wanted}
    assert {key: other.request(*key) for key in reversed(wanted)} == forwards
    assert other.think_s(3, 40) == forwards[3, 40].think_s


def test_blocks_that_were_forgotten_are_drawn_again_alike(monkeypatch):
    kept = workload()
    expected = [kept.request(client, 0) for client in range(20)]
    monkeypatch.setattr("sim.workload.closed.KEPT_CLIENTS", 3)
    forgetful = workload()
    assert [forgetful.request(client, 0) for client in range(20)] * 2 == expected * 2
    assert len(forgetful.blocks) == 3


def test_scale_multiplies_the_clients_and_leaves_those_of_before_alone():
    once, tenfold = workload(), workload(scale=10.0)
    assert (once.clients, tenfold.clients) == (200, 2000)
    for client in range(20):
        assert once.request(client, 3)[0] == tenfold.request(client, 3)[0]
        assert once.think_s(client, 3) == tenfold.think_s(client, 3)


def test_requests_follow_the_scenarios_laws():
    clients = workload()
    each = [clients.request(client, n) for client in range(200) for n in range(BLOCK)]
    kinds = np.array([request.kind for request in each])
    assert stats.binomtest(int(kinds.sum()), len(kinds), 0.5).pvalue > ALPHA
    prompts = np.array([request.prompt for request in each])
    assert stats.chisquare(np.bincount(prompts[kinds == 0], minlength=10)).pvalue > ALPHA
    assert stats.kstest([request.think_s for request in each], stats.expon(scale=5).cdf).pvalue > ALPHA
    assert len({(request.prompt, request.input_tokens) for request in each if request.kind == 0}) == 10


def test_unique_prompts_and_conversations_are_unique_and_clients_are_users():
    clients = workload()
    each = [clients.request(client, n) for client in range(200) for n in range(BLOCK)]
    own = [request.prompt for request in each if request.kind == 1]
    assert len(set(own)) == len(own)
    assert min(own) >= 10
    assert len({request.conversation for request in each}) == len(each)
    assert {request.user for request in each} == set(range(200))
    assert {request.turn for request in each} == {0}


def test_clients_do_not_start_at_once():
    clients = workload()
    firsts = [clients.think_s(client, 0) for client in range(200)]
    assert stats.kstest(firsts, stats.expon(scale=5).cdf).pvalue > ALPHA


def test_replications_differ():
    assert workload().request(0, 0) != workload(replication=1).request(0, 0) != workload(seed=8).request(0, 0)


def test_open_arrivals_are_refused():
    with pytest.raises(ValueError, match="expected closed arrivals, found poisson"):
        ClosedWorkload(make({"kind": "poisson", "rate": "1/s"}))
