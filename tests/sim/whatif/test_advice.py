"""Which path raises which limit, and by trying which of them helps."""

from __future__ import annotations

import pytest

from sim.analysis.knobs import knob_of
from sim.scenario.errors import write_path
from sim.whatif.advice import Raised, doubled, in_words
from tests.sim.whatif.documents import document

BUDGETS = ("latency.p99 < 2s",)


@pytest.mark.parametrize(
    ("limit", "path"),
    [
        ("the gateway's concurrency", "gateway.queue.concurrency"),
        ("the gateway's global request limit", "gateway.limits.global.requests"),
        ("the per-user token limit (user at the 99th percentile)", "gateway.limits.per_user.tokens"),
        ("the gateway's CPU", "gateway.workers"),
        ("openai's input token limit", "providers.openai.keys"),
        ("openai's concurrency", "providers.openai.concurrency"),
        ("local/llama-3.1's batching slots", 'providers.local.models["llama-3.1"].batching.slots'),
        ("local/a/b's shared speed", 'providers.local.models["a/b"].batching.parallel'),
    ],
)
def test_a_limit_is_raised_by_a_path(limit: str, path: str) -> None:
    steps = knob_of(limit)
    assert steps is not None
    assert write_path(steps) == path


def test_what_nobody_can_raise_has_no_path() -> None:
    assert knob_of("breaker at openai/gpt-4o") is None


@pytest.mark.parametrize(
    ("value", "twice"), [(64, "128"), (0.5, "1"), ("30/min", "60/min"), ("unlimited", None), (None, None), (True, None)]
)
def test_values_are_doubled_in_their_own_form(value: object, twice: str | None) -> None:
    assert doubled(value) == twice


def raised(p99_s: float) -> Raised:
    return Raised("the gateway's CPU", "gateway.workers", "1", "2", document(p99_s, budgets=BUDGETS))


def test_advice_says_what_came_of_trying_it() -> None:
    before = document(4.0, budgets=BUDGETS)
    assert in_words([raised(1.0)], before, 6.4) == "raise gateway.workers first: at 2 instead of 1 every budget holds at 6.4x"
    assert "takes away 50 % of the excess at 6.4x, latency.p99 < 2s still breaks" in in_words([raised(3.0)], before, 6.4)
    assert in_words([raised(4.0)], before, 6.4) == "doubling any one of gateway.workers does not mend it"
    assert "elsewhere" in in_words([], before, 6.4)
