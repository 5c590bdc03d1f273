"""``tenfold verify``: run it for real, and set the measurement beside the prediction."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import click

from loadtest.cli import exit_codes, options

EXAMPLES = options.examples(
    "tenfold verify launch --out results/first",
    "tenfold verify launch --scale 10 --set workload.duration=2m --set faults=[]",
    "tenfold verify launch --target url --url http://127.0.0.1:8000 --mock-port 9000 --key GATEWAY_KEY --model default=gpt-4o",
)


@click.command("verify", epilog=EXAMPLES)
@options.scenario
@options.overrides
@options.scale
@options.seed
@options.replications(10)
@options.target
@options.target_places
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes that generate load.")
@options.as_json
@options.out
@options.quiet
def command(
    path: str, overrides: tuple[str, ...], scale: float, seed: int | None, replications: int, target: str, url: str | None,
    headers: tuple[str, ...], key: str | None, models: tuple[str, ...], allow_remote: bool, port: int, mock_port: int, workers: int,
    as_json: bool, out: Path | None, quiet: bool,
) -> int:  # fmt: skip
    """Run SCENARIO for real and compare: mock providers, gateway and load generator as separate processes, prediction beside measurement.

    The same requests, answer times and faults that the model draws are played on real sockets. Both are compared request by request, and
    kept in DIR with a report (default: a new directory under results/; with --json nothing is kept unless --out says where). Exit codes:
    0 they agree, 3 a budget failed in the measurement, 4 they disagree, 5 the measurement is invalid.
    """
    from loadtest.cli.interrupts import ends_cleanly
    from loadtest.cli.output import prepared
    from loadtest.measurement.verify import Order
    from mockprovider.processes.supervisor import RunFailed
    from sim.gateway.language import load

    every_override = (*overrides, *(() if seed is None else (f"seed={seed}",)))
    loaded = load(path, every_override)
    check_places(target, url, allow_remote, port, mock_port, len(loaded.scenario.providers))
    client = client_side(target, headers, key, models, loaded.scenario)
    place = None if as_json and out is None else prepared(out, loaded.scenario.name, "verify")
    order = Order(loaded, every_override, target, scale, url, port, mock_port, workers, client)
    with ends_cleanly():
        try:
            return run(order, replications, place, as_json, quiet)
        except RunFailed as failure:
            click.echo(f"measurement invalid: {failure}", err=True)
            if as_json:
                click.echo(json.dumps(nothing_measured(str(failure)), indent=1))
            return exit_codes.INVALID


def run(order: Any, replications: int, place: Path | None, as_json: bool, quiet: bool) -> int:
    from loadtest.cli.output import keep
    from loadtest.cli.predictions import predict_scales
    from loadtest.cli.progress import RunProgress
    from loadtest.measurement.findings import findings
    from loadtest.measurement.verify import measure
    from sim.analysis.validation import NotComparable, compare
    from sim.gateway.language import load
    from sim.report.terminal import console_of, print_summary
    from sim.results.results import gather

    loaded = order.loaded
    # First what takes seconds: a model that cannot predict this should not cost a run.
    prediction = predict_scales(loaded, [order.scale], replications, quiet=quiet)[0]
    with RunProgress(loaded.scenario.workload.duration, quiet, prediction) as progress:
        measured = measure(order, progress.say, progress.tick)
    if (speed := speed_beside(loaded.scenario.gateway, measured.yardstick_s)) is not None:
        if not quiet:
            click.echo(f"the machine was {speed:.2f} times as fast as when it was calibrated: predicted again so", err=True)
        beside = load(loaded.path, (*order.overrides, f"gateway.cpu_speed={loaded.scenario.gateway.cpu_speed * speed:.4f}"))
        prediction = predict_scales(beside, [order.scale], replications, quiet=True)[0]
    try:
        comparison = compare(
            prediction,
            measured.run,
            why_invalid=measured.why_invalid,
            certificate=measured.document(),
            errors=measured.errors,
            findings=findings(measured.run, measured.usage),
        )
    except NotComparable as why:
        raise click.UsageError(f"prediction and measurement cannot be compared: {why}") from None
    results = gather([prediction, measured.run], loaded.sha256, loaded.yaml_text, comparison, target_usage=measured.usage)
    if place is not None:
        keep(results, place)
    if as_json:
        click.echo(json.dumps(results.summary["verify"], indent=1, allow_nan=False))
    else:
        print_summary(results.summary, console_of(sys.stdout))
        click.echo(f"report: {place}/report.html")
    if comparison.verdict == "invalid":
        return exit_codes.INVALID
    if comparison.verdict == "fail":
        return exit_codes.DISAGREEMENT
    broken = any(budget["ok"] is False for budget in results.summary_of(measured.run)["budgets"])
    return exit_codes.GATE if broken else exit_codes.OK


def speed_beside(gateway: Any, yardstick_s: float | None) -> float | None:
    """Of this machine during the measurement, beside what was calibrated; None where either is not known."""
    calibrated_s = gateway.cpu_yardstick
    return None if calibrated_s is None or yardstick_s is None else float(calibrated_s / yardstick_s)


def check_places(target: str, url: str | None, allow_remote: bool, port: int, mock_port: int, mocks: int) -> None:
    """Refuse, before anything starts, what the command line gets wrong: no URL, a remote one, ports that are taken."""
    from loadtest.cli.load import NOT_HTTP
    from loadtest.processes.http_control import is_loopback, port_taken, speaks_http

    if target == "url" and url is None:
        raise click.UsageError("--target url needs --url")
    if target != "url" and url is not None:
        raise click.UsageError("--url goes with --target url")
    if url is not None and not speaks_http(url):
        raise click.UsageError(NOT_HTTP.format(url))
    if url is not None and not allow_remote and not is_loopback(url):
        raise click.UsageError(f"{url} is not this machine; --allow-remote sends load there all the same")
    for option, wanted in (("--port", [port]), ("--mock-port", [mock_port + number for number in range(mocks)] if mock_port else [])):
        for number in wanted:
            if number and (why := port_taken(number)):
                raise click.UsageError(f"port {number} cannot be used: {why} ({option})")


def client_side(target: str, headers: tuple[str, ...], key: str | None, models: tuple[str, ...], scenario: Any) -> Any:
    """What the clients of a gateway that runs already send along. Raises UsageError."""
    from loadtest.generator.request_bodies import DEFAULT_MODEL
    from loadtest.targets.base import ClientSide

    for option, given in (("--header", headers), ("--key", key), ("--model", models)):
        if given and target != "url":
            raise click.UsageError(f"{option} goes with --target url; what Tenfold starts it asks as it must be asked")
    sent = {}
    for header in headers:
        name, colon, value = (part.strip() for part in header.partition(":"))
        if not colon or not name or not value or not HEADER_NAME.fullmatch(name):
            raise click.UsageError(f"--header {header!r}: expected 'NAME: VALUE'")
        if name.lower() in SECRET_HEADERS:
            raise click.UsageError(
                f"--header {name}: a key on the command line is kept in every result; --key names a variable that holds it"
            )
        sent[name] = value
    asked = sorted({each.needs or DEFAULT_MODEL for each in scenario.workload.requests})
    renamed = {}
    for model in models:
        ours, equals, theirs = model.partition("=")
        if not equals or not theirs:
            raise click.UsageError(f"--model {model!r}: expected OURS=THEIRS")
        if ours not in asked:
            raise click.UsageError(f"--model {ours}: this scenario's clients ask for {', '.join(asked)}")
        renamed[ours] = theirs
    return ClientSide(sent, renamed, None if key is None else secret_in(key))


HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
SECRET_HEADERS = ("authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie")


def secret_in(variable: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
        raise click.UsageError("--key takes the name of an environment variable, not a key: command lines are kept in every result")
    if not (value := os.environ.get(variable)):
        raise click.UsageError(f"--key {variable}: that environment variable is not set")
    return value


def nothing_measured(why: str) -> dict[str, Any]:
    """The verify document of a run that did not come to its end."""
    paired = {"requests": 0, "same_outcome": None, "latency_difference_s": {"p50": None, "p95_abs": None}, "why_not": why}
    return {"schema_version": 1, "verdict": "invalid", "why_invalid": [why], "comparison": {}, "paired": paired, "certificate": {}}
