"""``tenfold explain``, and the words of other gateways that lead here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sim.gateway.explain import USED_BY, explain, used_by
from sim.gateway.language import Scenario, load
from sim.scenario.errors import ScenarioError
from sim.scenario.find import UnknownPlace, all_paths, find
from sim.scenario.words import COMMON, METRICS, WORDS, our_word

ROOT = Path(__file__).parents[3]
VALID = ROOT / "tests" / "sim" / "scenario" / "valid.yaml"


# ---- explain -------------------------------------------------------------------------------------------------------------
def test_every_property_can_be_explained_and_says_who_reads_it() -> None:
    for path in all_paths(Scenario):
        told = explain(path)
        assert "form: " in told, path
        assert "used by: " in told, path


def test_a_property_has_meaning_form_default_source_and_stage() -> None:
    told = explain("gateway.retry.backoff")
    assert "pauses between attempts" in told
    assert "none, constant, exponential, full-jitter" in told
    assert "default: {kind: full-jitter, base: 0.5s, cap: 8s}" in told
    assert "AWS" in told
    assert "used by: sim/gateway/stages/retry.py" in told


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("gateway.cache.ttl", "a duration with its unit"),
        ("gateway.cache[0].ttl", "a duration with its unit"),
        ("workload.requests.faq.share", "a share, such as 0.7 or 70%"),
        ("workload.arrivals.users.peak_to_mean", "at least 1 and at most 20"),
        ("providers.openai.models.gpt-4.1.ttft", "a distribution (constant, "),
        ("providers.openai.limits.reserve", "those it produces"),
        ("gateway.routing.small", "targets by what a request class `needs`"),
        ("gateway.context.summarize", "a summary stands for the older turns"),
        ("gateway.timeout.first_token", "sim/gateway/stages/upstream.py"),
        ("faults.for", "how long it lasts"),
    ],
)
def test_what_is_said_of(path: str, says: str) -> None:
    assert says in explain(path)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("gateway.retry.backof", "gateway.retry has no 'backof'; did you mean 'backoff'?"),
        ("gateway.retry.max_attempts", "did you mean 'attempts'?"),
        ("max_attempts", "did you mean gateway.retry.attempts?"),
        ("backoff", "did you mean workload.client.retries.backoff or gateway.retry.backoff?"),
        ("gateway.cache.tll", "did you mean 'ttl'?"),
        ("gateway.queue.timeout.what", "nothing stands below it"),
        ("gateway.frobnicate", "it has accepts, api_keys, autoscale, breaker"),
    ],
)
def test_an_unknown_path_says_what_was_meant(path: str, says: str) -> None:
    with pytest.raises(UnknownPlace) as caught:
        explain(path)
    assert says in str(caught.value.args[0])


def test_the_files_that_it_names_are_there() -> None:
    assert [file for file in USED_BY.values() if not (ROOT / file).is_file()] == []
    for path in USED_BY:
        find(Scenario, path)
    assert "hedge.py" in used_by(("gateway", "hedge", "after"))


# ---- words ---------------------------------------------------------------------------------------------------------------
def test_every_word_leads_somewhere() -> None:
    assert set(WORDS) >= COMMON
    for where in WORDS.values():
        if " " not in where:
            place, _, value = where.partition("=")
            assert not value or value in explain(place), where
            find(Scenario, place)
    assert all(word == word.lower() and "_" not in word for word in WORDS)


def test_words_of_budgets_lead_to_figures() -> None:
    for theirs, ours in METRICS.items():
        with pytest.raises(ScenarioError, match=f"did you mean '{ours}'"):
            load(VALID, [f"budgets=[{theirs} < 1]"])


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("gateway.routing=latency-based", "did you mean 'fastest'"),
        ("gateway.routing={kind: cost-aware, models: [openai/gpt-4o]}", "did you mean 'cheapest'"),
        ("gateway.tiering=true", "did you mean gateway.routing.kind: capability"),
        ("gateway.retry.max_attempts=3", "did you mean 'attempts'"),
        ("gateway.retry.num_retries=2", "num_retries: 2 is attempts: 3"),
        ("workload.arrivals={kind: spike}", "did you mean 'stages'"),
        ("providers.openai.zone=eu", "providers.*.region, with gateway.regions"),
        ("gateway.cache={kind: semantic-cache, ttl: 5m}", "did you mean 'semantic'"),
        ("gateway.cache={kind: edge, ttl: 5m}", "did you mean 'cdn'"),
        ("providers.openai.limits={rpm: 500}", "write requests: 500/min"),
        ("providers.openai.limits={tpm: 500}", "write tokens: 100000/min"),
        ("gateway.breaker.cooldown_time=5s", "gateway.breaker.open_for"),
        ("gateway.maxconn=5", "did you mean gateway.queue.concurrency"),
        ("gateway.queue.max_requests=5", "did you mean 'concurrency'"),
        ("gateway.sessions={backend: redis}", "did you mean 'store'"),
        ("gateway.context=sliding", "did you mean 'window'"),
        ("gateway.limits={requests: 100/s}", "say of whom: per_user"),
        ("budgets=[uptime > 99%]", "did you mean 'availability'"),
        ("budgets=[first_token.p95 < 1s]", "did you mean 'ttft.p95'"),
        ("workload.arrivals={kind: poisson, rps: 4}", "did you mean 'rate'? ten a second are 10/s"),
        ("workload.requests.faq.tokens.input={kind: uniform, min: 1, max: 9}", "did you mean 'low'"),
        ("gateway.retry.backoff={max: 4s}", "did you mean 'cap'"),
        ("gateway.retry.backoff={jitter: full}", "kind: full-jitter"),
        ("gateway.routing={kind: priority}", "did you mean 'capability'"),
        ("providers.openai.preset=hosted", "did you mean providers.NAME.models.NAME.preset"),
        ("gateway.spend_limit={daily: 5}", "'global_usd', or 'per_user_usd'"),
        ("gateway.spend_limit={global_usd: 500 USD}", "write 500, without the currency"),
        ("gateway.max_budget=5", "did you mean 'spend_limit'"),
        ("workload.conversations.think=1-20s", "{kind: uniform, low: 1s, high: 20s}"),
    ],
)
def test_other_gateways_words_lead_to_ours(override: str, says: str) -> None:
    with pytest.raises(ScenarioError, match=re.escape(says)):
        load(VALID, [override])


def test_a_common_word_leads_only_where_ours_may_stand() -> None:
    assert our_word("capacity", ["waiting", "timeout"]) == "did you mean 'waiting'?"
    assert our_word("capacity", ["name", "share"]) == ""


def test_the_entries_of_a_list_are_explained_with_it() -> None:
    assert "ttft_factor: of a brownout" in " ".join(explain("faults").split())
