"""Degradation under load: while there is too much of it, calls go to a smaller model, get shorter answers, or are not served at all.

It begins when the load reaches ``above`` and ends when it is down to ``below`` again, so that it does not flap. What is refused may still
get an earlier answer or a prepared text: ``fallback_on: [rejected]``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from sim.data.outcomes import REJECTED
from sim.gateway.call import CONTINUE
from sim.gateway.hooks import SPENDING, WAITED, WAITING, load
from sim.gateway.stages.route import pool_of, pools_of
from sim.kernel.containers import NOBODY, Keyed
from sim.kernel.refusals import refusal
from sim.kernel.state import Short, state
from sim.scenario.errors import did_you_mean
from sim.scenario.finding import Finding
from sim.scenario.metric_names import StageFigure
from sim.scenario.values import Count, Model, Name

SIGNALS = {"waiting": WAITING, "wait": WAITED, "spend": SPENDING}
SHED = refusal("shed under load")
OPTIONAL = True
LEVEL = Annotated[float, Field(gt=0)]


class Overload(Model):
    """What is done without while the gateway has more to do than it should."""

    signal: Literal["waiting", "wait", "spend"] = Field(
        "waiting",
        description="what load is: waiting, calls in the queue; wait, seconds that its first one has waited; spend, share of "
        "spend_limit.global_usd that is spent",
    )
    above: LEVEL = Field(description="load from which it begins, a plain number in the signal's unit")
    below: Annotated[float, Field(ge=0)] | None = Field(
        None, description="load down to which it lasts, a plain number; default: half of above"
    )
    model: Name | None = Field(None, description="capability that all calls are sent to meanwhile, a smaller model's; default: their own")
    answer: Count | None = Field(None, description="tokens that answers have at most meanwhile; default: as long as they are")
    shed: tuple[Name, ...] = Field((), description="request classes that are refused meanwhile; default: none")


class Config(Model):
    overload: Overload | None = Field(None, description="degradation under load; default: none, calls are served alike or not at all")


@state
class State:
    signal: int
    above: float
    below: float
    pool: Short  # that all calls are sent to; NOBODY: their own
    most_tokens: int  # of an answer; 0: any
    active: bool = False


@state
class Shed:
    """Whether a request class is refused under load."""

    refused: bool = False


@state
class Call:
    under_load: bool = False
    smaller_model: bool = False
    shortened: bool = False


COLUMNS = {
    "under_load": ("i1", "1: it came while the gateway degraded"),
    "smaller_model": ("i1", "1: sent to a smaller model for that reason"),
    "shortened": ("i1", "1: its answer cut for that reason"),
}
FIGURES = {
    "under_load_rate": StageFigure("share", "lower", "requests that came while the gateway degraded", column="under_load"),
    "smaller_model_rate": StageFigure("share", "lower", "requests sent to a smaller model under load", column="smaller_model"),
    "shortened_rate": StageFigure("share", "lower", "requests whose answers were cut under load", column="shortened"),
    "shed_rate": StageFigure("share", "lower", "requests refused under load, whatever they got instead", refused_by=SHED),
}


def check(scenario: Any) -> Iterator[Finding]:
    config, here = scenario.gateway.overload, ("gateway", "overload")
    if config is None:
        return
    if config.below is not None and config.below >= config.above:
        yield Finding((*here, "below"), f"expected less than above ({config.above:g}), found {config.below:g}")
    queue, limit = scenario.gateway.queue, scenario.gateway.spend_limit
    if config.signal == "spend" and (limit is None or limit.global_usd is None):
        yield Finding((*here, "signal"), "there is no budget to be spent", "add spend_limit: {global_usd: 200}, or use another signal")
    if config.signal != "spend" and (queue is None or queue.concurrency == "unlimited"):
        yield Finding((*here, "signal"), "there is no queue in which calls wait", "add gateway.queue, or use signal: spend")
    if config.model is None and config.answer is None and not config.shed:
        yield Finding(here, "nothing changes under load", "write model, answer or shed")
    pools = pools_of(scenario)
    if config.model is not None and config.model not in pools:
        hint = did_you_mean(config.model, pools) or "write routing: {kind: capability, small: […], large: […]}"
        yield Finding((*here, "model"), f"the routing has no capability {config.model!r}", hint)
    known = [each.name for each in scenario.workload.requests]
    for place, name in enumerate(config.shed):
        if name not in known:
            hint = did_you_mean(name, known) or f"the workload has {', '.join(known[:8])}{', …' if len(known) > 8 else ''}"
            yield Finding((*here, "shed", place), f"no request class is called {name!r}", hint)


def build(scenario: Any, seed: int) -> Any:
    config = scenario.gateway.overload
    if config is None:
        return None
    below = config.above / 2 if config.below is None else config.below
    pool = NOBODY if config.model is None else pool_of(scenario, config.model)
    return State(SIGNALS[config.signal], config.above, below, pool, config.answer or 0)


def shed_classes(scenario: Any, s: Any) -> Keyed:
    rows = [Shed(each.name in scenario.gateway.overload.shed) for each in scenario.workload.requests]
    return Keyed(len(rows), Shed, rows)


TABLES = (shed_classes,)


def enter(g: Any, c: Any, now_s: float) -> int:
    s = g.overload
    level = load(g, s.signal, now_s)
    s.active = level > s.below if s.active else level >= s.above
    if not s.active:
        return CONTINUE
    c.under_load = True
    if g.shed_classes[c.kind].refused:
        c.refused_by = SHED
        return REJECTED
    if s.pool != NOBODY and c.needs != s.pool:
        c.needs, c.smaller_model = s.pool, True
    if s.most_tokens > 0 and c.answer_tokens > s.most_tokens:
        c.answer_tokens, c.shortened = s.most_tokens, True
    return CONTINUE
