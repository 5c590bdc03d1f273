"""The control API under ``/_mock/``: health, the run's start, truth, certificate, metrics. JSON throughout; unknown paths get 404."""

from __future__ import annotations

import io
import os
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

import numpy as np
import orjson
from aiohttp import web
from pydantic import ValidationError

from mockprovider.delivery.playback import End
from mockprovider.evidence.certificate import BOUND_S
from mockprovider.evidence.truth_log import TRUTH_COLUMNS
from mockprovider.server.connection import TooLarge, TooSlow, Unreadable, read_body
from mockprovider.server.service import INJECTED, Service
from sim.scenario.model import Fault

Handler = Callable[["web.BaseRequest"], Awaitable[web.StreamResponse]]
LATEST_T0 = 4e9
"""A start beyond the year 2096 is a mistake, such as milliseconds."""


class BadControl(Exception):
    """A control request that makes no sense, with what was expected."""


def answer(data: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(data), status=status, content_type="application/json")


class Control:
    """``handle`` answers requests whose path starts with ``/_mock/``."""

    def __init__(self, service: Service, scenario_sha256: str) -> None:
        self.service = service
        self.sha256 = scenario_sha256
        self.routes: dict[tuple[str, str], Handler] = {
            ("GET", "/_mock/health"): self.health,
            ("POST", "/_mock/t0"): self.set_t0,
            ("GET", "/_mock/truth"): self.truth,
            ("GET", "/_mock/certificate"): self.certificate,
            ("GET", "/_mock/metrics"): self.metrics,
            ("GET", "/_mock/faults"): self.faults,
            ("POST", "/_mock/faults"): self.add_fault,
            ("DELETE", "/_mock/faults"): self.remove_faults,
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        handler = self.routes.get((request.method, request.path))
        if handler is None:
            known = sorted({path for _, path in self.routes})
            return answer({"error": "no such control path", "paths": known}, 404)
        try:
            return await handler(request)
        except BadControl as error:
            return answer({"error": str(error)}, 400)

    async def health(self, request: web.BaseRequest) -> web.StreamResponse:
        service = self.service
        return answer({
            "ok": True, "provider": service.provider, "dialect": service.config.dialect, "models": list(service.models),
            "scenario_sha256": self.sha256, "seed": service.seed, "scale": service.scale, "pid": os.getpid(),
            "serving": service.serving, "attempts": service.truth.rows, "refused": service.refused,
        })  # fmt: skip

    async def set_t0(self, request: web.BaseRequest) -> web.StreamResponse:
        """``{"t0": unix seconds}``: a run starts there, with fresh limits, counts, truth and certificate."""
        t0 = (await self.body(request)).get("t0")
        if isinstance(t0, bool) or not isinstance(t0, (int, float)) or not 0 < t0 < LATEST_T0:
            raise BadControl('expected {"t0": unix seconds}')
        self.service.start_at(float(t0))
        return answer({"t0": t0, "scenario_sha256": self.sha256})

    async def body(self, request: web.BaseRequest) -> dict[str, Any]:
        try:
            body = orjson.loads(await read_body(request))
        except (orjson.JSONDecodeError, TooLarge, TooSlow, Unreadable):
            raise BadControl("expected a JSON object") from None
        if not isinstance(body, dict):
            raise BadControl("expected a JSON object")
        return body

    async def certificate(self, request: web.BaseRequest) -> web.StreamResponse:
        """``?bound_s=0.02``: the P99 lateness that whoever asks can bear."""
        try:
            bound_s = float(request.query.get("bound_s", BOUND_S))
        except ValueError:
            raise BadControl(f"bound_s: expected seconds, found {request.query['bound_s']!r}") from None
        return answer({"provider": self.service.provider, **self.service.certificate.report(self.service.truth.lost, bound_s)})

    async def metrics(self, request: web.BaseRequest) -> web.StreamResponse:
        metrics = self.service.metrics
        return web.Response(body=metrics.expose(), headers={"content-type": metrics.content_type})

    async def faults(self, request: web.BaseRequest) -> web.StreamResponse:
        """Every fault that this provider knows, from the scenario or injected."""
        known = self.service.state.faults
        return answer([{"injected": number >= INJECTED, **fault.model_dump(mode="json", by_alias=True)} for number, fault in known])

    async def add_fault(self, request: web.BaseRequest) -> web.StreamResponse:
        """A fault as a scenario writes it, ``provider`` and ``at`` (default: now) optional."""
        service = self.service
        fields = {"provider": service.provider, "at": f"{max(0.0, monotonic() - service.t0_s):.6f}s", **await self.body(request)}
        if fields["provider"] != service.provider:
            raise BadControl(f"this is provider {service.provider}")
        try:
            fault = Fault.model_validate(fields)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            raise BadControl(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        if fault.model is not None and fault.model not in service.models:
            raise BadControl(f"model: provider {service.provider} has no model {fault.model!r}")
        try:
            service.inject(fault)
        except ValueError as error:
            raise BadControl(str(error)) from None
        return answer({"faults": len(service.state.faults)}, 201)

    async def remove_faults(self, request: web.BaseRequest) -> web.StreamResponse:
        """Ends all injected faults."""
        return answer({"removed": self.service.heal()})

    async def truth(self, request: web.BaseRequest) -> web.StreamResponse:
        """JSON lines, or with ``?format=arrow`` an Arrow IPC file. ``model`` and ``end`` are spelt out in both."""
        if request.rel_url.query.get("format") == "arrow":
            return web.Response(body=self.as_arrow(), content_type="application/vnd.apache.arrow.file")
        response = web.StreamResponse(headers={"content-type": "application/x-ndjson"})
        await response.prepare(request)
        for block in self.service.truth.blocks():
            await response.write(b"".join(orjson.dumps(row) + b"\n" for row in self.spelt(block)))
        await response.write_eof()
        return response

    def spelt(self, block: np.ndarray) -> list[dict[str, Any]]:
        names, models = list(TRUTH_COLUMNS), list(self.service.models)
        rows = []
        for values in block.tolist():
            row = dict(zip(names, values, strict=True))
            row["provider"] = self.service.provider
            row["model"] = models[row["model"]]
            row["end"] = End(row["end"]).name.lower()
            row["stream"] = bool(row["stream"])
            rows.append(row)
        return rows

    def as_arrow(self) -> bytes:
        import pyarrow as pa

        rows = self.service.truth.read()
        columns = {name: pa.array(np.ascontiguousarray(rows[name])) for name in TRUTH_COLUMNS}
        models = np.array(list(self.service.models), dtype=object)
        ends = np.array([End(i).name.lower() for i in range(len(End))], dtype=object)
        columns["model"] = pa.array(models[rows["model"]], pa.string())
        columns["end"] = pa.array(ends[rows["end"]], pa.string())
        columns["provider"] = pa.array([self.service.provider] * len(rows), pa.string())
        table = pa.table(columns)
        sink = io.BytesIO()
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        return sink.getvalue()
