"""``python -m loadtest.generator SCENARIO --url URL --parts N (--master | --worker HOST)``: load from several machines.

Locust's own master and workers do the rest: the master waits for N workers, starts them at one time, and gathers their statistics. Every
worker sends each N-th request of the same schedule, and keeps its samples in its own ``--out``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from loadtest.generator.locust_run import LOCUSTFILE
from loadtest.generator.plan import LoadPlan
from loadtest.processes.http_control import is_loopback
from sim.gateway.language import load
from sim.scenario.errors import ScenarioError


@click.command()
@click.argument("path", metavar="SCENARIO")
@click.option("--url", required=True, help="Base URL of the gateway. Loopback only, unless --allow-remote.")
@click.option("--scale", type=click.FloatRange(min=0, min_open=True), default=1.0, show_default=True, help="Arrival rate times K.")
@click.option("--parts", type=click.IntRange(1, 1000), required=True, help="Workers in all.")
@click.option("--master", "is_master", is_flag=True, help="Be the master.")
@click.option("--worker", "master", metavar="HOST", help="Be a worker of the master at HOST.")
@click.option("--port", type=click.IntRange(1, 65535), default=5557, show_default=True, help="Of the master.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address that the master listens on.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("load"), show_default=True, help="Directory for samples.")
@click.option("--allow-remote", is_flag=True, help="Send load to a host that is not this machine. Ask its owner first.")
def main(
    path: str, url: str, scale: float, parts: int, is_master: bool, master: str | None, port: int, host: str, out: Path, allow_remote: bool
) -> None:
    """Send SCENARIO's traffic from several machines: one --master, and --parts of --worker."""
    if is_master == (master is not None):
        raise click.UsageError("give --master on one machine, and --worker HOST on the others")
    if not allow_remote and not is_loopback(url):
        raise click.UsageError(f"{url} is not this machine; --allow-remote sends load there. Ask its owner first")
    try:
        loaded = load(path)
    except ScenarioError as error:
        raise click.UsageError(str(error)) from None
    out.mkdir(parents=True, exist_ok=True)
    plan = out / "plan.json"
    dumped = loaded.scenario.model_dump_json(by_alias=True, exclude_none=True)
    LoadPlan(dumped, loaded.sha256, url, str(out.absolute()), scale).write(plan)
    argv = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--loglevel", "WARNING"]
    if master is not None:
        argv += ["--worker", "--master-host", master, "--master-port", str(port)]
    else:
        argv += ["--headless", "--users", str(parts), "--spawn-rate", str(parts), "--only-summary", "--host", url, "--master"]
        argv += ["--master-bind-host", host, "--master-bind-port", str(port), "--expect-workers", str(parts), "--csv", str(out / "locust")]
    os.execve(sys.executable, argv, os.environ | {"TENFOLD_PLAN": str(plan), "TENFOLD_PARTS": str(parts), "TENFOLD_START": "auto"})


if __name__ == "__main__":
    main()
