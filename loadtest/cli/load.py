"""``tenfold load``: a scenario's traffic, open loop, against any gateway."""

from __future__ import annotations

import json
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from loadtest.cli import exit_codes, options

EXAMPLES = options.examples(
    "tenfold load launch --url http://127.0.0.1:8000",
    "tenfold load launch --url http://127.0.0.1:8000 --scale 10 --workers 2 --out results/ten",
    "tenfold load launch --url http://127.0.0.1:8000 --locust-web 8089",
)


@click.command("load", epilog=EXAMPLES)
@options.scenario
@options.overrides
@options.scale
@options.seed
@click.option("--url", required=True, help="Base URL of the gateway. Loopback only, unless --allow-remote.")
@click.option("--allow-remote", is_flag=True, help="Send load to a host that is not this machine. Ask its owner first.")
@click.option("--mock", "mocks", multiple=True, metavar="URL", help="A mock provider to be told when the run starts. Repeatable.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes that generate load.")
@click.option("--locust-web", type=click.IntRange(1, 65_535), metavar="PORT", help="Locust's web UI; the run starts when it says so.")
@options.as_json
@options.out
@options.quiet
def command(
    path: str, overrides: tuple[str, ...], scale: float, seed: int | None, url: str, allow_remote: bool, mocks: tuple[str, ...],
    workers: int, locust_web: int | None, as_json: bool, out: Path | None, quiet: bool,
) -> int:  # fmt: skip
    """Send SCENARIO's traffic to the gateway at URL on its precomputed schedule, under Locust, and keep every sample.

    Latency counts from the intended send time. DIR (default: a new directory under results/; with --json nothing is kept unless --out
    says where) gets requests.parquet, certificate.json, the resolved scenario and Locust's own statistics. A client key, if the gateway
    wants one, comes from TENFOLD_KEY_CLIENT. Exit code 5: the generator did not deliver what the schedule says.
    """
    from loadtest.cli.interrupts import ends_cleanly
    from loadtest.cli.output import CannotKeep, prepared
    from loadtest.cli.progress import RunProgress
    from loadtest.processes.http_control import is_loopback, speaks_http
    from mockprovider.processes.supervisor import RunFailed
    from sim.gateway.language import load
    from sim.results.store import StoreError, whole_directory
    from sim.scenario.size import refuse_too_many

    for each in (url, *mocks):
        if not speaks_http(each):
            raise click.UsageError(NOT_HTTP.format(each))
        if not allow_remote and not is_loopback(each):
            raise click.UsageError(f"{each} is not this machine; --allow-remote sends load there all the same")
    loaded = load(path, (*overrides, *(() if seed is None else (f"seed={seed}",))))
    refuse_too_many(loaded.scenario, scale)
    place = None if as_json and out is None else prepared(out, loaded.scenario.name, "load")
    with ends_cleanly(), ExitStack() as stack:
        try:
            folder = stack.enter_context(whole_directory(place)) if place is not None else None
            with RunProgress(loaded.scenario.workload.duration, quiet) as progress:
                document = play(loaded, scale, url, mocks, workers, locust_web, folder, progress, allow_remote)
        except RunFailed as failure:
            raise CannotPlay(str(failure)) from None
        except StoreError as error:
            raise CannotKeep(str(error)) from error
        if as_json:
            click.echo(json.dumps(document, indent=1))
        else:
            print_document(document)
    if place is not None and not as_json:
        click.echo(f"samples: {place}/requests.parquet")
    return exit_codes.OK if document["certificate"]["valid"] else exit_codes.INVALID


NOT_HTTP = "{}: expected http://… or https://…; other schemes are not supported"


class CannotPlay(click.ClickException):
    """The run could not be finished."""

    exit_code = exit_codes.INVALID


def play(
    loaded: Any, scale: float, url: str, mocks: tuple[str, ...], workers: int, web_port: int | None, folder: Path | None, progress: Any,
    allow_remote: bool,
) -> dict[str, Any]:  # fmt: skip
    """Run it; write the samples to ``folder``. Returns what is printed. Raises RunFailed."""
    from loadtest.generator import samples as sample_files
    from loadtest.generator.locust_run import LEAD_S, LocustRun
    from loadtest.generator.plan import LoadPlan
    from loadtest.measurement.verify import certify_run, dump, work_folder
    from mockprovider.processes.supervisor import Crew

    clocks = {mock: f"{mock.rstrip('/').removesuffix('/v1')}/_mock/t0" for mock in mocks}
    if knows_scenario(url, loaded.sha256, allow_remote):
        clocks[url] = f"{url.rstrip('/').removesuffix('/v1')}/_tenfold/t0"
    with work_folder() as work, Crew(work) as crew:
        progress.say("starting the load generator")
        plan = LoadPlan(dump(loaded), loaded.sha256, url, str(work), scale)
        run = LocustRun(crew, plan, workers, web_port, folder)
        run.start()
        if web_port is None:
            t0 = time.time() + LEAD_S
            tell_start(clocks, t0, allow_remote)
            reports = run.play(t0, progress.tick)
        else:
            progress.say(f"Locust waits for you at http://127.0.0.1:{web_port}")
            reports = run.wait(progress.tick)
        run.finish()
        samples = sample_files.read(work)
    document = {"certificate": certify_run(loaded.scenario, scale, samples, reports).document(), **figures(loaded.scenario, samples)}
    if folder is not None:
        sample_files.write_parquet(samples, folder / "requests.parquet")
        (folder / "scenario.yaml").write_text(loaded.yaml_text, encoding="utf-8")
        (folder / "certificate.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return document


def knows_scenario(url: str, sha256: str, allow_remote: bool) -> bool:
    """Whether a gateway of ours is there. Raises UsageError if it runs another scenario, RunFailed if nothing answers at all."""
    from loadtest.processes.http_control import fetch, reachable
    from mockprovider.processes.supervisor import RunFailed

    if not reachable(url):
        raise RunFailed(f"nothing answers at {url}")
    try:
        health = json.loads(fetch("the gateway", f"{url.rstrip('/').removesuffix('/v1')}/healthz", allow_remote))
        told = health.get("scenario_sha256")
    except (RunFailed, ValueError, AttributeError):
        return False
    if told is not None and told != sha256:
        hint = "start both with the same file, and with the same --set and --seed"
        raise click.UsageError(f"the gateway at {url} runs another scenario: its hash differs; {hint}")
    return told is not None


def tell_start(clocks: dict[str, str], t0: float, allow_remote: bool) -> None:
    from loadtest.processes.http_control import post

    for who, clock in clocks.items():
        post(who, clock, {"t0": t0}, allow_remote)


def figures(scenario: Any, samples: Any) -> dict[str, Any]:
    """Outcomes and exact quantiles after the warm-up; latencies of requests that were answered."""
    import numpy as np

    from sim.data.outcomes import count_by_name, is_available

    counted = samples[samples["arrival_s"] >= scenario.workload.warmup_s]
    answered = counted[is_available(counted["outcome"])]
    quantiles = {
        name: {f"p{q}": float(np.nanquantile(answered[name], q / 100)) if np.isfinite(answered[name]).any() else None for q in (50, 95, 99)}
        for name in ("latency_s", "ttft_s")
    }
    outcomes = count_by_name(counted["outcome"])
    errors, counts = np.unique(counted["error"][counted["error"] != b""], return_counts=True)
    frequent = np.argsort(-counts)[:5]
    told = [{"error": errors[place].decode("utf-8", "replace"), "requests": int(counts[place])} for place in frequent]
    return {"requests": len(counted), "outcomes": outcomes, **quantiles, "errors": told}


def print_document(document: dict[str, Any]) -> None:
    from rich.table import Table

    from sim.report.terminal import console_of

    console = console_of(sys.stdout)
    table = Table(box=None, pad_edge=False)
    for column in ("", "p50", "p95", "p99"):
        table.add_column(column, justify="right" if column else "left")
    for name, words in (("latency_s", "latency of answered requests"), ("ttft_s", "time to first token")):
        table.add_row(words, *("-" if value is None else f"{value:.3f} s" for value in document[name].values()))
    console.print(table)
    ended = ", ".join(f"{count:,} {outcome}" for outcome, count in document["outcomes"].items() if count)
    console.print(f"{document['requests']:,} requests: {ended}")
    for each in document["errors"]:
        console.print(f"  {each['requests']:,} × {each['error']}", markup=False)
    certificate = document["certificate"]
    lag = certificate["send_lag_s"]
    delivered = f"rate {certificate['delivered_rate_error']:.3%} off schedule; CPU {certificate['cpu']:.0%}"
    console.print(f"send lag {lag['p50'] * 1e3:.2f} ms (p50), {lag['p99'] * 1e3:.2f} ms (p99); {delivered}", highlight=False)
    for reason in certificate["reasons"]:
        console.print(f"invalid: {reason}", markup=False)
