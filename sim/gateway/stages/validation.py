"""Input validation: malformed requests and injected prompts are refused, as far as the check finds them, and sound ones by mistake.

The scenario says which share of the requests is malformed or injected. Malformed ones are always found. A detector of injections finds a
share of them, at its own time and price, and refuses a share of the sound ones, too. What it does not find goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from sim.data.outcomes import REJECTED
from sim.gateway.call import CONTINUE, WAIT
from sim.kernel.random import root_of, uniform_below
from sim.kernel.refusals import refusal
from sim.kernel.state import Short, Wide, state
from sim.provider.pricing import MILLION
from sim.scenario.finding import Finding
from sim.scenario.metric_names import StageFigure
from sim.scenario.units import Seconds
from sim.scenario.values import Duration, Model, Share
from sim.stochastics.random_streams import Purpose

SOUND, MALFORMED, INJECTED = 0, 1, 2
BAD_FORM, INJECTION = refusal("malformed request"), refusal("prompt injection")
OPTIONAL = True


class Validation(Model):
    """A check of every request before anything is done for it."""

    malformed: Share = Field(0.0, description="share of requests that are malformed; all are refused")
    injected: Share = Field(0.0, description="share of requests that try a prompt injection")
    finds: Share = Field(1.0, description="share of the injections that the detector finds, and refuses")
    false_alarms: Share = Field(0.0, description="share of the sound requests that it refuses by mistake")
    time: Duration = Field(Seconds(0.0), description="of the detector, for each request that is not malformed")
    price: Annotated[float, Field(ge=0)] = Field(0.0, description="of the detector, in USD per million tokens of the prompt")


class Config(Model):
    validation: Validation | None = Field(
        None, description="malformed requests and prompt injections are looked for; default: the workload has none, and nothing is checked"
    )


@state
class State:
    malformed: float
    injected: float
    finds: float
    false_alarms: float
    check_s: float
    token_usd: float
    root: Wide  # of the draws


@state
class Call:
    unsound: Short = SOUND
    injection_passed: bool = False
    check_since_s: float = 0.0
    validation_s: float = 0.0
    validation_usd: float = 0.0


COLUMNS = {
    "unsound": ("i1", "1 malformed, 2 a prompt injection; 0 sound"),
    "injection_passed": ("i1", "1: a prompt injection that was not found"),
    "validation_s": ("f8", "looking for injections"),
    "validation_usd": ("f8", "price of looking for them, a part of cost_usd"),
}
COSTS = ("validation_usd",)
PARTS = {"validation_s": "input validation"}
FIGURES = {
    "malformed_rate": StageFigure("share", "lower", "requests refused as malformed", refused_by=BAD_FORM),
    "injection_refused_rate": StageFigure(
        "share", "neither", "requests refused as injections, false alarms included", refused_by=INJECTION
    ),
    "injection_passed_rate": StageFigure("share", "lower", "requests with an injection that was not found", column="injection_passed"),
    "validation_usd": StageFigure("USD", "lower", "looking for injections, per request", column="validation_usd"),
}


def check(scenario: Any) -> Iterator[Finding]:
    config = scenario.gateway.validation
    if config is not None and config.malformed + config.injected > 1:
        message = f"expected shares of at most 1 together, found {config.malformed + config.injected:g}"
        yield Finding(("gateway", "validation", "injected"), message)


def build(scenario: Any, seed: int) -> Any:
    config = scenario.gateway.validation
    if config is None:
        return None
    root = root_of(seed, Purpose.VALIDATION)
    return State(config.malformed, config.injected, config.finds, config.false_alarms, config.time, config.price / MILLION, root)


def enter(g: Any, c: Any, now_s: float) -> int:
    s = g.validation
    draw = uniform_below(s.root, c.request, 0)
    if draw < s.malformed:
        c.unsound, c.refused_by = MALFORMED, BAD_FORM
        return REJECTED
    if draw < s.malformed + s.injected:
        c.unsound = INJECTED
    c.validation_usd = c.prompt_tokens * s.token_usd
    c.cost_usd += c.validation_usd
    if s.check_s <= 0.0:
        return judge(s, c)
    c.check_since_s, c.until_s = now_s, now_s + s.check_s
    return WAIT


def woken(g: Any, c: Any, now_s: float) -> int:
    c.validation_s = now_s - c.check_since_s
    return judge(g.validation, c)


def judge(s: Any, c: Any) -> int:
    if uniform_below(s.root, c.request, 1) < (s.finds if c.unsound == INJECTED else s.false_alarms):
        c.refused_by = INJECTION
        return REJECTED
    c.injection_passed = c.unsound == INJECTED
    return CONTINUE
