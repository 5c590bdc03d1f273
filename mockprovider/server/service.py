"""One provider on the wire: a request becomes a plan, the plan becomes bytes at their deadlines, and a row of truth."""

from __future__ import annotations

import asyncio
from time import monotonic, time
from typing import Any
from urllib.parse import parse_qsl

import orjson
from aiohttp import web

from mockprovider.delivery import http_bytes
from mockprovider.delivery.clock import Deadlines
from mockprovider.delivery.playback import End, Playback
from mockprovider.delivery.script import perform, reusable
from mockprovider.delivery.shared_playback import Pace, SharedPlayback
from mockprovider.dialects.base import Answer, Call, Dialect, Refusal
from mockprovider.evidence.certificate import Certificate
from mockprovider.evidence.metrics import Gauges, Metrics
from mockprovider.evidence.truth_log import TruthLog
from mockprovider.server.connection import BODY_BYTES, CLOSE, KEEP, Connection, Sent, TooLarge, TooSlow, Unreadable, read_body
from mockprovider.server.identity import Identifier
from mockprovider.server.quotas import quotas
from mockprovider.server.routes import FAMILIES, Route, clean
from sim.gateway.contents import Contents
from sim.provider.behaviour import Plan, ProviderState
from sim.provider.fault_timeline import Ending
from sim.scenario.model import Fault, Scenario
from sim.stochastics.random_streams import MASK, mix

INJECTED = 1 << 32
"""Faults from here on came through the control API, not from the scenario."""


class Service:
    """``handle`` answers one HTTP request of the provider's own API."""

    def __init__(self, scenario: Scenario, provider: str, seed: int, scale: float, loop: asyncio.AbstractEventLoop) -> None:
        self.scenario, self.provider, self.seed, self.scale = scenario, provider, seed, scale
        self.config = scenario.providers[provider]
        self.family = FAMILIES[self.config.dialect]
        self.models = {name: number for number, name in enumerate(self.config.models)}
        self.keys = {f"sk-mock-{provider}-{n}": n for n in range(self.config.keys)}
        self.identifier = Identifier(scenario, seed)
        self.deadlines = Deadlines(loop)
        self.certificate = Certificate(loop, self.deadlines)
        self.truth = TruthLog()
        self.loop = loop
        self.serving = 0
        self.refused = 0
        self.start(monotonic())

    def start(self, t0_s: float) -> None:
        """A run begins at ``t0_s`` on the monotonic clock: fresh limits and counts, an empty truth log, a new certificate."""
        self.t0_s = t0_s
        self.state = ProviderState(self.scenario, self.provider, self.seed)
        self.contents = Contents(self.scenario, self.seed)
        self.pace = Pace(self.state, self.deadlines, t0_s)
        self.metrics = Metrics(self.provider, self.gauges(), lambda: self.certificate.ledger.tokens)
        self.injected = 0
        self.truth.clear()
        self.certificate.restart()

    def gauges(self) -> Gauges:
        return {
            "serving": ("Requests being answered.", lambda: self.serving),
            "refused": ("Requests refused before any model saw them: bad keys, paths, bodies.", lambda: self.refused),
            "loop_stalls": ("Times the event loop stood still.", lambda: self.certificate.stalls),
        }

    def inject(self, fault: Fault) -> None:
        """Add a fault to the running state. It is forgotten when a run starts."""
        self.injected += 1
        self.state.inject(INJECTED + self.injected, fault)

    def heal(self) -> int:
        """Take back what was injected: how many faults that were."""
        return self.state.heal(INJECTED)

    def start_at(self, unix_s: float) -> None:
        self.start(monotonic() + unix_s - time())

    async def handle(self, request: web.BaseRequest) -> Sent:
        found = self.family.find(request.method, request.path)
        try:
            if isinstance(found, Refusal):
                raise found
            key = self.authorize(request)
            route, place = found
            if route.answers is None:
                return self.listing(request, route, place)
            body = await self.read(request)
            place = dict(parse_qsl(request.rel_url.raw_query_string)) | place
            call = route.answers.parse(body, place)
            if call.model not in self.models:
                raise self.family.unknown_model(clean(call.model))
        except Refusal as refusal:
            return self.refuse(request, refusal)
        if route.serves == "count":
            return write(request, http_bytes.whole(200, [], orjson.dumps({"input_tokens": self.identifier.read(call)[1]})))
        return await self.answer(request, route.answers, call, key)

    def authorize(self, request: web.BaseRequest) -> int:
        """The number of the request's key. Raises Refusal."""
        given = None
        for name in self.family.key_headers:
            given = request.headers.get(name)
            if given:
                break
        if not given and self.family.key_query is not None:
            given = request.rel_url.query.get(self.family.key_query)
        if not given:
            raise self.family.no_key
        key = self.keys.get(given[7:].strip() if given[:7].lower() == "bearer " else given.strip())
        if key is None:
            raise self.family.bad_key
        return key

    async def read(self, request: web.BaseRequest) -> dict[str, Any]:
        """The request's JSON object. Raises Refusal."""
        if request.headers.get("expect", "").lower() == "100-continue" and request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            body = orjson.loads(await read_body(request))
        except TooLarge:
            raise Refusal(413, f"Request body is larger than {BODY_BYTES} bytes.") from None
        except TooSlow:
            raise Refusal(408, "The request body did not arrive in time.") from None
        except Unreadable:
            raise Refusal(400, "The request body could not be read.") from None
        except (orjson.JSONDecodeError, RecursionError) as error:
            raise Refusal(400, f"We could not parse the JSON body of your request: {error}.") from None
        if not isinstance(body, dict):
            raise Refusal(400, "The JSON body of your request must be an object.")
        return body

    def refuse(self, request: web.BaseRequest, refusal: Refusal) -> Sent:
        self.refused += 1
        headers, body = self.family.errors.refusal(refusal, mix((self.seed + self.refused) & MASK))
        unread = not request.content.is_eof()
        return write(request, http_bytes.whole(refusal.status, headers, body, keep_alive=not unread), KEEP if not unread else CLOSE)

    def word_error(self, status: int, message: str) -> tuple[http_bytes.Headers, bytes]:
        return self.family.errors.refusal(Refusal(status, message), self.seed)

    def listing(self, request: web.BaseRequest, route: Route, place: dict[str, str]) -> Sent:
        if route.serves == "models":
            return write(request, http_bytes.whole(200, [], orjson.dumps(self.family.list_models(list(self.models)))))
        if place["model"] not in self.models:
            return self.refuse(request, self.family.unknown_model(clean(place["model"])))
        return write(request, http_bytes.whole(200, [], orjson.dumps(self.family.describe_model(place["model"]))))

    async def answer(self, request: web.BaseRequest, dialect: Dialect, call: Call, key: int) -> Sent:
        protocol: Connection = request.protocol  # type: ignore[assignment]
        transport = request.transport
        if transport is None:
            return CLOSE
        arrived_s = protocol.received_s
        prompt, input_tokens, wanted = self.identifier.read(call)
        tokens = wanted if call.most_tokens is None else min(wanted, call.most_tokens)
        state, pace = self.state, self.pace
        prefixes = self.identifier.prefixes(call) if state.has_prompt_cache else ()
        call.texts = []  # a long prompt need not stay in memory as long as its answer takes
        plan = state.begin(arrived_s - pace.t0_s, call.model, key, prompt, input_tokens, tokens, prefixes)
        playback = self.playback(transport, pace, plan, arrived_s)
        end = End.CLIENT_LEFT
        self.serving += 1
        try:
            perform(playback, arrived_s, plan, self.describe(call, plan, tokens < wanted), dialect, self.family.errors)
            pace.retime()
            end = await playback.done
            return KEEP if reusable(end, call.stream) else CLOSE
        finally:
            ended_s = monotonic()
            self.serving -= 1
            if end is End.CLIENT_LEFT:
                end = how_it_ended(plan, playback)
            produced = produced_by(plan, playback, end, call.stream, ended_s - arrived_s)
            pace.finish(plan, ended_s)
            self.record(request, call, plan, playback, end, produced, arrived_s, ended_s)

    def playback(self, transport: asyncio.Transport, pace: Pace, plan: Plan, arrived_s: float) -> Playback:
        done: asyncio.Future[End] = self.loop.create_future()
        if plan.shared is None:
            return Playback(self.deadlines, transport, self.certificate.ledger, done)
        playback = SharedPlayback(self.deadlines, transport, self.certificate.ledger, done)
        playback.enter(pace, plan, plan.shared, arrived_s)
        return playback

    def describe(self, call: Call, plan: Plan, cut_at_limit: bool) -> Answer:
        """The answer in no dialect, with the key's quotas as they stand after this attempt."""
        visit = mix((plan.prompt * 0x9E37_79B9_7F4A_7C15 + plan.occurrence) & MASK)
        requests, tokens, input_tokens, output_tokens = quotas(self.state.limits(plan.key), monotonic() - self.t0_s)
        return Answer(
            call, mix((self.seed ^ visit ^ (self.models[call.model] << 48)) & MASK), plan.input_tokens, plan.cached_tokens,
            plan.output_tokens, cut_at_limit, plan.duration_s, requests, tokens, input_tokens, output_tokens,
            version=self.contents.version(plan.prompt, monotonic() - self.t0_s + plan.duration_s),
            filtered=plan.ending is Ending.FILTERED, context=self.state.windows.get(call.model, 0), written_tokens=self.written(plan),
        )  # fmt: skip

    def written(self, plan: Plan) -> int:
        """Input tokens that went into the prompt cache: Anthropic bills them apart."""
        cache = self.config.prompt_cache
        if cache is None or plan.status != 200 or plan.input_tokens < cache.minimum:
            return 0
        return plan.input_tokens // cache.step * cache.step - plan.cached_tokens

    def record(
        self,
        request: web.BaseRequest,
        call: Call,
        plan: Plan,
        playback: Playback,
        end: End,
        produced: int,
        arrived_s: float,
        ended_s: float,
    ) -> None:
        self.metrics.count(call.model, plan.status, end, plan.refused_by, plan.input_tokens, plan.cached_tokens, produced)
        self.truth.add(
            number_in(request, "x-tenfold-request"),
            plan.prompt,
            plan.occurrence,
            self.models[call.model],
            plan.key,
            plan.status,
            plan.plan_refused_by,
            end,
            call.stream,
            number_in(request, "x-stainless-retry-count"),
            plan.input_tokens,
            plan.cached_tokens,
            produced,
            arrived_s - self.t0_s,
            first_write_s(plan, playback, call.stream, arrived_s, ended_s),
            plan.per_token_s,
            ended_s - arrived_s,
            playback.first_late_s,
            playback.last_late_s,
            playback.most_late_s,
        )

    def close(self) -> None:
        self.deadlines.close()
        self.truth.close()


def how_it_ended(plan: Plan, playback: Playback) -> End:
    """Why the connection is gone: our own doing, a silence of ours that the client lost patience with, or the client alone."""
    if playback.done.done() and not playback.done.cancelled():
        return playback.done.result()
    if plan.hang:
        return End.HANG
    return End.STALLED if plan.ending is Ending.STALLED else End.CLIENT_LEFT


def produced_by(plan: Plan, playback: Playback, end: End, streamed: bool, elapsed_s: float) -> int:
    """Output tokens that came to be, and are billed."""
    if end in (End.CLIENT_LEFT, End.STALLED):
        return playback.produced(plan, elapsed_s)
    return playback.written if streamed or plan.status != 200 else plan.output_tokens


def first_write_s(plan: Plan, playback: Playback, streamed: bool, arrived_s: float, ended_s: float) -> float:
    """When, after its arrival, the first token or the whole answer was due; beyond the end if a shared server never got so far."""
    if plan.shared is None:
        return plan.first_token_s if streamed or plan.status != 200 else plan.duration_s
    due_s = playback.first_due_s
    return due_s - arrived_s if due_s is not None else ended_s - arrived_s + plan.first_token_s


def number_in(request: web.BaseRequest, header: str) -> int:
    """A small integer that a caller sent along, -1 without one."""
    text = request.headers.get(header)
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 16 else -1


def write(request: web.BaseRequest, data: bytes, then: Sent = KEEP) -> Sent:
    if request.transport is not None:
        request.transport.write(data)
    return then
