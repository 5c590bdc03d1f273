"""Random scenarios as Hypothesis draws them: small, busy, and with every stage of the flow in or out."""

from __future__ import annotations

from hypothesis import strategies as st

from sim.gateway.language import Scenario

TARGETS = ("alpha/mini", "alpha/maxi", "beta/small")


def maybe(strategy):
    return st.none() | strategy


def seconds(low: float, high: float):
    return st.sampled_from([low, (low + high) / 2, high]).map(lambda value: f"{value:g}s") | st.floats(low, high).map(lambda s: f"{s:.3f}s")


def laws(median: float, unit: str = "s"):
    """Laws around a median; ``unit`` "" for counts."""
    value = st.sampled_from([median / 2, median, 2 * median]).map(
        lambda number: f"{number:g}{unit}" if unit else float(max(1, round(number)))
    )
    simple = st.one_of(
        st.fixed_dictionaries({"kind": st.just("constant"), "value": value}),
        st.fixed_dictionaries({"kind": st.just("exponential"), "mean": value}),
        st.fixed_dictionaries({"kind": st.just("lognormal"), "median": value, "sigma": st.sampled_from([0.0, 0.5, 1.0])}),
        st.fixed_dictionaries({"kind": st.just("weibull"), "scale": value, "shape": st.sampled_from([0.7, 1.0, 3.0])}),
        st.fixed_dictionaries({"kind": st.just("uniform"), "low": st.just(f"0{unit}" if unit else 0.0), "high": value}),
        st.fixed_dictionaries({"kind": st.just("gamma"), "mean": value, "cv": st.just(1.0)}),
        st.fixed_dictionaries({"kind": st.just("empirical"), "values": st.tuples(value, value, value)}),
    )
    shifted = st.fixed_dictionaries({"kind": st.just("shifted"), "by": value, "of": simple})
    part = st.fixed_dictionaries({"weight": st.sampled_from([0.2, 1.0, 3.0]), "of": simple | shifted})
    return st.one_of(simple, shifted, st.fixed_dictionaries({"kind": st.just("mixture"), "parts": st.tuples(part, part, part)}))


def given(**fields):
    """A mapping without the fields that came out as None."""
    return st.fixed_dictionaries(fields).map(lambda drawn: {name: value for name, value in drawn.items() if value is not None})


ALGORITHMS = st.sampled_from(["token-bucket", "sliding-log", "fixed-window", "anchored-window"])


def limits(requests: list[str], tokens: list[str]):
    return given(requests=maybe(st.sampled_from(requests)), tokens=maybe(st.sampled_from(tokens)), algorithm=ALGORITHMS)


CLASS = given(
    share=st.sampled_from([0.3, 1.0]),
    needs=st.sampled_from([None, "small", "large", "unheard-of"]),
    prompts=maybe(st.fixed_dictionaries({"catalog": st.sampled_from([3, 40]), "zipf": st.sampled_from([0.0, 1.0])})),
    priority=st.sampled_from([0, 0, 2, 9]),
    history=st.sampled_from([None, True, False]),
    tokens=st.fixed_dictionaries({"input": laws(300, ""), "output": laws(60, "")}),
)
CONTEXT = st.one_of(
    st.just({"kind": "full"}),
    st.fixed_dictionaries({"kind": st.just("window"), "turns": st.integers(0, 3)}),
    st.fixed_dictionaries({"kind": st.just("summarize"), "after_turns": st.integers(1, 4), "keep_turns": st.integers(0, 3)}),
    st.fixed_dictionaries({"kind": st.just("budget"), "tokens": st.sampled_from([0, 500, 2000])}),
)
ROUTING = st.one_of(
    st.fixed_dictionaries(
        {"kind": st.sampled_from(["round-robin", "least-busy", "cheapest", "fastest"]), "models": st.sampled_from([TARGETS, TARGETS[:1]])}
    ),
    st.fixed_dictionaries(
        {"kind": st.just("weighted"), "weights": st.sampled_from([dict.fromkeys(TARGETS, 1.0), {TARGETS[2]: 3.0, TARGETS[0]: 1.0}])}
    ),
    st.just({"kind": "capability", "small": [TARGETS[0], TARGETS[2]], "large": [TARGETS[1], TARGETS[2], TARGETS[0]]}),
)
BACKOFF = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["none", "constant", "exponential", "full-jitter", "equal-jitter", "decorrelated-jitter"]),
        "base": seconds(0.1, 1.0), "cap": seconds(1.0, 4.0),
    }
)  # fmt: skip
BREAKER = given(
    preset=st.sampled_from(["resilience4j", "polly", "hystrix"]),
    window=st.sampled_from([None, "count", "time"]),
    window_size=st.sampled_from([3, 10]),
    minimum_calls=st.sampled_from([1, 5]),
    failure_rate=st.sampled_from([0.2, 0.5]),
    slow_rate=st.sampled_from([None, 0.3]),
    slow_after=maybe(seconds(0.5, 3.0)),
    open_for=seconds(0.5, 5.0),
    half_open_calls=st.sampled_from([1, 3]),
)
GATEWAY = given(
    workers=st.sampled_from([1, 3]),
    cpu_per_request=maybe(laws(0.01) | laws(0.2)),  # with the latter, deadlines pass before anybody is asked
    limits=given(per_user=maybe(limits(["5/min", "1/s"], ["2000/min"])), **{"global": maybe(limits(["5/s", "200/min"], ["40000/min"]))}),
    sessions=maybe(given(store=st.sampled_from(["memory", "redis"]), ttl=seconds(5, 60), lookup=maybe(laws(0.005) | laws(1.0)))),
    context=CONTEXT,
    cache=st.just([])
    | given(
        kind=st.just("exact"), ttl=seconds(3, 30), capacity=st.sampled_from([2, 20, 1000]), single_flight=st.booleans(),
        sliding=st.booleans(),
    ).map(lambda cache: [cache]),
    queue=maybe(
        given(
            concurrency=st.sampled_from([1, 6, "unlimited"]), waiting=st.sampled_from([0, 4, "unlimited"]), timeout=maybe(seconds(0.5, 5))
        )
    ),
    routing=ROUTING,
    retry=given(
        attempts=st.integers(1, 4), backoff=BACKOFF, budget=st.sampled_from([None, 0.0, 0.2]), to=st.sampled_from(["same", "next"]),
        honor_retry_after=st.booleans(),
    ),
    breaker=maybe(BREAKER),
    timeout=given(first_token=maybe(seconds(0.5, 3)), total=seconds(0.5, 3) | seconds(2, 20)),
    fallback=st.lists(st.sampled_from(["next-provider", "stale-cache", "canned"]), max_size=3, unique=True),
    cancel_on_disconnect=st.booleans(),
)  # fmt: skip
STREAMED = st.fixed_dictionaries({"ttft": laws(0.4), "per_token": laws(0.01), "price": st.just({"input": 1, "output": 4})})
WHOLE = st.fixed_dictionaries({"latency": laws(1.0), "price": st.just({"input": 0.5, "output": 2})})
ERRORS = given(rate=st.sampled_from([0.02, 0.4]), status=st.sampled_from([400, 429, 500, 529]), after=maybe(laws(0.2)))


def provider(*models: str):
    return given(
        keys=st.sampled_from([1, 3]),
        limits=limits(["100/min", "3/s"], ["20000/min"]),
        concurrency=maybe(st.sampled_from([2, 8])),
        models=st.fixed_dictionaries(dict.fromkeys(models, STREAMED | WHOLE)),
        errors=maybe(ERRORS),
    )


FAULT = st.sampled_from(["alpha", "beta"]).flatmap(
    lambda name: given(
        kind=st.sampled_from(["outage", "errors", "brownout", "rate-limit"]),
        provider=st.just(name),
        model=st.sampled_from([None, "mini"] if name == "alpha" else [None, "small"]),
        at=seconds(0, 20),
        mode=st.sampled_from(["error", "refused", "hang"]),
        status=st.sampled_from([404, 503]),
        share=st.sampled_from([0.5, 1.0]),
        ttft_factor=st.sampled_from([1.0, 4.0]),
        per_token_factor=st.sampled_from([0.5, 3.0]),
        **{"for": seconds(2, 15)},
    )
)
BATCH = st.sampled_from([None, None, {"kind": "constant", "value": 3}, {"kind": "geometric", "mean": 4}])
ARRIVALS = st.one_of(
    given(kind=st.just("poisson"), rate=st.sampled_from(["2/s", "8/s", "20/s"]), batch=BATCH),
    given(kind=st.just("gamma"), rate=st.sampled_from(["4/s", "10/s"]), cv=st.sampled_from([0.0, 0.5, 3.0]), batch=BATCH),
)
WORKLOAD = given(
    arrivals=ARRIVALS,
    duration=st.just("30s"),
    client=given(stream=st.booleans(), timeout=maybe(seconds(1, 10)), patience=maybe(laws(2.0))),
    users=st.fixed_dictionaries({"count": st.sampled_from([3, 100])}),
    conversations=maybe(st.fixed_dictionaries({"turns": laws(3, ""), "think": laws(4.0)})),
    requests=st.lists(CLASS, min_size=1, max_size=3).map(lambda classes: [{"name": f"c{n}", **each} for n, each in enumerate(classes)]),
)

SCENARIOS = st.fixed_dictionaries(
    {
        "tenfold": st.just(1), "name": st.just("random"), "seed": st.integers(0, 2**63 - 1), "workload": WORKLOAD, "gateway": GATEWAY,
        "providers": st.fixed_dictionaries({"alpha": provider("mini", "maxi"), "beta": provider("small")}),
        "faults": st.lists(FAULT, max_size=3),
    }
).map(Scenario.model_validate)  # fmt: skip
