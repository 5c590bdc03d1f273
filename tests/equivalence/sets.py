"""Random scenarios that all have the same stages and features: compiled code is one program for each such set.

Everything else is drawn. What a set leaves out is absent; what it has is there in every scenario of it.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from sim.gateway.language import Scenario
from tests.equivalence import scenarios
from tests.equivalence.scenarios import ALGORITHMS, BACKOFF, BREAKER, CONTEXT, ERRORS, FAULT, ROUTING, given, laws, maybe, seconds

GRID_S = 0.125  # sums of such times are exact


def on_grid(median: float, unit: str = "s") -> Any:
    """Constants that are whole multiples of GRID_S, so that many things happen at one instant; counts as they are."""
    if not unit:
        return st.sampled_from([1.0, 8.0, 64.0]).map(lambda value: {"kind": "constant", "value": value})
    return st.sampled_from([1, 2, 4, 8, 16]).map(lambda number: {"kind": "constant", "value": f"{number * GRID_S}s"})


def grid_seconds(low: float, high: float) -> Any:
    return st.integers(max(1, round(low / GRID_S)), round(high / GRID_S)).map(lambda number: f"{number * GRID_S}s")


EJECTION = (
    given(kind=st.just("envoy"), consecutive_5xx=st.integers(1, 5), interval=st.sampled_from(["500ms", "2s"]),
          base_ejection_time=seconds(0.5, 5), max_ejection_percent=st.sampled_from([0.5, 1.0]))
    | given(kind=st.just("haproxy"), error_limit=st.integers(1, 5), inter=seconds(0.2, 2), rise=st.integers(1, 3))
    | given(kind=st.just("nginx"), max_fails=st.integers(1, 5), fail_timeout=st.sampled_from(["1s", "3s"]))
    | given(kind=st.just("litellm"), cooldown_time=seconds(0.5, 5), allowed_fails=st.sampled_from([None, 2]))
    | given(kind=st.just("ferrogw"), failure_threshold=st.integers(1, 5), success_threshold=st.integers(1, 3),
            max_half_threshold=st.integers(1, 3), timeout=seconds(0.5, 5))
)  # fmt: skip


def gateway(parts: frozenset[str], law: Any, span: Any) -> Any:
    """``law(median, unit)`` and ``span(low, high)`` draw laws and seconds."""
    limit = given(requests=st.sampled_from(["5/min", "1/s", "4/s"]), tokens=maybe(st.sampled_from(["4000/min"])), algorithm=ALGORITHMS)
    optional = {
        "limits": given(per_user=limit, **{"global": maybe(limit)}),
        "spend_limit": given(per_user_usd=st.sampled_from([1e-4, 1e-2]), global_usd=maybe(st.sampled_from([1e-3, 0.1])), per=span(5, 20)),
        "cpu_per_request": law(0.05),
        "sessions": given(store=st.just("redis" if "redis" in parts else "memory"), ttl=span(5, 30), lookup=maybe(law(0.25))),
        "queue": given(
            concurrency=st.sampled_from([1, 6, "unlimited"]), waiting=st.sampled_from([0, 4, "unlimited"]), timeout=maybe(span(0.5, 5))
        ),
        "breaker": BREAKER,
        "ejection": EJECTION,
        "hedge": given(after=span(0.25, 1.0), at_most=st.sampled_from([0.1, 1.0]), to=st.sampled_from(["same", "next"])),
        "fallback": st.sampled_from([["canned"], ["stale-cache"], ["next-provider", "stale-cache", "canned"]]),
    }  # fmt: skip
    exact = given(
        kind=st.just("exact"), ttl=span(3, 30), capacity=st.sampled_from([2, 20, 1000]), single_flight=st.booleans(), sliding=st.booleans(),
    )  # fmt: skip
    backoff = BACKOFF if law is laws else st.fixed_dictionaries({"kind": st.sampled_from(["none", "constant"]), "base": span(0.125, 1.0)})
    return given(
        workers=st.sampled_from([1, 3]),
        context=CONTEXT,
        cache=exact.map(lambda cache: [cache]) if "cache" in parts else st.just([]),
        routing=ROUTING,
        retry=given(
            attempts=st.integers(1, 4), backoff=backoff, budget=st.sampled_from([None, 0.0, 0.2]),
            to=st.sampled_from(["same", "next", "any"]), honor_retry_after=st.booleans(),
        ),
        timeout=given(first_token=maybe(span(0.5, 3)), attempt=maybe(span(3, 9)), total=span(0.5, 20)),
        cancel_on_disconnect=st.booleans(),
        **{name: strategy for name, strategy in optional.items() if name in parts},
    )  # fmt: skip


def providers(parts: frozenset[str], law: Any, span: Any) -> Any:
    price = st.just({"input": 1, "output": 4})
    model = given(
        ttft=law(0.4), per_token=law(0.01) if law is laws else st.just({"kind": "constant", "value": "0s"}), price=price,
        batching=given(slots=st.sampled_from([3, 20]), slowdown=st.sampled_from([0.0, 0.05]), parallel=st.sampled_from([None, 2]))
        if "servers" in parts else st.none(),
        cold_start=maybe(st.fixed_dictionaries({"idle": span(0.5, 3), "delay": law(1.0)})),
        doubles_at=maybe(st.just(8)) if "servers" not in parts else st.none(),
        ttft_per_1k=st.sampled_from(["0s", "125ms"]),
    )  # fmt: skip
    shaped = {"ttft": {"kind": "gamma", "mean": "400ms", "cv": 0.6}, "correlation": 0.5} if "gamma" in parts else {}
    limit = given(requests=st.sampled_from(["100/min", "3/s"]), tokens=maybe(st.just("20000/min")), algorithm=ALGORITHMS)

    def provider(*models: str) -> Any:
        cache = st.fixed_dictionaries({"ttl": span(5, 30), "minimum": st.just(100), "step": st.sampled_from([1, 64])})
        return given(
            keys=st.sampled_from([1, 3]),
            concurrency=maybe(st.sampled_from([2, 8])),
            models=st.fixed_dictionaries(dict.fromkeys(models, model.map(lambda drawn: drawn | shaped))),
            errors=maybe(ERRORS if law is laws else given(rate=st.just(0.4), status=st.sampled_from([429, 500]), after=law(0.2))),
            limits=limit if "provider limits" in parts else st.none(),
            prompt_cache=cache if "prompt cache" in parts else st.none(),
        )

    return st.fixed_dictionaries({"alpha": provider("mini", "maxi"), "beta": provider("small")})


def workload(parts: frozenset[str], law: Any, span: Any) -> Any:
    conversations = given(turns=laws(3, ""), think=law(2.0), after=st.just("answer") if "agents" in parts else st.none())
    each = {"arrivals": scenarios.ARRIVALS, "conversations": conversations if "agents" in parts else maybe(conversations)}
    if law is not laws:
        batch = st.sampled_from([None, {"kind": "constant", "value": 3}])
        each["arrivals"] = given(kind=st.just("gamma"), rate=st.sampled_from(["4/s", "8/s"]), cv=st.just(0.0), batch=batch)
    if "closed" in parts:
        each = {"arrivals": given(kind=st.just("closed"), clients=st.sampled_from([1, 12, 40]), think=law(1.0))}
    else:
        each["users"] = st.fixed_dictionaries({"count": st.sampled_from([3, 100])})
    request = scenarios.CLASS
    return given(
        duration=st.just("30s"),
        client=given(stream=st.booleans(), timeout=maybe(span(1, 10)), patience=maybe(law(2.0))),
        requests=st.lists(request, min_size=1, max_size=3).map(lambda classes: [{"name": f"c{n}", **one} for n, one in enumerate(classes)]),
        **each,
    )


RANDOM_FAULT = given(
    kind=st.just("outage"), provider=st.just("alpha"), at=st.just("0s"), every=laws(5.0), lasting=laws(1.0),
    mode=st.sampled_from(["error", "refused", "hang"]), **{"for": st.just("30s")},
)  # fmt: skip
BROKEN = given(
    kind=st.sampled_from(["reset", "truncate", "stall", "content-filter"]), provider=st.just("beta"), at=st.just("2s"),
    share=st.sampled_from([0.3, 1.0]), **{"for": st.just("20s")},
)  # fmt: skip


def scenarios_with(*names: str, law: Any = laws, span: Any = seconds) -> Any:
    parts = frozenset(names)
    fields = {
        "tenfold": st.just(1), "name": st.just("random"), "seed": st.integers(0, 2**63 - 1), "workload": workload(parts, law, span),
        "gateway": gateway(parts, law, span), "providers": providers(parts, law, span),
        "faults": st.lists(FAULT | RANDOM_FAULT | BROKEN, max_size=3) if law is laws else st.just([]),
    }  # fmt: skip
    return st.fixed_dictionaries(fields).map(Scenario.model_validate)


FULL = ("limits", "spend_limit", "cpu_per_request", "sessions", "queue", "breaker", "hedge", "fallback", "cache", "provider limits")
SETS = {
    "full": scenarios_with(*FULL),
    "ties": scenarios_with(*FULL, law=on_grid, span=grid_seconds),
    "bare": scenarios_with(),
    "servers": scenarios_with("queue", "servers", "breaker", "fallback"),
    "servers, hedged": scenarios_with("queue", "servers", "hedge", "ejection"),
    "closed": scenarios_with("closed", "cache", "limits", "queue", "hedge", "breaker"),
    "agents": scenarios_with("agents", "prompt cache", "gamma", "sessions", "redis", "fallback", "cache"),
    "cached, limited": scenarios_with("cache", "prompt cache", "provider limits", "cpu_per_request", "limits"),
}
