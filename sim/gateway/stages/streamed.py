"""How the gateway streams: its own work for each token that an attempt has produced for a client that streams, and writes held back.

The call's worker does the work, beside its other work: see ``cpu.py``. Held writes delay what the client sees first, not its end. A gateway
that sends with MSG_MORE (HAProxy) leaves them to the kernel, which sends a segment after TCP_RTO_MIN (200 ms, include/net/tcp.h), or when
it is full: of bytes on a network; on loopback of 17 fragments (MAX_SKB_FRAGS, include/linux/skbuff.h), one for each piece where the
process has several streams at once. Measured with HAProxy 2.6: one stream alone 204 to 209 ms, two at once 17 pieces.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any, ClassVar

from pydantic import Field

from sim.gateway.hooks import whole
from sim.gateway.stages import cpu
from sim.kernel.state import state
from sim.scenario.finding import Finding
from sim.scenario.values import Duration, Durations, Model
from sim.stochastics.random_streams import Purpose


class HeldWrites(Model):
    """Pieces of a stream that wait for each other."""

    SHORT: ClassVar[str] = "time"
    time: Duration = Field(gt=0, description="from the first piece on; what has come until then goes on together")
    pieces: int | None = Field(
        None, ge=1, description="or until so many more have come, if that is sooner: a number of pieces; default: as many as come"
    )


class Config(Model):
    cpu_per_token: Durations | None = Field(
        None, description="the gateway's own work for each token that it streams, one drawn for each call, also modelled; default: none"
    )
    held_writes: HeldWrites | None = Field(
        None,
        description="pieces of a stream are held back, and go on together, at the latest with the last: HAProxy's small writes without "
        "`option http-no-delay`, {time: 200ms, pieces: 17} on loopback; default: none",
    )


@state
class State:
    tokens: int = 0  # that it has worked on
    held_s: float = 0.0
    most_held: float = inf  # pieces after the first


@state
class Request:
    cpu_piece_s: float = 0.0


DRAWS = {"cpu_piece_s": (Purpose.CPU_TOKEN, lambda scenario: scenario.gateway.cpu_per_token)}
PIECES = (("cpu_per_token", "work on", "the work for a whole answer is cpu_after"), ("held_writes", "hold back", "leave it out"))
MODEL_ONLY = ("cpu_piece_s",)  # a real gateway works all along


def check(scenario: Any) -> Iterator[Finding]:
    if scenario.workload.client.stream:
        return
    for word, what, change in PIECES:
        if getattr(scenario.gateway, word) is not None:
            yield Finding(("gateway", word), f"no client streams: there are no pieces to {what}", change, warning=True)


def build(scenario: Any, seed: int) -> Any:
    gateway = scenario.gateway
    if gateway.held_writes is not None:
        return State(held_s=gateway.held_writes.time, most_held=gateway.held_writes.pieces or inf)
    return None if gateway.cpu_per_token is None else State()


def leave(g: Any, c: Any, now_s: float) -> None:
    if g.streamed.held_s > 0.0 and c.streams and c.attempt_first_s == c.attempt_first_s:
        c.first_content_s += held_back_s(g.streamed, c)
    if not c.streams or c.cpu_piece_s <= 0.0 or c.produced_tokens == 0:
        return
    g.streamed.tokens += c.produced_tokens
    work_s, streamed_s = c.produced_tokens * c.cpu_piece_s, c.attempt_s - c.attempt_first_s
    if c.is_orphan:  # the call has gone without it
        cpu.give_pieces(g, c.worker, work_s, streamed_s, now_s)
    else:
        call = whole(g, c)
        call.pieces_s += work_s
        call.streamed_s += streamed_s


def held_back_s(s: Any, c: Any) -> float:
    """How much later the client sees the attempt's first content. Its pieces, one for each token, come at even distances."""
    streamed_s, more = c.attempt_s - c.attempt_first_s, c.produced_tokens - 1.0
    held_s = min(s.held_s, streamed_s)
    return min(held_s, streamed_s * s.most_held / more) if more > s.most_held else held_s
