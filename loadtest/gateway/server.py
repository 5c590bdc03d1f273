"""The reference gateway's HTTP side: OpenAI chat completions in front, the shared flow inside, any provider behind."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from loadtest.gateway.answers import CANNED, REFUSALS, Answer, BodyStore, error_body
from loadtest.gateway.delivery import Sink, StreamingDelivery, WholeDelivery
from loadtest.gateway.log import MAX_ROWS, RequestLog, Timeline, archive
from loadtest.gateway.metrics import Metrics
from loadtest.gateway.parsing import BadRequest, ChatRequest, decode, parse
from loadtest.gateway.upstream import HttpUpstream, keys_of, upstream_session
from loadtest.gateway.world import AsyncioWorld, Upstream
from sim.data.schema import Outcome
from sim.flow import serve
from sim.gateway.assembled import Gateway
from sim.gateway.request import Record
from sim.scenario.model import Capability, Scenario
from sim.stochastics.distributions import inverse
from sim.stochastics.random_streams import Purpose, uniforms

MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_HEADER_BYTES = 16 * 1024
UNMARKED = 2**40  # requests whose client gave them no number are counted from here
SHUTDOWN_S = 10.0
JSON = "application/json"
log = logging.getLogger("tenfold.gateway")


def patience_by_index(scenario: Scenario) -> Callable[[int], float] | None:
    """How long the client of request number ``index`` waits in the queue: the model's own draw. None if all wait for ever."""
    if scenario.workload.client.patience is None:
        return None
    law = inverse(scenario.workload.client.patience)
    return lambda index: float(law(uniforms(scenario.seed, Purpose.PATIENCE, np.array([index])))[0])


class GatewayServer:
    """One scenario's gateway. ``upstreams``: base URL by provider. Times count from ``t0`` (unix), at first the start of the process."""

    def __init__(self, scenario: Scenario, sha256: str, upstreams: dict[str, str]) -> None:
        missing = [name for name in scenario.providers if name not in upstreams]
        if missing:
            raise ValueError(f"no upstream URL for {', '.join(missing)}")
        if unknown := [name for name in upstreams if name not in scenario.providers]:
            raise ValueError(f"the scenario has no provider {', '.join(unknown)}; its providers are {', '.join(scenario.providers)}")
        self.scenario = scenario
        self.sha256 = sha256
        self.urls = upstreams
        self.gateway = Gateway(scenario, scenario.seed)
        self.cancels = scenario.gateway.cancel_on_disconnect
        self.patience = patience_by_index(scenario)
        self.capabilities = frozenset(scenario.gateway.routing.capabilities if isinstance(scenario.gateway.routing, Capability) else ())
        self.bodies = BodyStore(self.gateway.cache)
        self.log = RequestLog()
        self.timeline = Timeline(self.gateway, scenario.workload.duration)
        self.metrics = Metrics(self.timeline.look)
        self.number = UNMARKED
        self.t0 = time.time()
        self.running: set[asyncio.Task[web.StreamResponse]] = set()
        self.sampler: asyncio.Task[None] | None = None

    def application(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[plain_errors])
        app.cleanup_ctx.append(self._lifetime)
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_get("/v1/models", self.models)
        app.router.add_get("/healthz", self.health)
        app.router.add_get("/metrics", self.expose)
        app.router.add_post("/_tenfold/t0", self.set_t0)
        app.router.add_get("/_tenfold/log", self.dump)
        app.router.add_get("/_tenfold/usage", self.usage)
        return app

    async def _lifetime(self, _: web.Application) -> Any:
        async with upstream_session() as session:
            upstreams: dict[str, Upstream] = {
                name: HttpUpstream(session, self.gateway, self.urls[name], provider.dialect, keys_of(name, provider.keys))
                for name, provider in self.scenario.providers.items()
            }
            # Whether an answer is committed by its first byte depends on how its client wants it: two worlds over the same gateway.
            self.streaming = AsyncioWorld(self.gateway, upstreams, StreamingDelivery(), keep=MAX_ROWS)
            self.whole = AsyncioWorld(self.gateway, upstreams, WholeDelivery(), keep=MAX_ROWS)
            self.start_clock(time.time())
            yield
            if self.sampler is not None:
                self.sampler.cancel()
            if self.running:
                await asyncio.wait(self.running, timeout=SHUTDOWN_S)

    def start_clock(self, t0: float) -> None:
        self.t0 = t0
        loop = asyncio.get_running_loop()
        self.streaming.t0_s = self.whole.t0_s = loop.time() + t0 - time.time()
        self.timeline.samples.clear()
        if self.sampler is not None:
            self.sampler.cancel()
        self.sampler = asyncio.create_task(self.timeline.run(self.whole))

    # ---- chat
    async def chat(self, http: web.Request) -> web.StreamResponse:
        self.number += 1
        try:
            document = decode(await http.read())
            request = parse(document, http.headers, self.whole.now_s, self.number, self.capabilities)
        except BadRequest as refusal:
            return web.Response(
                status=refusal.status, body=error_body(str(refusal), "invalid_request_error", refusal.param), content_type=JSON
            )
        request.sink = Sink(http)
        if self.cancels:
            return await self.answer(request)  # the handler is cancelled when the client leaves, and with it the flow
        task = asyncio.create_task(self.answer(request))
        self.running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self.running.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a request failed after its client had left", exc_info=task.exception())

    async def answer(self, request: ChatRequest) -> web.StreamResponse:
        world = self.streaming if request.stream else self.whole
        record = Record(world.now_s)
        request.arrival_s = record.arrived_s
        if self.patience is not None:
            request.patience_s = self.patience(request.index)
        try:
            await serve(request, record, self.gateway, world)
        except Exception:
            # A request that nobody foresaw must not take its neighbours along; it is an error of this one, told and logged.
            log.exception("request %d broke the gateway", request.index)
            record.outcome = Outcome.ERROR
        finally:
            self.log.add(request, record, world.now_s)
            self.metrics.observe(record, world.now_s - record.arrived_s)
        if record.outcome == Outcome.OK:
            self.bodies.put(request.prompt, self.collected(request))
        return await self.respond(request, record)

    @staticmethod
    def collected(request: ChatRequest) -> Answer:
        reader = request.reader
        return Answer(reader.message.build(), reader.finish_reason or "stop", reader.model, reader.input_tokens or 0, reader.output_tokens)

    async def respond(self, request: ChatRequest, record: Record) -> web.StreamResponse:
        """What the outcome means on the wire."""
        sink, outcome = request.sink, record.outcome
        if sink.response is not None:
            if outcome != Outcome.OK:
                _, kind, message = REFUSALS.get(outcome, REFUSALS[Outcome.ERROR])
                await sink.fail(message, kind)
            await sink.end()
            return sink.response
        told = {"x-tenfold-outcome": outcome.name.lower()}
        if not outcome.served:
            status, kind, message = REFUSALS.get(outcome, REFUSALS[Outcome.ERROR])
            if status in (429, 503):
                told["retry-after"] = "1"
            detail = f" {request.failure}" if outcome == Outcome.ERROR and request.failure else ""
            return web.Response(status=status, body=error_body(message + detail, kind), headers=told, content_type=JSON)
        answer = self.collected(request) if outcome == Outcome.OK else self.kept(request, outcome)
        if not request.stream:
            return web.Response(body=answer.whole(request.index), headers=told, content_type=JSON)
        # In one write: there is nothing to wait for.
        body = answer.streamed(request.index, request.include_usage)
        return web.Response(body=body, headers={**told, "Content-Type": "text/event-stream", "Cache-Control": "no-cache"})

    def kept(self, request: ChatRequest, outcome: Outcome) -> Answer:
        """The cached answer, or what the scenario falls back to, in the flow's own order."""
        stored = self.bodies.get(request.prompt)
        if outcome == Outcome.FALLBACK and (stored is None or self.gateway.degrade_to[:1] == ("canned",)):
            return CANNED
        assert stored is not None, "the flow says cached, but there is no body"
        return stored

    # ---- everything else
    async def models(self, _: web.Request) -> web.Response:
        names = [*sorted(self.capabilities), "default"]
        return reply({"object": "list", "data": [{"id": name, "object": "model", "created": 0, "owned_by": "tenfold"} for name in names]})

    async def health(self, _: web.Request) -> web.Response:
        return reply({"status": "ok", "scenario": self.scenario.name, "scenario_sha256": self.sha256, "t0": self.t0, "pid": os.getpid()})

    async def expose(self, _: web.Request) -> web.Response:
        return web.Response(body=self.metrics.expose(), headers={"Content-Type": self.metrics.content_type})

    async def set_t0(self, http: web.Request) -> web.Response:
        local_only(http)
        try:
            self.start_clock(float(decode(await http.read())["t0"]))
        except (BadRequest, KeyError, TypeError, ValueError):
            return reply({"error": 'expected {"t0": unix seconds}'}, 400)
        return reply({"t0": self.t0})

    async def dump(self, http: web.Request) -> web.Response:
        local_only(http)
        content = archive(self.log, [self.streaming, self.whole], self.timeline, self.gateway)
        return web.Response(body=content, content_type="application/octet-stream")

    async def usage(self, http: web.Request) -> web.Response:
        local_only(http)
        used = resource.getrusage(resource.RUSAGE_SELF)
        limits = {"global": self.gateway.overall, "per_user": self.gateway.per_user}
        document = {
            "cpu_s": used.ru_utime + used.ru_stime,
            "at": time.time(),
            "requests": len(self.log),
            "limited": {name: limiter.refused if limiter is not None else 0 for name, limiter in limits.items()},
            "max_rss_mb": used.ru_maxrss / 1024,
            "stored": len(self.bodies),
        }
        return reply(document)


def reply(document: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(document), content_type=JSON)


def local_only(http: web.Request) -> None:
    """The control endpoints change the clock and show what users asked: for this machine alone."""
    if http.remote not in ("127.0.0.1", "::1"):
        raise web.HTTPForbidden


@web.middleware
async def plain_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """aiohttp's own refusals (404, 405, 413) in the shape that OpenAI clients read."""
    try:
        return await handler(request)
    except web.HTTPException as refusal:
        if refusal.status < 400:
            raise
        kind = "request_too_large" if refusal.status == 413 else "invalid_request_error"
        return web.Response(status=refusal.status, body=error_body(refusal.reason, kind), content_type=JSON)
