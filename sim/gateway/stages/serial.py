"""Serial work: what all workers together can do for one call at a time, such as a lock, a single writer's database or a sequence.

One first-come-first-served server behind however many workers: no more calls a second than one over its mean get through, which neither
more workers nor more cores change (the serial part of Gunther's universal scalability law).
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from sim.gateway.call import CONTINUE, WAIT
from sim.kernel.state import state
from sim.scenario.values import Durations, Model
from sim.stochastics.random_streams import Purpose

OPTIONAL = True


class Config(Model):
    serial_per_request: Durations | None = Field(
        None,
        description="work for each call that only one worker at a time can do, however many there are: a lock, a database with one writer; "
        "a figure of the model; default: none",
    )


@state
class State:
    free_s: float = 0.0


@state
class Request:
    serial_demand_s: float = 0.0


@state
class Call:
    serial_since_s: float = 0.0
    serial_s: float = 0.0


COLUMNS = {"serial_s": ("f8", "waiting for and doing work that is done for one call at a time")}
PARTS = {"serial_s": "serial work"}
DRAWS = {"serial_demand_s": (Purpose.SERIAL, lambda scenario: scenario.gateway.serial_per_request)}
MODEL_ONLY = ("serial_demand_s",)


def build(scenario: Any, seed: int) -> Any:
    return None if scenario.gateway.serial_per_request is None else State()


def enter(g: Any, c: Any, now_s: float) -> int:
    if c.serial_demand_s <= 0.0:
        return CONTINUE
    s = g.serial
    s.free_s = (s.free_s if s.free_s > now_s else now_s) + c.serial_demand_s
    c.serial_since_s, c.until_s = now_s, s.free_s
    return WAIT


def woken(g: Any, c: Any, now_s: float) -> int:
    c.serial_s = now_s - c.serial_since_s
    return CONTINUE
