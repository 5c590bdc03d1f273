"""The open-loop engine: a process of its own that plays a schedule against a gateway and streams exact samples to its parent.

``python -m loadtest.generator.process plan.json``. On stdout: frames (``loadtest.generator.frames``): one JSON frame when ready, sample
rows every 100 ms, a JSON frame with how many were sent every half second, one at the end. On stdin: the line ``t0 <unix seconds>`` starts
it; end of file at any time stops it. Rows are also appended to samples-<part>.bin. Nothing but this runs in the process: no tokenising, no
statistics, no gevent.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from loadtest.generator import agents, closed_loop, retries
from loadtest.generator.dispatcher import Engine, Player
from loadtest.generator.frames import FrameWriter
from loadtest.generator.plan import LoadPlan
from mockprovider.processes import lifeline
from mockprovider.processes.timeslice import ask_for_short_slices
from sim.scenario.model import Closed, Scenario


def player_of(scenario: Scenario) -> Player | None:
    """Who plays a workload whose clients wait for their answers; None for one whose times are all known before."""
    if not scenario.workload.waits_for_answers:
        return None
    if scenario.workload.client.retries is not None:
        return retries.play
    return closed_loop.play if isinstance(scenario.workload.arrivals, Closed) else agents.play


async def read_lines() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    return reader


async def serve_parent(plan: LoadPlan, frames: FrameWriter) -> int:
    """Ready, wait for t0, play, report. 0 when played to the end, 143 when stopped."""
    engine = Engine(plan, frames, player_of)
    orders = await read_lines()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    frames.tell({"ready": True, "part": plan.part, "planned": engine.planned, "sha256": plan.sha256, "pid": os.getpid()})
    line = (await orders.readline()).split()
    if len(line) != 2 or line[0] != b"t0":
        return 143
    run = asyncio.create_task(engine.run(float(line[1])))
    watchers = [asyncio.create_task(stop.wait()), asyncio.create_task(orders.read())]
    await asyncio.wait([run, *watchers], return_when=asyncio.FIRST_COMPLETED)
    for watcher in watchers:
        watcher.cancel()
    if not run.done():
        run.cancel()
        engine._flush()
        return 143
    frames.tell(run.result())
    return 0


def main() -> int:
    import uvloop

    lifeline.die_with_parent()
    ask_for_short_slices()
    plan = LoadPlan.read(Path(sys.argv[1]))
    if len(sys.argv) == 4:
        plan = plan.of(int(sys.argv[2]), int(sys.argv[3]))
    with (Path(plan.directory) / f"samples-{plan.part}.bin").open("wb") as file:
        return uvloop.run(serve_parent(plan, FrameWriter(sys.stdout.buffer, file)))


if __name__ == "__main__":
    sys.exit(main())
