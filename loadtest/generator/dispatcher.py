"""The open-loop engine: plays a schedule against a gateway and hands exact samples on, as ``loadtest.generator.process`` runs it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import time
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np

from loadtest.generator.client import Client, Exchange, open_session
from loadtest.generator.frames import FrameWriter
from loadtest.generator.pacing import reach
from loadtest.generator.plan import LoadPlan
from loadtest.generator.request_bodies import Bodies, BodyWriter, Call
from loadtest.generator.samples import blank_row
from mockprovider.delivery.clock import Deadlines
from mockprovider.processes.file_limit import raise_file_limit
from sim.data.outcomes import ABANDONED
from sim.scenario.model import Scenario

FLUSH_S = 0.1
TELL_S = 0.5
SLACK_S = 1e-3  # bodies are written ahead only while the next send is further away than this
SPARE_FILES = 64  # descriptors kept for other things than connections

Player = Callable[["Engine"], Coroutine[Any, Any, None]]


class Cpu:
    """CPU share of this process: over the run, and of its busiest second."""

    def __init__(self) -> None:
        self.started = self._mark = (time.monotonic(), time.process_time())
        self.peak = 0.0

    def look(self) -> None:
        now = (time.monotonic(), time.process_time())
        if now[0] - self._mark[0] >= 1.0:
            self.peak = max(self.peak, (now[1] - self._mark[1]) / (now[0] - self._mark[0]))
            self._mark = now

    def mean(self) -> float:
        return (time.process_time() - self.started[1]) / max(1e-9, time.monotonic() - self.started[0])


class Engine:
    """Plays one plan. ``run(t0)`` with t0 in unix seconds; samples go to ``frames``.

    ``player_of`` gives who plays a workload whose clients wait for their answers; None where all times are known before.
    """

    def __init__(self, plan: LoadPlan, frames: FrameWriter, player_of: Callable[[Scenario], Player | None]) -> None:
        self.plan = plan
        self.frames = frames
        self.scenario: Scenario = plan.load_scenario()
        self.writer = BodyWriter(self.scenario, plan.models, plan.headers)
        self.player = player_of(self.scenario)
        self.closed = self.player is not None
        self.ended: list[Exchange] = []
        self.flying: dict[asyncio.Task[Exchange], Exchange] = {}
        self.most_flying = 0
        self.sent = self.dropped = self.finished = 0
        self.origin = 0.0
        self.room = raise_file_limit() - SPARE_FILES
        if not self.closed:
            self.load_schedule()

    def load_schedule(self) -> None:
        from sim.workload.schedule import build_schedule

        self.schedule = build_schedule(self.scenario, self.plan.scale, self.plan.replication)
        self.positions = np.arange(self.plan.part, len(self.schedule), self.plan.parts)
        self.bodies = Bodies(self.schedule, self.positions, self.writer)
        while self.bodies.prepare():
            pass

    @property
    def planned(self) -> int:
        return 0 if self.closed else len(self.positions)

    async def run(self, t0: float) -> dict[str, Any]:
        """Play it all and return the closing report. ``planned`` is 0 when nobody can know it (closed workloads)."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        self.origin = time.monotonic() + t0 - time.time()
        late_start_s = max(0.0, -(self.origin - time.monotonic()))
        cpu = Cpu()
        flusher = asyncio.create_task(self._flush_regularly(cpu))
        async with open_session() as session:
            self.client = Client(session, self.plan.endpoint, self.scenario.workload.client.timeout, self.plan.outcomes)
            await (self._play_closed(self.player) if self.player else self._play_schedule())
            sending_cpu = cpu.mean()
            left = await self._drain()
        flusher.cancel()
        self._flush()
        return {
            "done": True, "part": self.plan.part, "t0": t0, "planned": self.planned, "sent": self.sent, "dropped": self.dropped,
            "finished": self.finished, "never_answered": left, "most_in_flight": self.most_flying, "cpu": sending_cpu,
            "cpu_peak": max(cpu.peak, sending_cpu), "late_start_s": late_start_s,
            "max_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }  # fmt: skip

    async def _play_schedule(self) -> None:
        deadlines = Deadlines(asyncio.get_running_loop())
        try:
            for arrival_s in self.schedule.arrival_s[self.positions].tolist():
                due = self.origin + arrival_s
                while due - time.monotonic() > SLACK_S and self.bodies.prepare():
                    await asyncio.sleep(0)  # answers are read between two bodies
                await reach(deadlines, due)
                call, body, headers = self.bodies.take()
                self.start(Exchange(due, call), body, headers)
        finally:
            deadlines.close()

    def start(self, exchange: Exchange, body: bytes, headers: dict[str, str]) -> asyncio.Task[Exchange] | None:
        """Send now, or drop and say so when the process has no descriptor left for another connection."""
        if len(self.flying) >= self.room:
            exchange.dropped, exchange.ended = 1, time.monotonic()
            exchange.error = f"never sent: {len(self.flying)} requests in flight, as many as this process may have files open"
            self.dropped += 1
            self.ended.append(exchange)
            return None
        task = asyncio.create_task(self.client.send(exchange, body, headers))
        self.sent += 1
        self.flying[task] = exchange
        self.most_flying = max(self.most_flying, len(self.flying))
        task.add_done_callback(self._landed)
        return task

    def _landed(self, task: asyncio.Task[Exchange]) -> None:
        exchange = self.flying.pop(task)
        if task.cancelled():
            exchange.ended = time.monotonic()
            exchange.outcome, exchange.error = ABANDONED, f"no answer {self.plan.drain_s:g} s after the last request was sent"
        else:
            self.finished += 1
        self.ended.append(exchange)

    async def _play_closed(self, play: Player) -> None:
        """A client whose answer never comes would wait for ever: after the run's time and the time to drain, all stop."""
        left_s = self.origin - time.monotonic() + self.scenario.workload.duration + self.plan.drain_s
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(play(self), left_s)

    async def _drain(self) -> int:
        """Wait for the answers still to come. Returns how many never did."""
        if self.flying:
            await asyncio.wait(list(self.flying), timeout=self.plan.drain_s)
        left = list(self.flying)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        return len(left)

    async def _flush_regularly(self, cpu: Cpu) -> None:
        told_at = 0.0
        while True:
            await asyncio.sleep(FLUSH_S)
            cpu.look()
            self._flush()
            if time.monotonic() - told_at >= TELL_S:
                told_at = time.monotonic()
                self.frames.tell({"part": self.plan.part, "sent": self.sent})

    def _flush(self) -> None:
        if self.ended:
            ended, self.ended = self.ended, []
            self.frames.rows(self.to_rows(ended))

    def to_rows(self, exchanges: list[Exchange]) -> np.ndarray:
        rows = np.repeat(blank_row(), len(exchanges))
        for name, values in _columns(exchanges, self.origin).items():
            rows[name] = values
        if not self.closed:  # to the last bit alike in all generators, whose clocks began apart: calls of one batch are known by it
            rows["arrival_s"] = self.schedule.arrival_s[rows["request"]]
        rows["replication"] = self.plan.replication
        return rows


def _columns(exchanges: list[Exchange], origin: float) -> dict[str, Any]:
    calls: list[Call] = [exchange.tag for exchange in exchanges]
    due, sent, headers, accepted, first, ended = (
        np.array([getattr(exchange, name) for exchange in exchanges])
        for name in ("due", "sent", "headers", "accepted", "first_content", "ended")
    )
    columns: dict[str, Any] = {
        name: [getattr(call, name) for call in calls] for name in ("request", "kind", "user", "conversation", "turn", "prompt")
    }
    for name in ("outcome", "status", "deltas", "dropped", "input_tokens", "output_tokens", "version"):
        columns[name] = [getattr(exchange, name) for exchange in exchanges]
    whole = np.array([exchange.outcome != ABANDONED and exchange.status == 200 for exchange in exchanges])
    return {
        **columns,
        "arrival_s": due - origin, "sent_s": sent - origin, "headers_s": headers - origin, "ended_s": ended - origin,
        "accepted_s": accepted - due, "latency_s": ended - due, "ttft_s": first - due, "first_token_s": first - due,
        "generation_s": np.where(whole, ended - first, np.nan),
        "error": [exchange.error.encode("utf-8", "replace")[:160] for exchange in exchanges],
    }  # fmt: skip
