"""The SimPy world: the flow in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Iterator
from types import coroutine
from typing import Any

from sim.coroutines import CoroutineEnvironment, Life, park, pause
from sim.data.schema import ATTEMPTS, CANCELLED, TIMED_OUT
from sim.engine.invariants import Level
from sim.engine.row_log import RequestLog, RowLog
from sim.flow import serve
from sim.gateway.assembled import INFINITY, Gateway
from sim.gateway.request import NAN, Answer, Record, Request, request_prefixes
from sim.policy.admission import Ticket
from sim.policy.hedge import Race
from sim.policy.router import TargetState
from sim.provider.behaviour import Plan, ProviderState, produced_tokens
from sim.provider.processor_sharing import SharedServer, advance, mark, next_in_s, reached
from sim.scenario.model import Client


async def only_pause(delay_s: float) -> None:
    await pause(delay_s)


def once(call: Callable[[], None]) -> Callable[[], None]:
    """``call``, but only the first time."""
    calls = iter([call])
    return lambda: next(calls, lambda: None)()


class SimPyWorld(CoroutineEnvironment):
    """A World in virtual time, over one gateway and the scenario's providers.

    ``inside`` counts requests in and out, ``requests`` and ``attempts`` collect rows (``sim.engine.row_log``).
    """

    def __init__(self, gateway: Gateway, providers: dict[str, ProviderState], workers: int, client: Client) -> None:
        super().__init__()
        self.gateway = gateway
        self.providers = providers
        self.client_timeout_s = INFINITY if client.timeout is None else client.timeout
        self.streams = client.stream
        self.cancels = gateway.config.cancel_on_disconnect
        self.worker_free_s = [0.0] * workers
        self.turn_of_worker = 0
        self.inside = Level()
        self.alarms: dict[SharedServer, Ticket] = {}
        self.requests = RequestLog()
        self.attempts = RowLog(ATTEMPTS)

    # ---- what the flow asks for
    def sleep(self, delay_s: float) -> Any:
        return pause(delay_s)

    def work(self, cpu_s: float) -> Any:
        """Workers are first-come-first-served CPUs, and connections are spread over them in turn."""
        worker = self.turn_of_worker
        self.turn_of_worker = worker + 1 if worker + 1 < len(self.worker_free_s) else 0
        now_s = self.now_s
        free_s = self.worker_free_s[worker]
        done_s = self.worker_free_s[worker] = (free_s if free_s > now_s else now_s) + cpu_s
        return pause(done_s - now_s)

    def wait(self, ticket: Ticket, timeout_s: float) -> Any:
        return park(self, ticket, timeout_s)

    @coroutine
    def attempt(
        self, request: Request, record: Record, target: TargetState, key: int, first_token_timeout_s: float, deadline_s: float,
        race: Race | None, racer: int,
    ) -> Generator[Any, Any, Answer]:  # fmt: skip
        provider = self.providers[target.provider]
        started_s, tokens = self.now_s, record.context_tokens
        number = record.attempts - 1
        prefixes = request_prefixes(request, tokens) if provider.caches else ()
        plan = provider.begin(started_s, target.model, key, request.prompt, tokens, request.output_tokens, prefixes)
        status, ends_s = plan.final_status, plan.duration_s
        if plan.first_token_s > first_token_timeout_s:
            status, ends_s = TIMED_OUT, first_token_timeout_s
        if started_s + ends_s > deadline_s:
            status, ends_s = TIMED_OUT, deadline_s - started_s
        answer = None
        try:
            if plan.shared is not None:
                status, ends_s = yield from self.share(plan.shared, plan, first_token_timeout_s, deadline_s, race, racer)
            elif race is None:
                yield ends_s
            else:
                yield from self.run_race(race, racer, plan, ends_s)
            answer = self.end_attempt(request, record, target, key, number, plan, started_s, status, ends_s)
        finally:
            if answer is None:
                self.end_attempt(request, record, target, key, number, plan, started_s, CANCELLED, self.now_s - started_s)
        return answer

    def end_attempt(
        self, request: Request, record: Record, target: TargetState, key: int, number: int, plan: Plan, started_s: float, status: int,
        ends_s: float,
    ) -> Answer:  # fmt: skip
        """Give the place at the provider back, bill what was produced, and write the row."""
        self.providers[target.provider].finish(plan, self.now_s)
        if plan.shared is not None:
            self.change(plan.shared)
        content, first_token_s, billed, produced, cost_usd = False, NAN, 0, 0, 0.0
        if plan.status == 200:
            content = plan.first_token_s <= ends_s
            if content:
                first_token_s = plan.first_token_s
            produced = plan.output_tokens if ends_s >= plan.duration_s else plan.produced(ends_s)
            billed = 0 if plan.hang else plan.input_tokens
            cost_usd = billed * target.input_usd + produced * target.output_usd
            if plan.cached_tokens:
                cost_usd -= plan.cached_tokens * target.cached_saving_usd
            record.cost_usd += cost_usd
        attempts = self.attempts
        attempts.rows += attempts.pack(
            request.index, 0, number, target.index, key, request.prompt, plan.occurrence, started_s, first_token_s, ends_s,
            status, billed, produced, cost_usd,
        )  # fmt: skip
        return Answer(status, ends_s, first_token_s, produced, plan.retry_after_s, content and self.streams)

    async def share(
        self, server: SharedServer, plan: Plan, first_token_timeout_s: float, deadline_s: float, race: Race | None, racer: int
    ) -> tuple[int, float]:
        """(status, seconds) of an attempt on a shared server. What the plan says in work becomes the times that came true."""
        started_s, started_work_s = self.now_s, server.work_s
        first_s, whole_s = plan.first_token_s, plan.duration_s
        plan.duration_s = INFINITY
        try:
            if not await self.worked(server, first_s, min(first_token_timeout_s, deadline_s - started_s)):
                return TIMED_OUT, self.now_s - started_s
            plan.first_token_s = self.now_s - started_s
            if race is not None and self.streams:
                race.win(racer)
            rest_s = max(0.0, deadline_s - self.now_s)  # the first token may have come at the deadline, give or take a rounding
            if whole_s > first_s and not await self.worked(server, started_work_s + whole_s - server.work_s, rest_s):
                return TIMED_OUT, self.now_s - started_s
            plan.duration_s = self.now_s - started_s
            if race is not None and plan.final_status == 200:
                race.win(racer)
            return plan.final_status, plan.duration_s
        finally:
            if plan.duration_s == INFINITY:  # cut
                advance(server, self.now_s)
                done_s, plan.duration_s = server.work_s - started_work_s, self.now_s - started_s
                plan.output_tokens = produced_tokens(done_s, first_s, plan.per_token_s, whole_s, plan.output_tokens)
                if done_s < first_s:
                    plan.first_token_s = plan.duration_s + first_s - done_s

    async def worked(self, server: SharedServer, work_s: float, timeout_s: float) -> bool:
        """Wait until the server has done so much for each of its requests. False if time was up before."""
        ticket = Ticket()
        mark(server, work_s, ticket)
        self.change(server)
        try:
            await self.wait(ticket, timeout_s)
        finally:
            ticket.left = not ticket.granted
        return ticket.granted

    def change(self, server: SharedServer) -> None:
        """Somebody came, went, or waits for another mark: the server's next one is due at another time."""
        if server not in self.alarms:
            self.alarms[server] = Ticket()
            self.start(Life(self.keep_time(server)))
        else:
            self.alarms[server].granted = True
            self.wake(self.alarms[server])

    async def keep_time(self, server: SharedServer) -> None:
        while True:
            alarm = self.alarms[server] = Ticket()
            await self.wait(alarm, next_in_s(server))
            if not alarm.granted:
                for ticket in reached(server, self.now_s):
                    ticket.granted = True
                    self.wake(ticket)

    async def run_race(self, race: Race, racer: int, plan: Plan, ends_s: float) -> None:
        """The time of an attempt in a race, which it wins with its first streamed content or its whole answer."""
        shows_s = plan.first_token_s if self.streams else plan.duration_s
        if shows_s > ends_s or plan.status != 200 or not (self.streams or plan.final_status == 200):
            await pause(ends_s)
            return
        await pause(shows_s)
        race.win(racer)
        if ends_s > shows_s:
            await pause(ends_s - shows_s)

    async def race(
        self, race: Race, first: Coroutine[Any, Any, Answer], after_s: float, second: Callable[[], Coroutine[Any, Any, Answer] | None]
    ) -> Answer:
        ended = Ticket()
        answers: list[Answer] = []
        lives: list[Life] = []

        async def run(calling: Coroutine[Any, Any, Answer]) -> None:
            answers.append(await calling)
            ended.granted = race.decided or len(answers) == len(lives)
            if ended.granted:
                self.wake(ended)

        def start(calling: Coroutine[Any, Any, Answer]) -> None:
            life = Life(run(calling))
            lives.append(life)
            race.cancel.append(life.cancel)
            self.start(life)

        try:
            start(first)
            if not ended.granted:
                await self.wait(ended, after_s)
            if not ended.granted and not race.decided and (other := second()) is not None:
                start(other)
            while not ended.granted:
                await self.wait(ended, INFINITY)
        finally:
            for life in lives:
                life.cancel()
        return answers[-1]

    # ---- clients
    def arrive(self, request: Request, on_end: Callable[[], None] | None = None) -> None:
        """A client sends ``request`` now; ``on_end`` is called when it has its answer, or has left."""
        if self.cancels or on_end is None or self.client_timeout_s == INFINITY:
            self.start(Visit(self, request, self.now_s + self.client_timeout_s if self.cancels else INFINITY, on_end))
            return
        first_end = once(on_end)  # the gateway works on for a client that has left
        self.start(Visit(self, request, INFINITY, first_end))
        self.start(Life(only_pause(self.client_timeout_s), INFINITY, first_end))

    def play(self, requests: Iterator[Request]) -> Iterator[float]:
        """An open-loop stream of requests, each sent at its own time, for ``run_dry``."""
        patience_s = self.client_timeout_s if self.cancels else INFINITY
        for request in requests:
            yield request.arrival_s - self.now_s
            self.resume(Visit(self, request, self.now_s + patience_s, None))


class Visit(Life):
    """A request inside the gateway, from its arrival to its row."""

    __slots__ = ("record", "request", "world")

    def __init__(self, world: SimPyWorld, request: Request, leaves_s: float, on_end: Callable[[], None] | None) -> None:
        now_s = world.now_s
        self.world = world
        self.request = request
        self.record = record = Record(now_s)
        world.inside.enter(now_s)
        super().__init__(serve(request, record, world.gateway, world), leaves_s, on_end)

    def ended(self) -> None:
        world = self.world
        world.inside.leave(world.now_s)
        world.requests.add(self.request, self.record, world.now_s)
        if self.on_end is not None:
            self.on_end()
