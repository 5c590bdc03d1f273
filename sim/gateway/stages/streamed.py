"""The gateway's own work for what it streams: for each token that an attempt has produced for a client that streams, whatever ended it.

The call's worker does it, beside its other work: see ``cpu.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from sim.gateway.stages import cpu
from sim.kernel.containers import NOBODY
from sim.kernel.state import state
from sim.scenario.finding import Finding
from sim.scenario.values import Durations, Model
from sim.stochastics.random_streams import Purpose


class Config(Model):
    cpu_per_token: Durations | None = Field(
        None, description="the gateway's own work for each token that it streams, one drawn for each call, also modelled; default: none"
    )


@state
class State:
    tokens: int = 0  # that it has worked on


@state
class Request:
    cpu_piece_s: float = 0.0


DRAWS = {"cpu_piece_s": (Purpose.CPU_TOKEN, lambda scenario: scenario.gateway.cpu_per_token)}
MODEL_ONLY = ("cpu_piece_s",)  # a real gateway works all along


def check(scenario: Any) -> Iterator[Finding]:
    if scenario.gateway.cpu_per_token is not None and not scenario.workload.client.stream:
        message = "no client streams: there are no pieces to work on"
        yield Finding(("gateway", "cpu_per_token"), message, "the work for a whole answer is cpu_after", warning=True)


def build(scenario: Any, seed: int) -> Any:
    return None if scenario.gateway.cpu_per_token is None else State()


def leave(g: Any, c: Any, now_s: float) -> None:
    if not c.streams or c.cpu_piece_s <= 0.0 or c.produced_tokens == 0:
        return
    g.streamed.tokens += c.produced_tokens
    work_s, streamed_s = c.produced_tokens * c.cpu_piece_s, c.attempt_s - c.attempt_first_s
    if c.is_orphan:  # the call has gone without it
        cpu.give_pieces(g, c.worker, work_s, streamed_s, now_s)
    elif c.parent == NOBODY:
        add(c, work_s, streamed_s)
    else:
        add(g.calls[c.parent], work_s, streamed_s)


def add(c: Any, work_s: float, streamed_s: float) -> None:
    c.pieces_s += work_s
    c.streamed_s += streamed_s
