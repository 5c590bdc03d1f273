"""Locust's side of a load run. The only module that imports locust, which patches its whole process: it always runs in one of its own.

Started as ``python -m locust -f loadtest/generator/locustfile.py`` with the plan's path in TENFOLD_PLAN. Timing is the engine's alone
(``loadtest.generator.process``, a child process per Locust worker); here its samples become Locust's request events, so that statistics,
CSV, HTML, web UI, exit code and distributed mode work as they do for everybody else. Worker i of n (TENFOLD_PARTS) sends every n-th
request of the schedule.

On stdout, JSON lines for whoever started it: ``{"event": "ready" | "started" | "done" | "failed", …}``. With TENFOLD_START=stdin the
master (or the only process) waits for a line ``t0 <unix seconds>`` once all engines are ready; otherwise it starts by itself.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import gevent
import gevent.fileobject
import gevent.subprocess
from locust import User, events, task
from locust.runners import WORKER_REPORT_INTERVAL, MasterRunner, WorkerRunner
from locust.stats import CSV_STATS_INTERVAL_SEC

from loadtest.generator.frames import read_frames
from loadtest.generator.plan import LoadPlan
from sim.data.outcomes import SERVED, name_of

PLAN_PATH = Path(os.environ["TENFOLD_PLAN"])
PARTS = int(os.environ.get("TENFOLD_PARTS", "1"))
START_BY_STDIN = os.environ.get("TENFOLD_START") == "stdin"
PROGRESS_S = 0.5
LEAD_S = 0.5  # from "all engines are ready" to t0, when nobody else sets it


class OpenLoop(User):
    """Stands for the whole traffic: Locust wants at least one user, the engine needs none."""

    @task
    def idle(self) -> None:
        gevent.sleep(1.0)


class Failed(Exception):
    """A request that was not served, as Locust's failure table shows it."""


class EngineProcess:
    """One engine child: its samples become request events; what it says goes to ``told(document)``."""

    def __init__(self, environment: Any, part: int, told: Any) -> None:
        self.environment = environment
        self.told = told
        self.part = part
        self.names = [kind.name for kind in LoadPlan.read(PLAN_PATH).load_scenario().workload.requests]
        self.process = gevent.subprocess.Popen(
            [sys.executable, "-m", "loadtest.generator.process", str(PLAN_PATH), str(part), str(PARTS)],
            stdin=gevent.subprocess.PIPE, stdout=gevent.subprocess.PIPE,
        )  # fmt: skip
        self.reader = gevent.spawn(self._read)

    def go(self, t0: float) -> None:
        self.process.stdin.write(f"t0 {t0!r}\n".encode())
        self.process.stdin.flush()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()

    def _read(self) -> None:
        done = False
        for frame in read_frames(self.process.stdout.read):
            if isinstance(frame, dict):
                done = done or "done" in frame
                self.told(frame)
            else:
                self._fire(frame)
        code = self.process.wait()
        if not done:
            self.told({"failed": True, "part": self.part, "why": f"the load engine ended with code {code} before the run did"})

    def _fire(self, rows: Any) -> None:
        fire = self.environment.events.request.fire
        now_s = time.time()
        for row in rows:
            outcome = int(row["outcome"])
            fire(
                request_type="POST",
                name=self.names[int(row["kind"])],
                response_time=float(row["latency_s"]) * 1e3,
                response_length=int(row["output_tokens"]),
                exception=None if outcome in SERVED else Failed(f"{name_of(outcome)}: {row['error'].decode('utf-8', 'replace')}"),
                context={"ttft_s": float(row["ttft_s"]), "status": int(row["status"])},
                start_time=now_s - float(row["latency_s"]),
                url="",
            )


class Conductor:
    """Master, or the only process: collects what the engines say, sets t0 for all, ends the run when all are done."""

    def __init__(self, environment: Any) -> None:
        self.environment = environment
        self.ready: dict[int, dict[str, Any]] = {}
        self.reports: dict[int, dict[str, Any]] = {}
        self.sent: dict[int, int] = {}
        self.failed = ""

    def begin(self) -> None:
        self.ready.clear()
        self.reports.clear()
        self.sent.clear()
        self.failed = ""

    def told(self, document: dict[str, Any]) -> None:
        if "ready" in document:
            self.ready[document["part"]] = document
            if len(self.ready) == PARTS:
                say("ready", planned=sum(ready["planned"] for ready in self.ready.values()), sha256=document["sha256"], parts=PARTS)
                gevent.spawn(self._start)
        elif "done" in document:
            self.sent[document["part"]] = document["sent"]
            self.reports[document["part"]] = document
            if len(self.reports) == PARTS:
                self._finish()
        elif "sent" in document:
            self.sent[document["part"]] = document["sent"]
        elif "failed" in document and not self.failed and self.environment.runner.state not in ("stopping", "stopped", "cleanup"):
            self.failed = document["why"]
            say("failed", why=self.failed)
            self.environment.process_exit_code = 2
            self._end()

    def _start(self) -> None:
        t0 = time.time() + LEAD_S
        if START_BY_STDIN:
            line = gevent.fileobject.FileObjectThread(sys.stdin.buffer, "rb").readline().split()
            if len(line) != 2 or line[0] != b"t0":
                self._end()
                return
            t0 = float(line[1])
        say("started", t0=t0)
        gevent.spawn(self._tell_progress)
        if isinstance(self.environment.runner, MasterRunner):
            self.environment.runner.send_message("tenfold_t0", {"t0": t0})
        else:
            engines[0].go(t0)

    def _tell_progress(self) -> None:
        total = self.environment.stats.total
        while len(self.reports) < PARTS and not self.failed:
            gevent.sleep(PROGRESS_S)
            say("progress", sent=sum(self.sent.values()), requests=total.num_requests, failures=total.num_failures)

    def _finish(self) -> None:
        reports = [self.reports[part] for part in sorted(self.reports)]
        directory = Path(LoadPlan.read(PLAN_PATH).directory)
        temporary = directory / "engines.json.part"
        temporary.write_text(json.dumps(reports))
        temporary.rename(directory / "engines.json")
        say("done", reports=reports)
        self._end()

    def _end(self) -> None:
        """Headless: the process ends. With the web UI the run stops, and another may be started."""
        gevent.spawn(self._leave)

    def _leave(self) -> None:
        runner = self.environment.runner
        options = self.environment.parsed_options
        if options.csv_prefix and not self.failed:
            # Locust writes its CSV once a second and not at its end; workers report to the master every three seconds.
            gevent.sleep(CSV_STATS_INTERVAL_SEC + 0.2 + (WORKER_REPORT_INTERVAL if isinstance(runner, MasterRunner) else 0.0))
        if options.headless:
            runner.quit()
        else:
            runner.stop()


engines: list[EngineProcess] = []


def say(event: str, **facts: Any) -> None:
    print(json.dumps({"event": event, **facts}), flush=True)


@events.init.add_listener
def on_init(environment: Any, **_: Any) -> None:
    runner = environment.runner
    if isinstance(runner, WorkerRunner):
        runner.register_message("tenfold_t0", lambda environment, msg, **_: engines[0].go(msg.data["t0"]))
    else:
        environment.tenfold = Conductor(environment)
        if isinstance(runner, MasterRunner):
            runner.register_message("tenfold_told", lambda environment, msg, **_: environment.tenfold.told(msg.data))


@events.test_start.add_listener
def on_start(environment: Any, **_: Any) -> None:
    runner = environment.runner
    if isinstance(runner, MasterRunner):
        environment.tenfold.begin()
        return
    for engine in engines:
        engine.stop()
    engines.clear()
    if isinstance(runner, WorkerRunner):
        if runner.worker_index < PARTS:
            engines.append(EngineProcess(environment, runner.worker_index, lambda document: runner.send_message("tenfold_told", document)))
    else:
        environment.tenfold.begin()
        engines.append(EngineProcess(environment, 0, environment.tenfold.told))


@events.test_stop.add_listener
@events.quitting.add_listener
def on_stop(environment: Any, **_: Any) -> None:
    for engine in engines:
        engine.stop()
