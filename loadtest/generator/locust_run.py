"""Locust as child processes of a run: one, or a master with workers; each worker's engine sends its share of the schedule."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from loadtest.generator.plan import LoadPlan
from loadtest.generator.samples import Tail
from loadtest.processes.http_control import free_port
from mockprovider.processes.supervisor import Crew, RunFailed
from sim.analysis.so_far import Latencies, SoFar

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
START_S = 90.0  # a schedule of millions of requests takes a while to draw
LEAD_S = 1.0  # from "all parts are ready" to t0: long enough to tell them all
POLL_S = 0.25


class Beat(NamedTuple):
    """How far a run is: seconds since t0, requests planned (0: not known), answered, and of them not served. ``figures`` finds out more."""

    elapsed_s: float
    planned: int
    answered: int
    failures: int
    figures: Callable[[], SoFar]


Progress = Callable[[Beat], None]
Look = Callable[[], Mapping[str, float]]
"""What a target tells of itself while it runs: fields of ``SoFar``."""


class LocustRun:
    """The load generator of one run. ``start`` returns when its engines are ready; ``play`` runs it from ``t0`` to its end.

    ``key``: the clients', default: from the environment. ``look``: asked only where somebody wants figures.
    """

    def __init__(
        self, crew: Crew, plan: LoadPlan, workers: int = 1, web_port: int | None = None, reports: Path | None = None,
        key: str | None = None, look: Look = dict,
    ) -> None:  # fmt: skip
        self.crew = crew
        self.plan = plan
        self.workers = workers
        self.web_port = web_port
        self.reports = reports
        self.secrets = {} if key is None else {"TENFOLD_KEY_CLIENT": key}
        self.planned = 0
        self.look = look
        self.tail, self.latencies = Tail(Path(plan.directory)), Latencies()

    def start(self) -> None:
        """Raises RunFailed."""
        path = Path(self.plan.directory) / "plan.json"
        self.plan.write(path)
        env = {"TENFOLD_PLAN": str(path), "TENFOLD_PARTS": str(self.workers), "TENFOLD_START": "auto" if self.web_port else "stdin"}
        env |= self.secrets
        argv = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--users", str(self.workers), "--spawn-rate", str(self.workers)]
        argv += ["--only-summary", "--loglevel", "WARNING", "--host", self.plan.url]
        if self.web_port is not None:
            argv += ["--web-host", "127.0.0.1", "--web-port", str(self.web_port)]
        else:
            argv += ["--headless"]
        if self.reports is not None:
            argv += ["--csv", str(self.reports / "locust"), "--html", str(self.reports / "locust.html")]
        if self.workers > 1:
            port = str(free_port())
            argv += ["--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", port, "--expect-workers", str(self.workers)]
        self.conductor = self.crew.start("load generator", argv, env)
        if self.workers > 1:
            worker = [
                sys.executable,
                "-m",
                "locust",
                "-f",
                str(LOCUSTFILE),
                "--worker",
                "--master-host",
                "127.0.0.1",
                "--master-port",
                port,
            ]
            for number in range(self.workers):
                self.crew.start(f"load worker {number}", [*worker, "--loglevel", "WARNING"], env)
        if self.web_port is None:
            ready = self.conductor.expect("ready", START_S)
            if ready["sha256"] != self.plan.sha256:
                raise RunFailed("the load generator runs another scenario: its hash differs")
            self.planned = ready["planned"]

    def play(self, t0: float, progress: Progress) -> list[dict[str, Any]]:
        """Start at ``t0`` and wait for the end. Returns each engine's closing report. Raises RunFailed when any child of the crew ends."""
        self.conductor.order(f"t0 {t0!r}")
        return self.wait(progress, t0)

    def wait(self, progress: Progress, t0: float = 0.0) -> list[dict[str, Any]]:
        """Until the engines have reported."""
        while True:
            document = self.conductor.hear(POLL_S)
            if document is None:
                self.crew.check()
                continue
            event = document.get("event")
            if event == "started":
                t0 = document["t0"]
            elif event == "progress":
                elapsed_s, answered, sent = time.time() - t0, document["requests"], document["sent"]
                figures = partial(self.figures, elapsed_s, sent, answered)
                progress(Beat(elapsed_s, self.planned, answered, document["failures"], figures))
            elif event == "failed":
                raise RunFailed(f"the load generator failed: {document['why']}")
            elif event == "done":
                reports: list[dict[str, Any]] = document["reports"]
                return reports

    def figures(self, elapsed_s: float, sent: int, answered: int) -> SoFar:
        """As clients saw it, and the target."""
        self.latencies.add(self.tail.rows())
        p50_s, p99_s = self.latencies.quantile(0.5), self.latencies.quantile(0.99)
        return SoFar(sent / max(1e-3, elapsed_s), max(0, sent - answered), p50_s=p50_s, p99_s=p99_s)._replace(**self.look())

    def finish(self, within_s: float = 10.0) -> None:
        """Let Locust write its statistics and leave by itself; whoever is late, or shows a web UI, is ended by the crew."""
        if self.web_port is not None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.conductor.process.wait(within_s)
