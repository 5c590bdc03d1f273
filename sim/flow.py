"""The gateway's request path, written once. A World supplies time, waiting and upstream attempts; the policies decide.

    limits -> session and context -> exact cache -> admission -> routing, breaker, attempts, retries -> fallback

The SimPy world runs these lines in virtual time, the asyncio world runs them inside the reference gateway. A client that leaves
closes the coroutine wherever it waits, so ``finally`` blocks never wait themselves.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from sim.data.schema import TIMED_OUT, Outcome
from sim.gateway.assembled import Gateway
from sim.gateway.request import Answer, Record, Request
from sim.policy.admission import Ticket, enter, leave
from sim.policy.breaker import release
from sim.policy.cache import FRESH, MISS, look_up, store
from sim.policy.context import context_tokens
from sim.policy.hedge import HedgeState, Race
from sim.policy.retry import backoff_s, deposit, deserves_retry, withdraw
from sim.policy.router import TargetState, observe_latency
from sim.policy.session import resume
from sim.stochastics.random_streams import Purpose, uniform

OK, CACHE_HIT, FALLBACK, REJECTED, RATE_LIMITED, TIMEOUT, ERROR, ABANDONED = Outcome


class World(Protocol):
    """What the flow needs from wherever it runs."""

    @property
    def now_s(self) -> float:
        """Seconds since the start of the run."""

    async def sleep(self, delay_s: float) -> None: ...

    async def work(self, cpu_s: float) -> None:
        """Use the gateway's own CPU; the model waits its turn, a real gateway simply works."""

    async def wait(self, ticket: Ticket, timeout_s: float) -> None:
        """Until the ticket is granted and woken, or time is up."""

    def wake(self, ticket: Ticket) -> None: ...

    def attempt(
        self, request: Request, record: Record, target: TargetState, key: int, first_token_timeout_s: float, deadline_s: float,
        race: Race | None, racer: int,
    ) -> Awaitable[Answer]:  # fmt: skip
        """One upstream call. Cut (TIMED_OUT) without a first token in time, or at the deadline. Bills what was produced.

        In a ``race`` it wins (``race.win``) with the first content that it shows to the client, or with a whole answer.
        """

    async def race(
        self, race: Race, first: Coroutine[Any, Any, Answer], after_s: float, second: Callable[[], Coroutine[Any, Any, Answer] | None]
    ) -> Answer:
        """The winner's answer. ``second()`` is asked after ``after_s``, unless the first has won or ended by then.

        A racer that fails leaves the race to the other; if both fail the later failure counts. Closed, it closes both.
        """


async def serve(request: Request, record: Record, gateway: Gateway, world: World) -> None:
    """Serve one request; ``record.outcome`` says how it ended."""
    now_s = record.arrived_s
    tokens = request.input_tokens + request.output_tokens
    if (gateway.per_user is not None and not gateway.per_user.admits(request.user, now_s, tokens)) or (
        gateway.overall is not None and not gateway.overall.admits(0, now_s, tokens)
    ):
        record.outcome = RATE_LIMITED
        return
    if request.cpu_s > 0.0:
        await world.work(request.cpu_s)
        record.cpu_s = world.now_s - now_s
    if request.lookup_s > 0.0:
        await world.sleep(request.lookup_s)
    record.context_tokens = request.input_tokens + recall(request, gateway, world.now_s)

    deadline_s = now_s + gateway.total_timeout_s
    if world.now_s >= deadline_s:
        outcome = TIMEOUT
    elif gateway.cache is None or record.context_tokens > request.input_tokens:
        outcome = await through_queue(request, record, gateway, world, deadline_s)
    else:
        outcome = await through_cache(request, record, gateway, world, deadline_s)
    if (outcome is ERROR or outcome is TIMEOUT) and not record.committed:
        outcome = degrade(request, gateway, world.now_s, outcome)
    record.outcome = outcome


def recall(request: Request, gateway: Gateway, now_s: float) -> int:
    """Tokens of the conversation that go along: what the session remembers of it, cut down by the context policy."""
    history = request.history
    if gateway.sessions is not None:
        first_turn = resume(gateway.sessions, request.conversation, request.turn, now_s)
        if first_turn > 0 and history:
            history = history[first_turn:]
    return context_tokens(gateway.context, history) if history else 0


async def through_cache(request: Request, record: Record, gateway: Gateway, world: World, deadline_s: float) -> Outcome:
    """From the cache if it has the answer; otherwise ask, or wait for whoever asks the same already."""
    cache, key = gateway.cache, request.prompt
    assert cache is not None
    while look_up(cache, key, world.now_s) != FRESH:
        flight = cache.flights.get(key) if cache.single_flight else None
        if flight is None:
            flight = cache.flights[key] = []
            try:
                outcome = await through_queue(request, record, gateway, world, deadline_s)
                if outcome is OK:
                    store(cache, key, world.now_s)
                return outcome
            finally:
                if cache.flights.get(key) is flight:
                    del cache.flights[key]
                for ticket in flight:
                    ticket.granted = True
                    world.wake(ticket)
        ticket = Ticket()
        flight.append(ticket)
        since_s = world.now_s
        await world.wait(ticket, deadline_s - since_s)
        record.coalesced_s += world.now_s - since_s
        if not ticket.granted or world.now_s >= deadline_s:
            return TIMEOUT
    return CACHE_HIT


async def through_queue(request: Request, record: Record, gateway: Gateway, world: World, deadline_s: float) -> Outcome:
    """Into service, at once or in turn, and out again."""
    admission = gateway.admission
    if admission is None:
        return await ask(request, record, gateway, world, deadline_s)
    since_s = world.now_s
    ticket = enter(admission, since_s, request.priority)
    if ticket is None:
        return REJECTED
    try:
        if not ticket.granted:
            limit_s = min(admission.timeout_s, deadline_s - since_s)
            try:
                await world.wait(ticket, min(limit_s, request.patience_s))
            finally:
                record.queue_wait_s = world.now_s - since_s
            if not ticket.granted:
                return ABANDONED if request.patience_s < limit_s else TIMEOUT if limit_s < admission.timeout_s else REJECTED
        return await ask(request, record, gateway, world, deadline_s)
    finally:
        following = leave(admission, ticket, world.now_s)
        if following is not None:
            world.wake(following)


async def ask(request: Request, record: Record, gateway: Gateway, world: World, deadline_s: float) -> Outcome:
    """Attempts, retries on the same target, then the next provider, until one answers or all is tried."""
    if world.now_s >= deadline_s:  # its turn came too late
        return TIMEOUT
    if gateway.budget is not None:
        deposit(gateway.budget)
    outcome = ERROR
    previous: TargetState | None = None
    given_up = 0  # bits of the targets that deserve no further attempt
    retry, pause_s, retry_after_s = 0, 0.0, None
    for target in gateway.itinerary(request, world.now_s):
        this = 1 << target.index
        if given_up & this or not gateway.permits(target, world.now_s):
            continue
        if previous is not None and (target is previous or gateway.retry.to == "next"):
            if gateway.budget is not None and not withdraw(gateway.budget):
                given_up |= this
                continue
            pause_s = backoff_s(gateway.backoff, retry, pause_s, uniform(gateway.seed, Purpose.RETRY_JITTER, request.index, retry))
            if retry_after_s is not None and target is previous and gateway.retry.honor_retry_after:
                pause_s = max(pause_s, retry_after_s)
            if world.now_s + pause_s >= deadline_s:
                given_up |= this
                continue
            retry += 1
            await world.sleep(pause_s)
            record.backoff_s += pause_s
        if not gateway.allows(target, world.now_s):
            continue
        if gateway.hedge is None:
            answer = await attempt(request, record, target, gateway, world, deadline_s)
        else:
            answer = await hedged(request, record, target, gateway, gateway.hedge, world, deadline_s)
        if answer.status == 200:
            return OK
        outcome = TIMEOUT if answer.status == TIMED_OUT else ERROR
        if answer.committed or world.now_s >= deadline_s:
            return outcome
        if not deserves_retry(answer.status):
            if not gateway.next_provider:
                return outcome
            given_up |= this
        previous, retry_after_s = target, answer.retry_after_s
    return outcome


async def hedged(
    request: Request, record: Record, target: TargetState, gateway: Gateway, hedge: HedgeState, world: World, deadline_s: float
) -> Answer:
    """A call, and if it has nothing to show after a while a second one beside it: the first with an answer wins."""
    deposit(hedge.budget)
    race, since_s, failed_s = Race(), world.now_s, record.failed_s

    def second() -> Coroutine[Any, Any, Answer] | None:
        spare = gateway.hedge_target(request, target, world.now_s)
        return None if spare is None else attempt(request, record, spare, gateway, world, deadline_s, race, 1)

    answer = await world.race(race, attempt(request, record, target, gateway, world, deadline_s, race, 0), hedge.after_s, second)
    # Calls that ran side by side count once: the wait for the second one belongs to the first token, or to the failure of both.
    elapsed_s = world.now_s - since_s
    if answer.status == 200:
        record.failed_s, record.first_token_s = failed_s, elapsed_s - record.generation_s
    else:
        record.failed_s = failed_s + elapsed_s
    return answer


async def attempt(
    request: Request, record: Record, target: TargetState, gateway: Gateway, world: World, deadline_s: float,
    race: Race | None = None, racer: int = 0,
) -> Answer:  # fmt: skip
    """One call to one target, and what its result says about the target's health."""
    key = target.next_key
    target.next_key = key + 1 if key + 1 < target.keys else 0
    started_s = world.now_s
    target.in_flight += 1
    record.attempts += 1
    record.target = target.index
    answer = None
    try:
        answer = await world.attempt(request, record, target, key, gateway.first_token_timeout_s, deadline_s, race, racer)
    finally:
        target.in_flight -= 1
        if answer is None and target.breaker is not None:
            release(target.breaker)
    if answer.status == 200:
        record.target = target.index
        record.first_token_s = answer.first_token_s
        record.generation_s = answer.duration_s - answer.first_token_s
        record.output_tokens = answer.output_tokens
        observe_latency(target, answer.duration_s)
    else:
        record.failed_s += answer.duration_s
    if answer.committed:
        record.committed = True
        record.first_content_s = started_s + answer.first_token_s
    elif answer.status == 200:
        record.first_content_s = world.now_s
    if target.breaker is not None:
        if answer.status == 200 or answer.status >= 500 or answer.status <= 0:
            gateway.record_result(target, world.now_s, answer.status != 200, answer.duration_s)
        else:
            release(target.breaker)  # a 4xx says nothing about the provider's health
    return answer


def degrade(request: Request, gateway: Gateway, now_s: float, outcome: Outcome) -> Outcome:
    """When no provider answered: a stale answer, a canned one, or the failure as it is."""
    for step in gateway.degrade_to:
        if step == "canned":
            return FALLBACK
        if gateway.cache is not None and look_up(gateway.cache, request.prompt, now_s) != MISS:
            return FALLBACK
    return outcome
