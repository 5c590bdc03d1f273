"""A real Redis behind the gateway's sessions and exact caches, shared by all gateway processes that are given the same one.

What the stages read stays in their own tables; each look-up brings what Redis holds of it into them. Redis decides what has expired.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from math import inf
from typing import Any

import orjson
from redis import asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from loadtest.gateway.answers import Answer, BodyStore, is_kept
from loadtest.gateway.asyncio_driver import AsyncioDriver
from sim.gateway.call import WAIT
from sim.gateway.stages import exact_cache
from sim.gateway.stages.redis import SESSION, in_redis, stores

log = logging.getLogger("tenfold.gateway")


def redis_url(scenario: Any, given: str | None) -> str | None:
    """Where the Redis of a scenario is; ``given`` is used for one that says ``redis`` alone. None: it uses none. Raises ValueError."""
    named = next(iter(stores(scenario)), None)
    if named == "redis" and given is None:
        raise ValueError("the scenario keeps state in Redis and does not say where one runs: write store: redis://127.0.0.1:6379/0")
    return given if named == "redis" else named


class RedisStore:
    """``t0``: the unix time of the run's start. Keys begin with ``prefix``."""

    def __init__(self, g: Any, scenario: Any, url: str, bodies: BodyStore, t0: Callable[[], float]) -> None:
        self.g, self.bodies, self.t0 = g, bodies, t0
        g.redis.faults = 0  # those of a real one happen by themselves
        self.timeout_s = scenario.gateway.redis.timeout
        self.ttl_s = scenario.gateway.sessions.ttl if in_redis(scenario.gateway.sessions) else 0.0
        self.prefix = f"tenfold:{scenario.name}:"
        self.client = aioredis.Redis.from_url(
            url, password=os.environ.get("TENFOLD_REDIS_PASSWORD"), retry=Retry(NoBackoff(), 0), socket_connect_timeout=self.timeout_s,
        )  # fmt: skip
        self.driver: AsyncioDriver | None = None
        self.tasks: set[asyncio.Task[None]] = set()
        g.path.ask = self.ask

    async def close(self) -> None:
        await self.client.aclose()

    def ask(self, g: Any, c: Any, shelf: int, now_s: float) -> int:
        c.redis_since_s, c.redis_failed, c.until_s = now_s, False, inf
        self.start(self.carry_out(c, shelf, c.ticket))
        return WAIT

    def start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def carry_out(self, c: Any, shelf: int, ticket: int) -> None:
        try:
            async with asyncio.timeout(self.timeout_s):
                await (self.recall if shelf == SESSION else self.look_up)(c)
        except (RedisError, OSError, TimeoutError):
            c.redis_failed = True
        except Exception:
            log.exception("what Redis said about request %d cannot be read", c.request)
            c.redis_failed = True
        assert self.driver is not None
        self.driver.go_on(c, ticket)

    async def recall(self, c: Any) -> None:
        """The first turn that is remembered of the conversation, which is this one if it is new. One round trip."""
        key, ttl_ms = f"{self.prefix}session:{c.conversation}", max(1, round(self.ttl_s * 1000))
        both: Any = self.client.pipeline(transaction=False)
        found, written = await both.getex(key, px=ttl_ms).set(key, c.turn, px=ttl_ms, nx=True).execute(raise_on_error=False)
        if isinstance(found, Exception):
            raise found
        if isinstance(written, Exception) and not isinstance(written, ResponseError):  # that is what a full one says
            raise written
        conversation = self.g.conversations[c.conversation]
        conversation.first_turn = c.turn if found is None else int(found)
        conversation.seen_s = c.redis_since_s

    async def look_up(self, c: Any) -> None:
        """The answer to the prompt, brought into the tables of this process."""
        number = self.g.cache_of_class[c.kind].cache
        cache = self.g.caches[number]
        ttl_ms = max(1, round(cache.ttl_s * 1000)) if cache.sliding else None
        said = await self.client.getex(self.answer_key(c.prompt, number), px=ttl_ms)
        if said is None:
            if c.prompt in self.g.prompts:
                exact_cache.drop(self.g, c.prompt, number)
            return
        made, *fields = orjson.loads(said)
        prompt = self.g.prompts[c.prompt]
        exact_cache.keep(self.g, c.prompt, number, prompt, c.redis_since_s)
        prompt.made_s, prompt.expires_s = made - self.t0(), inf
        self.bodies.put(c.prompt, Answer(*fields))

    def keep(self, c: Any, answer: Answer) -> None:
        """Write an answer that an exact cache in Redis has just kept. Nobody waits for it."""
        number = self.g.cache_of_class[c.kind].cache if self.g.caches else -1
        if number >= 0 and self.g.caches[number].shared and is_kept(self.g, c.prompt) and self.g.prompts[c.prompt].cache == number:
            self.start(self.write(self.answer_key(c.prompt, number), orjson.dumps([time.time(), *answer]), self.g.caches[number].ttl_s))

    async def write(self, key: str, said: bytes, ttl_s: float) -> None:
        try:
            async with asyncio.timeout(self.timeout_s):
                await self.client.set(key, said, px=max(1, round(ttl_s * 1000)))
        except (RedisError, OSError, TimeoutError):
            log.debug("Redis did not take %s", key)

    def answer_key(self, prompt: int, number: int) -> str:
        return f"{self.prefix}answer:{number}:{prompt}"
