"""The gateway's own work: worker processes are first-come-first-served CPUs, and connections are spread over them in turn."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from sim.gateway.call import CONTINUE, WAIT
from sim.kernel.containers import Keyed
from sim.kernel.state import state
from sim.scenario.values import Durations, Model


class Config(Model):
    workers: Annotated[int, Field(ge=1, le=1000)] = Field(1, description="processes of the gateway, each with a CPU of its own")
    cpu_per_request: Durations | None = Field(
        None, description="the gateway's own work for each call, a figure of the model (nothing burns it on purpose); default: none"
    )


@state
class State:
    workers: int = 1
    turn: int = 0


@state
class Worker:
    free_s: float = 0.0  # when it has done all that was given to it


@state
class Request:
    cpu_demand_s: float = 0.0


@state
class Call:
    cpu_s: float = 0.0


COLUMNS = {"cpu_s": ("f8", "waiting for and using the gateway's own CPU")}
PARTS = {"cpu_s": "gateway CPU"}
DRAWS = {"cpu_demand_s": (60, lambda scenario: scenario.gateway.cpu_per_request)}
MODEL_ONLY = ("cpu_demand_s",)  # a real gateway works all along


def build(scenario: Any, seed: int) -> Any:
    return None if scenario.gateway.cpu_per_request is None else State(scenario.gateway.workers)


def workers(scenario: Any, s: Any) -> Keyed:
    return Keyed(s.workers, Worker)


TABLES = (workers,)


def enter(g: Any, c: Any, now_s: float) -> int:
    if c.cpu_demand_s <= 0.0:
        return CONTINUE
    s = g.cpu
    worker = g.workers[s.turn]
    s.turn = s.turn + 1 if s.turn + 1 < s.workers else 0
    worker.free_s = (worker.free_s if worker.free_s > now_s else now_s) + c.cpu_demand_s
    c.until_s = worker.free_s
    return WAIT


def woken(g: Any, c: Any, now_s: float) -> int:
    c.cpu_s = now_s - c.arrival_s
    return CONTINUE
