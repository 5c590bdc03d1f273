"""The asyncio world: the model's own flow, on a real clock, over real upstreams.

The gateway's HTTP server supplies the Upstreams; the equivalence test supplies upstreams that play plans on a virtual clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol

from sim.data.schema import CANCELLED, REFUSED, TIMED_OUT
from sim.gateway.assembled import Gateway
from sim.gateway.request import NAN, Answer, Record, Request
from sim.policy.admission import Ticket
from sim.policy.hedge import Race
from sim.policy.router import TargetState


class Piece(NamedTuple):
    """Part of an answer: content ``tokens`` in it (0: a role chunk, a ping, the end), and what goes to the client."""

    tokens: int
    data: bytes


class Reply(Protocol):
    """An upstream answer whose status is known. Iterating raises ConnectionError if it breaks off.

    ``input_tokens`` and ``output_tokens`` are what will be billed so far, as the provider counts, final once the answer has ended.
    """

    status: int
    retry_after_s: float | None
    input_tokens: int
    output_tokens: int

    def __aiter__(self) -> AsyncIterator[Piece]: ...

    def take(self, request: Request) -> None:
        """In a race of two calls this one has won: whatever ``request`` keeps of its answer is this one's."""


class Upstream(Protocol):
    """One provider. Leaving the context early cancels the call."""

    def call(self, request: Request, record: Record, target: TargetState, key: int) -> AbstractAsyncContextManager[Reply]:
        """Raises ConnectionError (or a subclass of OSError) if the provider cannot be reached."""


class Delivery(Protocol):
    """The way to the client."""

    streams: bool

    async def send(self, request: Request, piece: Piece) -> None: ...


class AsyncioWorld:
    """A World over one gateway and its upstreams. ``t0_s`` is the loop time of the start of the run.

    ``attempts`` collects rows in the order of ``schema.ATTEMPT_COLUMNS`` without replication; ``keep`` bounds how many.
    """

    def __init__(
        self, gateway: Gateway, upstreams: dict[str, Upstream], delivery: Delivery, t0_s: float = 0.0, keep: int = 10_000_000
    ) -> None:
        self.gateway = gateway
        self.upstreams = upstreams
        self.delivery = delivery
        self.t0_s = t0_s
        self.keep = keep
        self.loop = asyncio.get_running_loop()
        self.attempts: list[tuple[Any, ...]] = []

    @property
    def now_s(self) -> float:
        return self.loop.time() - self.t0_s

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)

    async def work(self, cpu_s: float) -> None:
        """Nothing: a real gateway has been working all along."""

    async def wait(self, ticket: Ticket, timeout_s: float) -> None:
        ticket.waker = waker = self.loop.create_future()
        timer = self.loop.call_later(timeout_s, finish, waker) if timeout_s < float("inf") else None
        try:
            await waker
        finally:
            ticket.waker = None
            if timer is not None:
                timer.cancel()

    def wake(self, ticket: Ticket) -> None:
        if ticket.waker is not None:
            finish(ticket.waker)

    async def attempt(
        self, request: Request, record: Record, target: TargetState, key: int, first_token_timeout_s: float, deadline_s: float,
        race: Race | None, racer: int,
    ) -> Answer:  # fmt: skip
        started_s, number = self.now_s, record.attempts - 1
        status, first_token_s, retry_after_s, committed = CANCELLED, NAN, None, False
        reply: Reply | None = None
        held: list[Piece] = []
        duration_s = 0.0
        try:
            async with asyncio.timeout_at(self.at(min(started_s + first_token_timeout_s, deadline_s))) as limit:
                async with self.upstreams[target.provider].call(request, record, target, key) as reply:
                    if reply.status != 200:
                        status, retry_after_s = reply.status, reply.retry_after_s
                    else:
                        async for piece in reply:
                            if piece.tokens and first_token_s != first_token_s:
                                first_token_s = self.now_s - started_s
                                limit.reschedule(self.at(deadline_s))
                                committed = self.delivery.streams
                                if race is not None and committed:
                                    race.win(racer)
                                    reply.take(request)
                            if race is not None and race.leader != racer and self.delivery.streams:
                                held.append(piece)  # nothing of a call that may yet lose
                                continue
                            for each in (*held, piece):
                                await self.delivery.send(request, each)
                            held.clear()
                        status = 200
                        if race is not None:
                            race.win(racer)
                            reply.take(request)
        except TimeoutError:
            status = TIMED_OUT
        except OSError:
            status = REFUSED
        finally:
            duration_s = self.now_s - started_s
            inputs, outputs = (reply.input_tokens, reply.output_tokens) if reply is not None and reply.status == 200 else (0, 0)
            cost_usd = inputs * target.input_usd + outputs * target.output_usd
            record.cost_usd += cost_usd
            if len(self.attempts) < self.keep:
                self.attempts.append(
                    (request.index, number, target.index, key, request.prompt, -1, started_s, first_token_s, duration_s,
                     status, inputs, outputs, cost_usd)
                )  # fmt: skip
        return Answer(status, duration_s, first_token_s, outputs, retry_after_s, committed)

    async def race(
        self, race: Race, first: Coroutine[Any, Any, Answer], after_s: float, second: Callable[[], Coroutine[Any, Any, Answer] | None]
    ) -> Answer:
        answers: list[Answer] = []
        calls: list[asyncio.Task[None]] = []

        async def run(calling: Coroutine[Any, Any, Answer]) -> None:
            answers.append(await calling)

        def start(calling: Coroutine[Any, Any, Answer]) -> None:
            call = asyncio.ensure_future(run(calling))
            calls.append(call)
            race.cancel.append(call.cancel)

        try:
            start(first)
            await asyncio.wait(calls, timeout=after_s)
            if not calls[0].done() and not race.decided and (other := second()) is not None:
                start(other)
            await asyncio.wait(calls)
        finally:
            for call in calls:
                call.cancel()
        for call in calls:
            if not call.cancelled() and (failure := call.exception()) is not None:
                raise failure
        return answers[-1]

    def at(self, run_s: float) -> float | None:
        """Loop time of a time of the run; None for never."""
        return None if run_s == float("inf") else run_s + self.t0_s


def finish(waker: asyncio.Future[None]) -> None:
    if not waker.done():
        waker.set_result(None)
