"""The reference gateway's HTTP side: OpenAI chat completions in front, the chain inside, any provider behind."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import time
from typing import Any

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from loadtest.gateway.answers import BROKE, CANNED_ANSWER, REFUSALS, Answer, BodyStore, error_body
from loadtest.gateway.asyncio_driver import AsyncioDriver
from loadtest.gateway.context import Histories
from loadtest.gateway.delivery import Sink
from loadtest.gateway.draws import LiveDraws
from loadtest.gateway.embeddings import Embeddings
from loadtest.gateway.jobs import PATH, Jobs, wait_s
from loadtest.gateway.log import Log
from loadtest.gateway.metrics import Metrics
from loadtest.gateway.parsing import BadRequest, ChatRequest, Names, decode, parse
from loadtest.gateway.redis_store import RedisStore, redis_url
from loadtest.gateway.upstream import HttpUpstream, upstream_session
from loadtest.gateway.usage_log import UsageLog
from sim.data.outcomes import CACHE_HIT, CANNED, ERROR, FAILURES, OK, STALE
from sim.data.outcomes import NAMES as OUTCOMES
from sim.engine.sampling import look
from sim.gateway import chain
from sim.gateway.stages.jobs import is_accepted
from sim.gateway.stages.validation import BAD_FORM, INJECTION
from sim.kernel.refusals import NAMES as LIMITS
from sim.kernel.refusals import NOT_REFUSED

MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_HEADER_BYTES = 16 * 1024
UNMARKED = 2**40  # requests whose client gave them no number are counted from here
SHUTDOWN_S = 10.0
JSON = "application/json"
UNSOUND = (BAD_FORM, INJECTION)
log = logging.getLogger("tenfold.gateway")


class GatewayServer:
    """One scenario's gateway. ``upstreams``: base URL by provider. ``redis``: the URL of one, where the scenario wants one and names none.
    ``usage_log``: the file of ``loadtest.gateway.usage_log``. Times count from ``t0`` (unix), at first the start of the process.
    """

    def __init__(
        self, scenario: Any, sha256: str, upstreams: dict[str, str], redis: str | None = None, usage_log: str | None = None
    ) -> None:
        missing = [name for name in scenario.providers if name not in upstreams]
        if missing:
            raise ValueError(f"no upstream URL for {', '.join(missing)}")
        if unknown := [name for name in upstreams if name not in scenario.providers]:
            raise ValueError(f"the scenario has no provider {', '.join(unknown)}; its providers are {', '.join(scenario.providers)}")
        self.scenario = scenario
        self.sha256 = sha256
        self.urls = upstreams
        self.histories = Histories()
        self.g = chain.build(scenario, scenario.seed, self.histories)
        if self.g.connections is not None:
            self.g.connections.on_sockets = True
        self.cancels = scenario.gateway.cancel_on_disconnect
        self.names = Names(scenario)
        self.draws = LiveDraws(scenario, scenario.seed)
        self.bodies = BodyStore(self.g)
        self.embeddings: Embeddings | None = None
        if self.g.semantic_cache is not None:
            self.embeddings = Embeddings()
            self.g.path.nearest = self.embeddings.nearest
        url = redis_url(scenario, redis)
        self.redis = None if url is None else RedisStore(self.g, scenario, url, self.bodies, lambda: self.t0)
        self.jobs = Jobs()
        self.log = Log(scenario)
        self.metrics = Metrics(lambda: look(self.g), scenario)
        self.usage_log = None if usage_log is None else UsageLog(usage_log, scenario)
        self.number = UNMARKED
        self.t0 = time.time()
        self.running: set[asyncio.Task[web.StreamResponse]] = set()
        self.sampler: asyncio.Task[None] | None = None

    def application(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[plain_errors])
        app.cleanup_ctx.append(self._lifetime)
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_get(PATH + "{id}", self.job)
        app.router.add_get("/v1/models", self.models)
        app.router.add_get("/healthz", self.health)
        app.router.add_get("/metrics", self.expose)
        app.router.add_post("/_tenfold/t0", self.set_t0)
        app.router.add_get("/_tenfold/log", self.dump)
        app.router.add_get("/_tenfold/usage", self.usage)
        return app

    async def _lifetime(self, _: web.Application) -> Any:
        async with upstream_session(self.scenario.gateway.connections) as session:
            upstream = HttpUpstream(session, self.scenario, self.urls)
            self.driver = AsyncioDriver(self.g, upstream.begin, self.call_ended, self.attempt_ended)
            if self.redis is not None:
                self.redis.driver = self.driver
            self.start_clock(time.time())
            yield
            if self.sampler is not None:
                self.sampler.cancel()
            if self.running:
                await asyncio.wait(self.running, timeout=SHUTDOWN_S)
            if self.redis is not None:
                await self.redis.close()
            if self.usage_log is not None:
                self.usage_log.close()

    def start_clock(self, t0: float) -> None:
        self.t0 = t0
        self.driver.start_clock(time.time() - t0)
        self.log.samples.clear()
        if self.sampler is not None:
            self.sampler.cancel()
        self.sampler = asyncio.create_task(self.log.sample(self.driver))

    # ---- chat
    async def chat(self, http: web.Request) -> web.StreamResponse:
        self.number += 1
        try:
            document = decode(await http.read())
            request = parse(document, http.headers, self.number, self.names)
        except BadRequest as refusal:
            return web.Response(
                status=refusal.status, body=error_body(str(refusal), "invalid_request_error", refusal.param), content_type=JSON
            )
        request.sink = Sink(http, self.scenario.gateway.held_writes)
        if self.cancels:
            return await self.answer(request)  # the handler is cancelled when the client leaves, and with it the call
        task = asyncio.create_task(self.answer(request))
        self.running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self.running.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a request failed after its client had left", exc_info=task.exception())

    async def answer(self, request: ChatRequest) -> web.StreamResponse:
        start = self.histories.keep(request.history)
        c = await self.driver.serve(
            request, **request.fields, **self.draws.of(request.number), history_start=start, history_turns=len(request.history)
        )
        if is_accepted(c):
            request.stream = False
            return self.jobs.add(request, c).told()
        return await self.respond(request, c)

    async def job(self, http: web.Request) -> web.StreamResponse:
        """What the client would have got that had waited, once it is there."""
        job = self.jobs.kept.get(http.match_info["id"])
        if job is None:
            return web.Response(status=404, body=error_body("There is no such job, or none any more.", "not_found"), content_type=JSON)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(job.ended.wait(), wait_s(http))
        return await self.respond(job.request, job.call) if job.ended.is_set() else job.told()

    def call_ended(self, c: Any) -> None:
        """At the moment of its end: whoever is told that an answer is kept must find it."""
        request: ChatRequest = c.exchange
        self.histories.drop(c.history_start)
        self.jobs.call_ended(request)
        if c.outcome == OK:
            request.stored = collected(request)
            self.bodies.put(c.prompt, request.stored)
            if self.redis is not None:
                self.redis.keep(c, request.stored)
            if self.embeddings is not None:
                self.embeddings.keep(self.g, c)
        elif c.outcome in (CACHE_HIT, STALE):
            request.stored = self.bodies.get(c.answered_by)
        elif c.outcome == CANNED:
            request.stored = CANNED_ANSWER
        self.log.call_ended(c)
        self.metrics.call_ended(c)
        if self.usage_log is not None:
            self.usage_log.call_ended(c, self.t0)

    def attempt_ended(self, c: Any) -> None:
        self.log.attempt_ended(c)
        self.metrics.attempt_ended(c)

    async def respond(self, request: ChatRequest, c: Any) -> web.StreamResponse:
        """What the outcome means on the wire."""
        sink = request.sink
        if c.outcome >= FAILURES:
            status, kind, message = words(request, c)
            if sink.response is not None:
                await sink.fail(message, kind)
                await sink.end()
                return sink.response
            return web.Response(status=status, body=error_body(message, kind), headers=told(c, status), content_type=JSON)
        if sink.response is not None:
            await sink.end()
            return sink.response
        answer: Answer = request.stored
        if not request.stream:
            return web.Response(body=answer.whole(request.number), headers=told(c, 200), content_type=JSON)
        # In one write: there is nothing to wait for.
        body = answer.streamed(request.number, request.include_usage)
        return web.Response(body=body, headers={**told(c, 200), "Content-Type": "text/event-stream", "Cache-Control": "no-cache"})

    # ---- everything else
    async def models(self, _: web.Request) -> web.Response:
        names = [*sorted(self.names.pools), "default"]
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
        return web.Response(body=self.log.archive(self.g), content_type="application/octet-stream")

    async def usage(self, http: web.Request) -> web.Response:
        local_only(http)
        used = resource.getrusage(resource.RUSAGE_SELF)
        document = {
            "cpu_s": used.ru_utime + used.ru_stime,
            "at": time.time(),
            "requests": len(self.log),
            "refused_by": {LIMITS[code]: count for code, count in self.log.refused.items()},
            "max_rss_mb": used.ru_maxrss / 1024,
            "stored": len(self.bodies),
            "cost_usd": self.log.cost_usd,
            **dict(zip(("waiting", "in_service", "open_breakers"), look(self.g), strict=True)),
        }
        return reply(document)


def collected(request: ChatRequest) -> Answer:
    """The answer that a provider has given, whole."""
    reader = request.reader
    return Answer(reader.message.build(), reader.finish_reason or "stop", reader.model, reader.input_tokens or 0, reader.output_tokens)


def words(request: ChatRequest, c: Any) -> tuple[int, str, str]:
    """(HTTP status, type, message) of a failure: who refused, or what the provider said last."""
    if c.broke and c.outcome == ERROR:
        return BROKE
    if c.refused_by in UNSOUND:
        return 400, "invalid_request_error", f"The request was refused: {LIMITS[c.refused_by]}."
    status, kind, message = REFUSALS[c.outcome]
    if c.refused_by != NOT_REFUSED:
        message += f" Refused by: {LIMITS[c.refused_by]}."
    if c.outcome == ERROR and request.failure:
        message += f" {request.failure}"
    return status, kind, message


def told(c: Any, status: int) -> dict[str, str]:
    """Headers that say how the call ended."""
    headers = {"x-tenfold-outcome": OUTCOMES[c.outcome]}
    if c.refused_by != NOT_REFUSED:
        headers["x-tenfold-refused-by"] = LIMITS[c.refused_by]
    if status in (429, 503):
        headers["retry-after"] = "1"
    return headers


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
