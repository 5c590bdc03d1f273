"""A calibration from its first request to its result: mocks and target started, experiments run one by one, each kept as it ends."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

from loadtest.calibration import EXPERIMENTS
from loadtest.calibration.bench import Bench, open_bench
from loadtest.calibration.calibration import Calibration, Identity, declared_at, gateway_of, gateway_sha256
from loadtest.calibration.figure import FOUND, Figure, nothing, unknown
from loadtest.calibration.probe_scenario import probe_scenario
from loadtest.calibration.rate_limits import limit_in
from loadtest.generator.plan import LoadPlan
from loadtest.generator.request_bodies import DEFAULT_MODEL
from loadtest.targets import find_target
from loadtest.targets.base import ClientSide, Place
from loadtest.targets.install import RECIPES
from loadtest.targets.probe import probe
from mockprovider.processes.supervisor import Crew
from mockprovider.supervisor import start_mocks
from sim.data.temp_folders import make_work_folder
from sim.results.provenance import host
from sim.scenario.errors import Problem, ScenarioError
from sim.scenario.load import Loaded
from sim.scenario.targets import target_names

BOTH_WAYS = ("costs", "streaming")
"""Experiments that set streams beside whole answers; the others ask as the scenario's clients do."""
WORK_PREFIX = "tenfold-calibration-"
FIRST_ASKED = 2  # requests for each provider
SAME = 0.02
Say = Callable[[str], None]
Declared = Mapping[str, Any]


@dataclass(frozen=True)
class Order:
    """What to calibrate. ``kept``: the file in which figures gather until all are there; ``url`` … as for ``verify``; ``only`` these
    experiments, by their modules, all if empty.
    """

    loaded: Loaded
    target: str
    kept: Path
    url: str | None = None
    port: int = 0
    mock_port: int = 0
    client: ClientSide = field(default_factory=ClientSide)
    only: tuple[str, ...] = ()


def calibrate(order: Order, say: Say) -> Calibration:
    """Raises RunFailed when a part cannot start or ends before its time, ScenarioError for what the target cannot do."""
    target = find_target(order.target)
    if impossible := target.cannot(order.loaded):
        raise ScenarioError([Problem(str(order.loaded.path), f"{what} (target {order.target})") for what in impossible])
    identity = identity_of(order.loaded, order.target)
    done = kept_figures(order.kept, identity, say)
    folder = make_work_folder(WORK_PREFIX)
    try:
        with Crew(folder) as crew:
            say("starting the mock providers")
            mocked = probe_scenario(order.loaded, folder)
            mocks = {mock.provider: mock.url for mock in start_mocks(crew, mocked, folder / "mocks.yaml", first_port=order.mock_port)}
            scenario_file = folder / "scenario.yaml"
            scenario_file.write_text(order.loaded.yaml_text, encoding="utf-8")
            say(f"starting the target {order.target}")
            running = target.start(Place(order.loaded, scenario_file, mocks, crew, order.url, order.port, order.client))
            asked = order.loaded.scenario.workload.requests[0].needs or DEFAULT_MODEL
            client, asked_before = running.client, 0
            if not running.ours:
                say("asking the target a first time")
                asked_before = len(target_names(mocked.scenario)) * len({each.needs for each in mocked.scenario.workload.requests})
                plan = LoadPlan("", mocked.sha256, running.url, str(folder), headers=dict(client.headers), models=dict(client.models))
                probe(mocked.scenario, plan, client.key, mocks)

            async def run() -> None:
                bench = open_bench(running.url, mocks, client.models.get(asked, asked), client.headers, client.key)
                bench.processes = running.processes
                bench.mock_models = {
                    name: next(iter(provider.models))
                    for name, provider in mocked.scenario.providers.items()
                    if provider.dialect == "openai"
                }
                bench.asked = [time.monotonic()] * asked_before
                try:
                    await experiments(order, bench, identity, done, say)
                finally:
                    await bench.close()

            asyncio.run(run())
            running.check()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    figures = told_apart([figure for each in EXPERIMENTS for figure in done.get(each, ())])
    paths = sorted({figure.path for figure in figures if figure.path is not None})
    tree = order.loaded.tree()
    declared = {path: value for path in paths if (value := declared_at(tree, path)) is not None}
    return Calibration(identity, datetime.now(UTC).isoformat(timespec="seconds"), figures, declared)


async def experiments(order: Order, bench: Bench, identity: Identity, done: dict[str, list[Figure]], say: Say) -> None:
    """Those that are not done; each one's figures are kept as it ends."""
    declared = hints(order.loaded)
    streams = order.loaded.scenario.workload.client.stream
    await bench.begin()
    bench.usual = frozenset(await bench.targets(FIRST_ASKED * len(bench.mocks)))
    bench.limit = limit_in(done.get("rate_limits", []), globally=True)
    for number, (module, subject) in enumerate(EXPERIMENTS.items(), 1):
        bench.places = next((figure.value for figure in done.get("admission", []) if figure.name == "concurrency"), None)
        if module in done or (order.only and module not in order.only):
            continue
        say(f"{number}/{len(EXPERIMENTS)}: {subject}")
        started = time.monotonic()
        bench.stream = streams and module not in BOTH_WAYS
        await bench.begin()
        if not await bench.recovers():
            done[module] = [unknown(subject, None, "the gateway refuses every request, and did not come back")]
            continue
        experiment: Callable[[Bench, Declared], Awaitable[list[Figure]]] = import_module(f"loadtest.calibration.{module}").experiment
        done[module] = await experiment(bench, declared)
        await bench.heal()
        say(f"    {len(done[module])} figures in {time.monotonic() - started:.0f} s")
        keep(order.kept, identity, done)


def told_apart(figures: Sequence[Figure]) -> tuple[Figure, ...]:
    """Without what one experiment took for a policy of its own and another one explains: a timeout of the whole ends waiting, too."""
    by_name = {figure.name: figure for figure in figures}
    wait, whole = by_name.get("queue timeout"), by_name.get("timeout of the whole")
    if wait is None or whole is None or wait.state != FOUND or whole.low is None or whole.high is None:
        return tuple(figures)
    assert wait.low is not None
    assert wait.high is not None
    if wait.high < whole.low - SAME * whole.low or wait.low > whole.high + SAME * whole.high:
        return tuple(figures)
    with_it = nothing(wait.name, wait.path, f"{wait.evidence}, as the timeout of the whole says")
    return tuple(with_it if figure is wait else figure for figure in figures)


def identity_of(loaded: Loaded, target: str) -> Identity:
    recipe = RECIPES.get(target)
    version = recipe.version if recipe is not None else package_version("tenfold") if target == "reference" else ""
    return Identity(
        loaded.scenario.name, gateway_sha256(loaded), target, version, machine(), package_version("tenfold"), gateway_of(loaded)
    )  # fmt: skip


def machine() -> dict[str, Any]:
    """What of this machine bears on how fast a gateway is; memory does not."""
    return {key: value for key, value in host().items() if key != "memory_bytes"} | {"cpu": cpu_model()}


def cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def hints(loaded: Loaded) -> dict[str, Any]:
    """What the scenario declares, by path: where to look, never what is found."""
    from loadtest.calibration.calibration import flat, number

    found: dict[str, Any] = {}
    for path, value in flat(gateway_of(loaded)):
        seconds = number(value) if isinstance(value, str) else None
        found[f"gateway.{path}"] = seconds if isinstance(seconds, float) else value
    return found


# ---- what is kept between the experiments


def kept_figures(path: Path, identity: Identity, say: Say) -> dict[str, list[Figure]]:
    """Of a calibration of the same gateway that did not come to its end."""
    try:
        text = path.read_text(encoding="utf-8")
        if not text:
            return {}
        told = json.loads(text)
        before = Identity(**told["of"])
        done = {module: [Figure.of(figure) for figure in figures] for module, figures in told["done"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        say(f"{path} is not what was kept of a calibration: begins anew")
        return {}
    if differences := before.differences(identity):
        say(f"{path} is of another calibration ({'; '.join(differences)}): begins anew")
        return {}
    done = {module: figures for module, figures in done.items() if module in EXPERIMENTS}
    say(f"goes on where it was ended: {len(done)} of {len(EXPERIMENTS)} experiments are in {path}")
    return done


def keep(path: Path, identity: Identity, done: Mapping[str, list[Figure]]) -> None:
    document = {"of": vars(identity), "done": {module: [figure.document() for figure in figures] for module, figures in done.items()}}
    partial = path.with_name(f"{path.name}.tmp")
    partial.write_text(json.dumps(document, indent=1), encoding="utf-8")
    partial.replace(path)
