"""Model tiering: a classifier judges what each request needs, and is wrong sometimes; an answer that is too poor may be noticed.

The tiers are the capabilities of the routing, the smallest first, and a request's class says which it really needs. One that is sent to a
smaller tier gets a poor answer, unless that is noticed, and the request asked again of the tier it needs (a cascade, as FrugalGPT's: Chen,
Zaharia & Zou 2023). Until then nobody may see the answer, so that it is not streamed. One that is sent to a larger tier costs more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from sim.data.outcomes import OK
from sim.gateway.call import CONTINUE, WAIT
from sim.gateway.stages.retry import start_over
from sim.kernel.random import root_of, uniform_below, uniform_of
from sim.kernel.state import Short, Wide, state
from sim.provider.pricing import MILLION
from sim.scenario.finding import Finding
from sim.scenario.metric_names import StageFigure
from sim.scenario.units import Seconds
from sim.scenario.values import Duration, Model, Share
from sim.stochastics.random_streams import Purpose

TOO_SMALL, TOO_LARGE = 1, 2
OPTIONAL = True


class Classifier(Model):
    """What chooses the tier of each request, instead of the request itself."""

    misclassified: Share = Field(description="share of requests sent to another tier than they need, each other one alike")
    time: Duration = Field(Seconds(0.0), description="to judge one request")
    price: Annotated[float, Field(ge=0)] = Field(0.0, description="USD per million tokens judged")
    notices: Share = Field(0.0, description="share of the answers of too small a tier that are noticed, and asked again of the right one")


class Config(Model):
    classifier: Classifier | None = Field(
        None, description="judges which capability each request needs, with errors; default: requests say so themselves, and are right"
    )


@state
class State:
    tiers: Short
    misclassified: float
    judge_s: float
    token_usd: float
    notices: float
    root: Wide  # of the draws


@state
class Call:
    needed: Short = 0  # the tier that it really needs
    streamed: bool = False  # its client reads as it comes, once the answer is known to be good
    judge_since_s: float = 0.0
    misrouted: Short = 0
    poor_answer: bool = False
    classifier_s: float = 0.0
    classifier_usd: float = 0.0
    escalated_s: float = 0.0


COLUMNS = {
    "misrouted": ("i1", "by the classifier: 1 to too small a tier, 2 to too large a one; 0 not"),
    "poor_answer": ("i1", "1: answered by a smaller tier than it needs"),
    "classifier_s": ("f8", "judging what it needs"),
    "classifier_usd": ("f8", "price of judging it, a part of cost_usd"),
    "escalated_s": ("f8", "spent in an answer that was noticed to be poor"),
}
COSTS = ("classifier_usd",)
PARTS = {"classifier_s": "classifier", "escalated_s": "answers found too poor"}
FIGURES = {
    "poor_answer_rate": StageFigure(
        "share", "lower", "requests answered by a smaller tier than they need: quality lost", column="poor_answer"
    ),
    "too_small_rate": StageFigure("share", "lower", "requests judged to need less than they do", column="misrouted", equals=TOO_SMALL),
    "too_large_rate": StageFigure("share", "lower", "requests judged to need more than they do", column="misrouted", equals=TOO_LARGE),
    "classifier_usd": StageFigure("USD", "lower", "judging what requests need, per request", column="classifier_usd"),
}


def check(scenario: Any) -> Iterator[Finding]:
    routing = scenario.gateway.routing
    if scenario.gateway.classifier is not None and (routing.kind != "capability" or len(routing.capabilities) < 2):
        message = "there are no tiers to choose from: it takes routing of kind capability with two or more, the smallest first"
        yield Finding(("gateway", "classifier"), message, "write routing: {kind: capability, small: […], large: […]}")


def build(scenario: Any, seed: int) -> Any:
    config = scenario.gateway.classifier
    if config is None:
        return None
    tiers = len(scenario.gateway.routing.capabilities)
    return State(tiers, config.misclassified, config.time, config.price / MILLION, config.notices, root_of(seed, Purpose.CLASSIFIER))


def enter(g: Any, c: Any, now_s: float) -> int:
    s = g.tiering
    c.needed, c.streamed = c.needs, c.streams
    c.classifier_usd = c.prompt_tokens * s.token_usd
    c.cost_usd += c.classifier_usd
    draw = uniform_of(s.root, c.request)
    if draw < s.misclassified:
        other = int(draw / s.misclassified * (s.tiers - 1))
        c.needs = other if other < c.needed else other + 1
        c.misrouted = TOO_SMALL if c.needs < c.needed else TOO_LARGE
    if s.notices > 0.0 and c.needs < s.tiers - 1:
        c.streams = False  # nobody sees it before it is judged
    if s.judge_s <= 0.0:
        return CONTINUE
    c.judge_since_s, c.until_s = now_s, min(now_s + s.judge_s, c.deadline_s)
    return WAIT


def woken(g: Any, c: Any, now_s: float) -> int:
    c.classifier_s = now_s - c.judge_since_s
    return CONTINUE


def review(g: Any, c: Any, now_s: float) -> int:
    s = g.tiering
    if c.needs >= c.needed or uniform_below(s.root, c.request, 1) >= s.notices:
        return OK
    c.escalated_s = c.first_token_s + c.generation_s
    c.needs, c.streams = c.needed, c.streamed
    start_over(c)
    return CONTINUE


def leave(g: Any, c: Any, now_s: float) -> None:
    c.poor_answer = c.outcome == OK and c.needs < c.needed
