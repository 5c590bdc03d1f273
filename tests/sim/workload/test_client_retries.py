"""Clients that send a failed request again: when, how often, and within which budget."""

import numpy as np
import pytest

from sim.data.outcomes import ABANDONED, ERROR, OK
from sim.engine.simpy_driver.replicate import replicate, simulate
from sim.gateway.language import load
from sim.gateway.stages import retry
from sim.scenario.backoff import Backoff
from sim.scenario.errors import ScenarioError
from sim.workload.client_retries import Sendings, backoff_s, goes_on

RETRIES = "workload.client.retries={attempts: 3, backoff: {kind: constant, base: 2s}}"
FAILING = "providers.server.errors={rate: 0.4, status: 500, after: {kind: constant, value: 100ms}}"


def of_clients(*changes):
    return load("validation/mm1", ["workload.duration=10m", "workload.warmup=1m", RETRIES, FAILING, *changes]).scenario


def rows_of(scenario):
    return simulate((scenario, 1.0, scenario.seed, 0)).requests


def by_call(rows):
    """The sendings of each call in their order: rows of one call stand together."""
    rows = rows[np.lexsort((rows["arrival_s"], rows["conversation"]))]
    return np.split(rows, np.flatnonzero(np.diff(rows["conversation"])) + 1)


def test_a_failed_request_is_sent_again_a_pause_later_until_it_succeeds_or_has_been_sent_often_enough():
    calls = by_call(rows_of(of_clients()))
    assert {len(sendings) for sendings in calls} == {1, 2, 3}
    for sendings in calls:
        assert np.all(sendings["outcome"][:-1] == ERROR)
        assert len(np.unique(sendings["prompt"])) == 1
        gaps_s = np.diff(sendings["arrival_s"])
        assert gaps_s == pytest.approx(sendings["latency_s"][:-1] + 2.0)
    late = [sendings for sendings in calls if len(sendings) < 3 and sendings["outcome"][-1] != OK]
    assert all(sendings["arrival_s"][-1] > 590 for sendings in late), "only the end of the run stops them"


def test_only_the_outcomes_that_are_named_are_sent_again():
    assert all(len(sendings) == 1 for sendings in by_call(rows_of(of_clients("workload.client.retries.on=[timeout]"))))


def test_a_budget_holds_retries_to_its_share_of_requests():
    rows = rows_of(of_clients("workload.client.retries.budget=0.1"))
    requests = len(np.unique(rows["conversation"]))
    assert 0.08 * requests < len(rows) - requests <= 0.1 * requests + 10


def test_a_client_that_has_left_sends_again_while_its_first_call_goes_on():
    slow = (
        "gateway.cancel_on_disconnect=false", "workload.client.timeout=1s", "providers.server.errors.rate=0",
        "providers.server.models.job.latency={kind: constant, value: 3s}", "gateway.queue.concurrency=unlimited",
        "workload.client.retries.backoff.kind=none",
    )  # fmt: skip
    scenario = of_clients(*slow)
    rows = replicate((scenario, 1.0, scenario.seed, 0)).requests
    assert set(rows["outcome"].tolist()) == {ABANDONED}
    first = by_call(rows)[0]
    assert np.diff(first["arrival_s"]) == pytest.approx([1.0, 1.0])
    assert first["attempts"].tolist() == [1, 1, 1], "the provider has done all of it"


def test_whatever_is_not_sent_again_pays_into_the_budget_once():
    budget = Sendings(retries_on=1 << ERROR, requests_first=100, retry_ratio=0.5, retry_balance=0.0)
    assert [goes_on(budget, 0, OK), goes_on(budget, 1, ERROR), goes_on(budget, 101, ERROR)] == [False, True, False]


@pytest.mark.parametrize("kind", ["none", "constant", "exponential", "full-jitter", "equal-jitter", "decorrelated-jitter"])
def test_pauses_are_those_of_the_gateways_own_retries(kind):
    backoff = Backoff(kind=kind)
    draws = np.array([0.0001, 0.3, 0.9])
    state = retry.State(3, False, False, False, True, retry.BACKOFFS.index(kind), backoff.base, backoff.cap, -1.0, 0.0, 0)
    for number, previous_s in ((0, 0.0), (1, 0.7), (5, 6.0)):
        ours = backoff_s(backoff, number, np.full(3, previous_s), draws)
        assert ours == pytest.approx([retry.backoff_s(state, number, previous_s, draw) for draw in draws])


def test_clients_who_wait_already_cannot_also_send_again():
    with pytest.raises(ScenarioError, match="agents already wait for each answer"):
        of_clients("workload.conversations={turns: {kind: constant, value: 3}, think: {kind: constant, value: 1s}, after: answer}")
