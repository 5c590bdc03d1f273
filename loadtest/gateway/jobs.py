"""Jobs that the gateway has accepted: who asks for one gets its answer, or learns that it is not done yet."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from typing import Any

import orjson
from aiohttp import web

from loadtest.gateway.parsing import ChatRequest

PATH = "/v1/jobs/"
MOST = 10_000  # finished ones that are kept; the oldest go
MOST_WAIT_S = 60.0


class Job:
    """``call`` is its call in the chain, ``ended`` set when that is out of it."""

    __slots__ = ("call", "ended", "id", "request")

    def __init__(self, request: ChatRequest, call: Any) -> None:
        self.id = secrets.token_hex(16)
        self.request, self.call = request, call
        self.ended = asyncio.Event()

    def told(self) -> web.Response:
        """202 Accepted (RFC 9110): where its answer will be."""
        document = {"id": self.id, "object": "job", "status": "working" if self.call.at_work else "waiting"}
        return web.Response(status=202, body=orjson.dumps(document), headers={"Location": PATH + self.id}, content_type="application/json")


class Jobs:
    """All that are under way, and the MOST that have ended last."""

    def __init__(self) -> None:
        self.kept: dict[str, Job] = {}
        self.ended: deque[str] = deque()

    def add(self, request: ChatRequest, call: Any) -> Job:
        """The call has been accepted; it may have ended already."""
        job = request.job = Job(request, call)
        self.kept[job.id] = job
        if call.ended:
            self.call_ended(request)
        return job

    def call_ended(self, request: ChatRequest) -> None:
        """Of a job or not."""
        if request.job is None:
            return
        request.job.ended.set()
        self.ended.append(request.job.id)
        if len(self.ended) > MOST:
            del self.kept[self.ended.popleft()]


def wait_s(http: web.Request) -> float:
    """How long its client would have the answer waited for: ``Prefer: wait=30`` (RFC 7240); 0 where it does not say so."""
    for preference in http.headers.get("Prefer", "").split(","):
        name, _, value = preference.strip().partition("=")
        if name == "wait" and value.isdigit():
            return min(float(value), MOST_WAIT_S)
    return 0.0
