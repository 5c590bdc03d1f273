"""Single provider dependency: when one provider has an outage, its calls have nowhere to go."""

from __future__ import annotations

from typing import Any

from sim.analysis.metrics import measure
from sim.formatting import listed, percent, seconds
from sim.guide.found import Found
from sim.guide.outage import outage, outage_span
from sim.guide.reach import dependent_share, provider_of, targets_of, used_providers
from sim.guide.trials import Changes, Trials, by_replication, change, gain

WORDS = "Single provider dependency: When OpenAI has an outage, your entire system goes down."
NEXT = "next-provider"
SPARE = "-spare"
LOST = 0.05
"""Share of requests unanswered during the outage of one provider, more than without it, from which the system hangs on it."""
HOUR_S = 3600.0


def find(trials: Trials) -> Found | None:
    scenario = trials.scenario
    fails_over = NEXT in scenario.gateway.fallback
    spans = [outage_span(scenario)]
    calm = outage_free(trials)
    worst, worst_lost = None, LOST
    for provider in used_providers(scenario):
        if fails_over and dependent_share(scenario, provider) <= LOST:
            continue
        struck = trials.run(outage(scenario, [provider]))
        lost = float((by_replication(calm, "availability", spans) - by_replication(struck, "availability", spans)).mean())
        if lost > worst_lost:
            worst, worst_lost = provider, lost
    if worst is None:
        return None
    mend = with_spare(trials, worst)
    before = trials.run(outage(scenario, [worst]))
    after = trials.run((*mend, *outage(scenario, [worst])))
    begins, ends = spans[0]
    lost_an_hour = worst_lost * (measure(calm, "offered_rps").value or 0.0) * HOUR_S
    alone = [each.name for each in scenario.workload.requests if {provider_of(target) for target in targets_of(scenario, each)} == {worst}]
    why = f"class {listed(alone)} can go nowhere else" if alone else "nothing fails over: gateway.fallback has no next-provider"
    return Found(
        where="gateway.routing" if alone else "gateway.fallback",
        says=f"{worst} out for {seconds(ends - begins)} leaves {percent(worst_lost)} more of the requests unanswered in that time ({why}): "
        f"{lost_an_hour:,.0f} an hour of outage",
        mend=mend,
        todo="route every class to models of two providers and let calls fail over: fallback: [next-provider]",
        gains=tuple(gain(figure, before, after, spans, "during the outage") for figure in ("availability", "latency_s.p50")),
    )


def outage_free(trials: Trials) -> Any:
    """The scenario without any faults."""
    scenario = trials.scenario
    if not scenario.faults:
        return trials.run()
    return trials.run((change("faults", []), *outage(scenario, used_providers(scenario))[1:]))


def with_spare(trials: Trials, provider: str) -> Changes:
    """The scenario with a second provider like the first wherever calls depend on that one, and failing over."""
    tree, scenario = trials.tree(), trials.scenario
    routing, spare = tree["gateway"]["routing"], provider + SPARE
    changes = []
    if dependent_share(scenario, provider) > 0:
        changes.append(change("providers", tree["providers"] | {spare: tree["providers"][provider]}))
        if routing["kind"] == "capability":
            routing["capabilities"] = {name: doubled(pool, provider) for name, pool in routing["capabilities"].items()}
        elif routing["kind"] == "weighted":
            routing["weights"] |= {at_spare(target): weight for target, weight in routing["weights"].items() if is_at(target, provider)}
        else:
            routing["models"] = doubled(routing["models"], provider)
        changes.append(change("gateway.routing", routing))
    fallback = [step for step in tree["gateway"]["fallback"] if step != NEXT]
    return (*changes, change("gateway.fallback", [NEXT, *fallback]))


def is_at(target: str, provider: str) -> bool:
    return provider_of(target) == provider


def at_spare(target: str) -> str:
    provider, _, model = target.partition("/")
    return f"{provider}{SPARE}/{model}"


def doubled(pool: list[str], provider: str) -> list[str]:
    """With the spare's models at its end, if all of the pool is at that provider."""
    return [*pool, *map(at_spare, pool)] if all(is_at(target, provider) for target in pool) else pool
