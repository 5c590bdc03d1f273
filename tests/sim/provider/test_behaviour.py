"""What a provider decides about attempts: the features of the language beyond plain latency, limits and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sim.data.statuses import REFUSED
from sim.kernel.refusals import NAMES
from sim.provider.behaviour import Plan, ProviderState
from sim.provider.fault_timeline import Ending
from sim.provider.rate_limits import in_header
from sim.scenario.model import Fault, Stages
from tests.sim.provider.calls import scenario


def provider(
    model: dict[str, Any] | None = None, faults: list[dict[str, Any]] | None = None, seed: int = 3, **fields: Any
) -> ProviderState:
    return ProviderState(scenario(model, faults, **fields), "p", seed)


def fault(kind: str, **fields: Any) -> dict[str, Any]:
    return {"kind": kind, "provider": "p", "at": "10s", "for": "10s", **fields}


def ask(state: ProviderState, now_s: float, prompt: int = 1, input_tokens: int = 100, output_tokens: int = 11, **options: Any) -> Plan:
    """An attempt that is over at once, as far as the provider's load goes."""
    plan = state.begin(now_s, "m", options.pop("key", 0), prompt, input_tokens, output_tokens, **options)
    state.finish(plan, now_s)
    return plan


@pytest.mark.parametrize(
    ("kind", "ending", "final_status"),
    [("reset", Ending.RESET, REFUSED), ("truncate", Ending.TRUNCATED, REFUSED), ("stream-error", Ending.STREAM_ERROR, REFUSED),
     ("malformed", Ending.MALFORMED, REFUSED), ("content-filter", Ending.FILTERED, 200)],
)  # fmt: skip
def test_an_answer_breaks_off_after_its_share_of_tokens(kind: str, ending: Ending, final_status: int) -> None:
    state = provider(faults=[fault(kind, after=0.5)])
    whole, broken = ask(state, 9.9), ask(state, 10.0)
    assert (whole.ending, whole.final_status, whole.output_tokens, whole.duration_s) == (Ending.COMPLETE, 200, 11, 2.0)
    assert (broken.status, broken.ending, broken.final_status, broken.output_tokens) == (200, ending, final_status, 6)
    assert broken.duration_s == pytest.approx(1.5), "its sixth token"
    assert ask(state, 20.0).ending is Ending.COMPLETE, "faults hold in [at, at + for)"


def test_a_stalled_answer_never_ends_but_has_produced_its_tokens() -> None:
    plan = ask(provider(faults=[fault("stall", after=0.3)]), 10.0)
    assert (plan.ending, plan.duration_s, plan.hang) == (Ending.STALLED, float("inf"), False)
    assert [plan.produced(elapsed_s) for elapsed_s in (0.5, 1.0, 1.15, 60.0)] == [0, 1, 2, 4]


def test_slow_headers_delay_everything() -> None:
    plan = ask(provider(faults=[fault("slow-headers", delay="3s")]), 10.0)
    assert (plan.slow_headers, plan.first_token_s, plan.duration_s) == (True, 4.0, 5.0)


def test_the_first_attempts_of_each_prompt_fail_and_no_others() -> None:
    state = provider(faults=[fault("errors", status=500, first=2)])
    assert [ask(state, 10.0, prompt).status for prompt in (1, 2, 1, 2, 1, 2)] == [500, 500, 500, 500, 200, 200]


def test_a_fault_of_one_key_leaves_the_others_alone() -> None:
    state = provider(faults=[fault("outage", key=1)], keys=3)
    assert [ask(state, 10.0, key=key).status for key in range(3)] == [200, 503, 200]


def test_a_shared_cause_strikes_several_providers() -> None:
    assert ask(provider(faults=[{**fault("outage"), "provider": "q", "also": ["p"]}]), 10.0).status == 503


def test_a_long_prompt_brings_down_whoever_takes_it_until_it_has_started_again() -> None:
    state = provider(faults=[fault("crash", input_tokens=1000, restart="4s")])
    assert ask(state, 10.0, input_tokens=999).status == 200
    assert ask(state, 11.0, input_tokens=1000).status == REFUSED
    assert [ask(state, at_s).status for at_s in (11.0, 14.9, 15.0)] == [REFUSED, REFUSED, 200]
    assert ask(state, 19.5, input_tokens=1000).status == REFUSED
    assert [ask(state, at_s).status for at_s in (22.0, 23.5)] == [REFUSED, 200], "also beyond the fault's own end"
    assert ask(state, 30.0, input_tokens=1000).status == 200, "prompts do no harm after it"


def test_addresses_that_are_cached_hide_an_outage_of_their_resolver() -> None:
    state = provider(faults=[fault("dns-outage", ttl="6s")])  # renewed at 6, 12, 18 s; it lasts from 10 to 20 s
    assert [ask(state, at_s).status for at_s in (10.0, 11.9, 12.0, 19.9, 20.0)] == [200, 200, REFUSED, REFUSED, 200]


def test_random_outages_alternate_by_their_laws_and_replay() -> None:
    law = {"every": {"kind": "exponential", "mean": "90s"}, "lasting": {"kind": "exponential", "mean": "10s"}}
    faults = [{**fault("outage"), "at": "0s", "for": "20h", **law}]
    state, again, other = provider(faults=faults), provider(faults=faults), provider(faults=faults, seed=4)
    down = [ask(state, float(now_s)).status == 503 for now_s in range(0, 72_000, 3)]
    assert np.mean(down) == pytest.approx(0.1, abs=0.015), "MTTR / (MTBF + MTTR)"
    assert down == [ask(again, float(now_s)).status == 503 for now_s in range(0, 72_000, 3)]
    assert down != [ask(other, float(now_s)).status == 503 for now_s in range(0, 72_000, 3)]


def test_the_context_window_holds_prompt_and_answer() -> None:
    state = provider({"context": 1000})
    assert [ask(state, 0.0, input_tokens=tokens).status for tokens in (989, 990)] == [200, 400]


def test_the_first_token_comes_later_for_longer_prompts_and_farther_regions() -> None:
    plan = ask(provider({"ttft_per_1k": "16ms"}, rtt="40ms"), 0.0, input_tokens=2000)
    assert plan.first_token_s == pytest.approx(1.0 + 0.032 + 0.040)
    assert plan.duration_s == pytest.approx(plan.first_token_s + 1.0)


def test_tokens_come_slower_the_more_others_are_in_service() -> None:
    state = provider({"doubles_at": 10})
    plans = [state.begin(0.0, "m", 0, prompt, 10, 11) for prompt in range(21)]
    assert plans[0].per_token_s == pytest.approx(0.1)
    assert plans[10].per_token_s == pytest.approx(0.2), "ten others"
    for plan in plans:
        state.finish(plan, 5.0)
    assert state.begin(6.0, "m", 0, 1, 10, 11).per_token_s == pytest.approx(0.1)


def test_a_model_that_was_idle_starts_cold_and_all_wait_for_the_same_start() -> None:
    state = provider({"cold_start": {"idle": "5m", "delay": {"kind": "constant", "value": "20s"}}})
    assert ask(state, 299.0).first_token_s == 1.0, "it starts warm"
    first, second = state.begin(700.0, "m", 0, 1, 10, 11), state.begin(705.0, "m", 0, 2, 10, 11)
    assert (first.first_token_s, second.first_token_s) == (21.0, 16.0)
    assert state.begin(721.0, "m", 0, 3, 10, 11).first_token_s == 1.0


def test_a_model_that_is_kept_warm_for_what_the_traffic_brings_has_started_before_the_first_call() -> None:
    """Nothing for 1000 s, then a call every 10 s: 30 s before that it is woken, and its cold start of 20 s is over in time."""
    stages = [{"rate": "1/day", "duration": "1000s"}, {"rate": "0.1/s", "duration": "500s"}, {"rate": "1/day", "duration": "1000s"}]
    arrivals = Stages.model_validate({"kind": "stages", "stages": stages})

    def starts(at_s: float, **prewarm: str) -> float:
        made = scenario({"cold_start": {"idle": "1m", "delay": {"kind": "constant", "value": "20s"}, **prewarm}})
        workload = made.workload.model_copy(update={"arrivals": arrivals, "duration": 2500.0})
        return ask(ProviderState(made.model_copy(update={"workload": workload}), "p", 3), at_s).first_token_s

    assert starts(1001.0) == 21.0, "the first call wakes it"
    assert [starts(at_s, prewarm="30s") for at_s in (900.0, 975.0, 1001.0, 1300.0, 1480.0)] == [21.0, 16.0, 1.0, 1.0, 21.0]


@pytest.mark.parametrize("correlation", [-0.7, 0.0, 0.7])
def test_times_within_a_request_are_correlated_as_stated_and_keep_their_laws(correlation: float) -> None:
    law = {"kind": "lognormal", "median": "1s", "sigma": 0.5}
    state = provider({"ttft": law, "per_token": law, "correlation": correlation})
    plans = [ask(state, 0.0, prompt) for prompt in range(20_000)]
    logs = np.log([[plan.first_token_s, plan.per_token_s] for plan in plans])
    assert np.corrcoef(logs.T)[0, 1] == pytest.approx(correlation, abs=0.02)
    assert logs.mean(axis=0) == pytest.approx([0, 0], abs=0.015)
    assert logs.std(axis=0) == pytest.approx([0.5, 0.5], abs=0.015)


@pytest.mark.parametrize(("dialect", "told"), [("openai", 0.334), ("anthropic", 1.0)])
def test_a_wait_is_the_one_that_the_providers_headers_can_tell(dialect: str, told: float) -> None:
    state = provider(dialect=dialect, limits={"requests": "3/s"})
    assert [ask(state, 0.0, prompt).status for prompt in range(3)] == [200] * 3
    assert ask(state, 0.0, 9).retry_after_s == pytest.approx(told)
    assert (in_header(2.0, 1.0), in_header(2.0000000001, 1.0), in_header(float("inf"), 1.0)) == (2.0, 2.0, float("inf"))


def test_cached_tokens_shorten_the_first_token() -> None:
    state = provider({"ttft_per_1k": "100ms", "ttft_per_1k_cached": "10ms"}, prompt_cache={"ttl": "5m"})
    prefixes = [(1, 2048)]
    cold, warm = (ask(state, now_s, input_tokens=2048, prefixes=prefixes) for now_s in (0.0, 1.0))
    assert (cold.cached_tokens, warm.cached_tokens) == (0, 2048)
    assert (cold.first_token_s, warm.first_token_s) == pytest.approx((1.2048, 1.02048))


def test_a_fault_can_be_injected_and_healed_while_the_provider_is_at_work() -> None:
    state = provider(faults=[fault("errors", status=500)])
    outage = Fault.model_validate({"kind": "outage", "provider": "p", "at": "0s", "for": "1h", "mode": "refused"})
    state.inject(1 << 32, outage)
    assert [ask(state, now_s).status for now_s in (5.0, 15.0)] == [REFUSED, 500], "the scenario's own come first"
    assert [(number, each.kind) for number, each in state.faults] == [(0, "errors"), (1 << 32, "outage")]
    assert state.heal(1 << 32) == 1
    assert len(state.faults) == 1
    assert [ask(state, now_s).status for now_s in (5.0, 15.0)] == [200, 500]


def test_what_refused_is_known() -> None:
    limited = provider(limits={"requests": "1/min"})
    assert [NAMES[ask(limited, 0.0, prompt).plan_refused_by] for prompt in (1, 2)] == ["", "provider requests limit"]
    full = provider(concurrency=1)
    assert [NAMES[full.begin(0.0, "m", 0, prompt, 1, 1).plan_refused_by] for prompt in (1, 2)] == ["", "provider concurrency"]
    assert NAMES[ask(provider({"context": 10}), 0.0).plan_refused_by] == "context window"
    assert NAMES[ask(provider(faults=[fault("rate-limit")]), 10.0).plan_refused_by] == "fault: rate-limit"
    assert ask(provider(faults=[fault("outage")]), 10.0).plan_refused_by == 0, "an error is no refusal"


def test_plans_on_a_shared_server_are_reached_when_its_clock_says_so() -> None:
    state = provider({"batching": {"parallel": 1}})
    plans = [state.begin(0.0, "m", 0, prompt, 1, 1) for prompt in (1, 2)]
    for plan, work_s in zip(plans, (1.0, 3.0), strict=True):
        assert plan.shared == 0
        state.mark(plan, work_s)
    [(server, due_s, ticket)] = state.rearmed()
    assert (server, due_s) == (0, 2.0)
    assert list(state.reached(server, ticket - 1, due_s)) == [], "a void ticket"
    assert list(state.reached(server, ticket, due_s)) == [plans[0]]
    state.finish(plans[0], due_s)
    assert [due_s for _, due_s, _ in state.rearmed()] == [4.0]
    assert state.work_s(0, 3.0) == 2.0
