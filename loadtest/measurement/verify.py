"""Run a scenario for real and set the measurement beside the prediction: mocks, gateway and load generator as separate processes.

Every part is started from one resolved scenario file and shows its hash; parts that disagree do not run. The run's clock is common: t0 is
set when all are ready. Whatever ends the run, nothing is left behind: no process, no half-written directory.
"""

from __future__ import annotations

import io
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from loadtest.generator import samples as sample_files
from loadtest.generator.certificate import Certificate, certify, certify_closed
from loadtest.generator.locust_run import LEAD_S, LocustRun, Progress
from loadtest.generator.plan import LoadPlan
from loadtest.measurement.measured_run import measured_run
from loadtest.processes import yardstick
from loadtest.processes.http_control import fetch, post
from loadtest.processes.usage import USAGE, sampled, summary
from loadtest.targets import find_target
from loadtest.targets.base import ClientSide, Place, Running
from loadtest.targets.probe import probe
from mockprovider.delivery.playback import End
from mockprovider.evidence.truth_log import TRUTH
from mockprovider.processes.supervisor import Crew, RunFailed
from mockprovider.supervisor import start_mocks
from sim.data.outcomes import OK
from sim.data.run import Run
from sim.data.temp_folders import make_work_folder
from sim.engine.requests import gives_up_after_s
from sim.gateway.language import load
from sim.scenario.errors import Problem, ScenarioError
from sim.scenario.load import Loaded
from sim.scenario.model import Scenario

WORK_PREFIX = "tenfold-run-"
SETTLE_S = 60.0  # how long work that outlives its client may keep the mocks busy after the last answer
IDLE_S = 1.0  # mocks that serve nobody for so long have done all of it: a gateway past its saturation sends its backlog one by one

Say = Callable[[str], None]


@dataclass(frozen=True)
class Order:
    """What to verify. ``overrides`` as given on the command line; ``url``, ``mock_port`` for targets that run already."""

    loaded: Loaded
    overrides: tuple[str, ...] = ()
    target: str = "reference"
    scale: float = 1.0
    url: str | None = None
    port: int = 0
    mock_port: int = 0
    workers: int = 1
    client: ClientSide = field(default_factory=ClientSide)


@dataclass(frozen=True)
class Measured:
    """A finished measurement with everything that certifies it. ``why_invalid`` empty: it counts."""

    run: Run
    certificate: Certificate
    mocks: dict[str, dict[str, Any]]
    why_invalid: tuple[str, ...] = ()
    errors: tuple[dict[str, Any], ...] = ()  # as samples.frequent_errors, of requests after the warm-up
    usage: np.ndarray = field(default_factory=lambda: np.zeros(0, USAGE))  # of the target's processes
    yardstick_s: float | None = None  # how fast the machine was meanwhile

    def document(self) -> dict[str, Any]:
        """The certificate as the verify document has it."""
        lateness = [mock["lateness_s"] for mock in self.mocks.values() if mock["lateness_s"]["p99"] is not None]
        return {
            **self.certificate.document(),
            "mock_lateness_s": {q: max((each[q] for each in lateness), default=None) for q in ("p50", "p99")},
            "mocks": self.mocks,
            "target": summary(self.usage),
            "yardstick_s": self.yardstick_s,
        }


def measure(order: Order, say: Say, progress: Progress) -> Measured:
    """Run it. Raises RunFailed when a part cannot start or ends before its time, ScenarioError for what the target cannot do."""
    started = time.monotonic()
    target = find_target(order.target)
    impossible = target.cannot(order.loaded)
    if impossible:
        raise ScenarioError([Problem(str(order.loaded.path), f"{what} (target {order.target})") for what in impossible])
    with work_folder() as folder, Crew(folder) as crew:
        scenario_file = folder / "scenario.yaml"
        scenario_file.write_text(order.loaded.yaml_text, encoding="utf-8")
        say("starting the mock providers")
        started_mocks = start_mocks(crew, order.loaded, scenario_file, first_port=order.mock_port, scale=order.scale)
        mocks = {mock.provider: mock.url for mock in started_mocks}
        if order.mock_port:
            say("mock providers: " + ", ".join(f"{name} at {url}" for name, url in mocks.items()))
        say(f"starting the target {order.target}")
        running = target.start(Place(order.loaded, scenario_file, mocks, crew, order.url, order.port, order.client, order.scale))
        client = running.client
        plan = LoadPlan(
            dump(order.loaded), order.loaded.sha256, running.url, str(folder), order.scale, headers=dict(client.headers),
            models=dict(client.models), outcomes={str(status): name for status, name in client.outcomes.items()},
        )  # fmt: skip
        if not running.ours:
            say("asking the target a first time")
            probe(order.loaded.scenario, plan, client.key, mocks)
        say("starting the load generator")
        load_run = LocustRun(crew, plan, order.workers, key=client.key, look=running.look)
        load_run.start()
        refuse_if_edited(order)
        t0 = time.time() + LEAD_S
        set_clocks(mocks, running, t0)
        with sampled(running.processes) as usage, yardstick.watched() as speeds:
            reports = load_run.play(t0, progress)
            load_run.finish()
            running.check()
            settle(mocks, gives_up_after_s(order.loaded.scenario) < np.inf)
        say("collecting the logs")
        truth = {name: read_truth(order, name, url) for name, url in mocks.items()}
        gateway = running.collect()
        samples = sample_files.read(folder)
        asked = f"_mock/certificate?bound_s={bearable_lateness_s(samples):.6f}"
        certificates = {name: json.loads(fetch(f"the mock of {name}", f"{url}/{asked}")) for name, url in mocks.items()}
    run = measured_run(order.loaded.scenario, order.scale, samples, truth, gateway, time.monotonic() - started)
    certificate = certify_run(order.loaded.scenario, order.scale, samples, reports)
    reasons = [*certificate.reasons, *(f"mock of {name}: {why}" for name, each in certificates.items() for why in each["why_invalid"])]
    if not any(map(len, truth.values())) and (run.requests["outcome"] == OK).any():
        reasons.append(f"answers came, but no mock was asked for any: does the target send to {' and '.join(mocks.values())}?")
    counted = samples[samples["arrival_s"] >= order.loaded.scenario.workload.warmup_s]
    return Measured(
        run,
        certificate,
        certificates,
        tuple(reasons),
        tuple(sample_files.frequent_errors(counted)),
        np.concatenate([np.zeros(0, USAGE), *usage]),
        yardstick.typical_s(speeds),
    )


@contextmanager
def work_folder() -> Iterator[Path]:
    """A private temporary folder, gone afterwards; those that runs before us left when they were killed go now."""
    folder = make_work_folder(WORK_PREFIX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def dump(loaded: Loaded) -> str:
    return loaded.scenario.model_dump_json(by_alias=True, exclude_none=True)


def refuse_if_edited(order: Order) -> None:
    """The file that was given must still be the scenario that all parts were started from."""
    try:
        now = load(order.loaded.path, order.overrides).sha256
    except ScenarioError as error:
        raise RunFailed(f"{order.loaded.path} was changed while the run started, and does not load any more:\n{error}") from None
    if now != order.loaded.sha256:
        raise RunFailed(f"{order.loaded.path} was changed while the run started; start it again")


def set_clocks(mocks: dict[str, str], running: Running, t0: float) -> None:
    for name, url in mocks.items():
        post(f"the mock of {name}", f"{url}/_mock/t0", {"t0": t0})
    running.set_t0(t0)
    late_s = time.time() - t0
    if late_s > 0:
        raise RunFailed(f"the parts could not be told the start in time ({late_s:.1f} s late): the machine is too busy")


def settle(mocks: dict[str, str], backlog: bool) -> None:
    """Work whose client has left may still go on, and is billed: wait for it, within SETTLE_S; with a ``backlog`` until no more comes."""
    until, idle_for_s = time.monotonic() + SETTLE_S, IDLE_S if backlog else 0.0
    served = time.monotonic()
    while time.monotonic() < until:
        if any(json.loads(fetch(f"the mock of {name}", f"{url}/_mock/health"))["serving"] for name, url in mocks.items()):
            served = time.monotonic()
        elif time.monotonic() - served >= idle_for_s:
            return
        time.sleep(0.1)


def bearable_lateness_s(samples: np.ndarray) -> float:
    """P99 lateness of the mocks that the measurement can bear: a hundredth of its P99 latency, a tenth of the tolerance on that."""
    answered = samples["latency_s"][samples["outcome"] == OK]
    return 0.01 * float(np.quantile(answered, 0.99)) if len(answered) else 0.0


def read_truth(order: Order, name: str, url: str) -> np.ndarray:
    """A mock's ground truth with dtype TRUTH, its models as indices again."""
    import pyarrow as pa

    table = pa.ipc.open_file(io.BytesIO(fetch(f"the mock of {name}", f"{url}/_mock/truth?format=arrow"))).read_all()
    rows = np.zeros(table.num_rows, TRUTH)
    codes = {
        "model": {model: number for number, model in enumerate(order.loaded.scenario.providers[name].models)},
        "end": {end.name.lower(): int(end) for end in End},
    }
    for column in TRUTH.names or ():
        values = table.column(column)
        rows[column] = [codes[column][value] for value in values.to_pylist()] if column in codes else values.to_numpy()
    return rows


def certify_run(scenario: Scenario, scale: float, samples: np.ndarray, reports: list[dict[str, Any]]) -> Certificate:
    """The load generator's certificate, against the schedule that all parts share."""
    from sim.workload.schedule import build_schedule

    if scenario.workload.waits_for_answers:
        return certify_closed(samples, reports)
    return certify(build_schedule(scenario, scale).arrival_s, samples, reports)
