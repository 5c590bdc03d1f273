"""Options that several verbs share, as decorators: one spelling, one help text, one check each.

A verb's function takes what it decorates itself with: ``path`` (str), ``overrides`` (tuple of ``path=value``), ``scales`` (tuple of floats)
or ``scale``, ``seed`` (int or None: the scenario's), ``replications``, ``workers`` (int or None: all cores), ``cluster`` (str or None),
``as_json``, ``out`` (Path or None), ``quiet``.
"""

from __future__ import annotations

import functools
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from loadtest.targets import TARGETS

F = TypeVar("F", bound=Callable[..., Any])
MOST_SCALES = 100
MOST_WORKERS = 1024
SCHEDULER = re.compile(r"(tcp|tls)://\S+:\d{1,5}")


def positive(text: str) -> float:
    try:
        number = float(text.strip().removesuffix("x"))  # as we say it: 10x
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise click.BadParameter(f"expected positive finite numbers such as 1,10,100, found {text!r}")
    return number


def read_precision(ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """Replications are either counted or added until they suffice, so ``--replications`` has to be read before: it is eager."""
    if value is None:
        return None
    text = value.strip()
    try:
        number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        number = math.nan
    if not 0 < number < 1:
        raise click.BadParameter(f"expected a share between 0 and 1 such as 2% or 0.02, found {value!r}")
    if ctx.get_parameter_source("replications") is ParameterSource.COMMANDLINE:
        raise click.UsageError("--precision finds out how many replications it takes: give it or --replications, not both")
    return number


def read_cluster(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value is not None and not SCHEDULER.fullmatch(value):
        raise click.BadParameter(f"expected the address of a Dask scheduler such as tcp://10.0.0.7:8786, found {value!r}")
    return value


def read_scale(_ctx: click.Context, _param: click.Parameter, value: str) -> float:
    return positive(value)


def read_scales(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[float, ...]:
    numbers = tuple(positive(part) for part in value.split(","))
    if len(numbers) > MOST_SCALES:
        raise click.BadParameter(f"at most {MOST_SCALES} scales at once")
    if twice := [number for index, number in enumerate(numbers) if number in numbers[:index]]:
        raise click.BadParameter(f"{twice[0]:g} stands there twice; give each scale once")
    return numbers


def writable(_ctx: click.Context, _param: click.Parameter, value: Path | None) -> Path | None:
    """Refuse an output directory that cannot be made, before anything runs."""
    if value is None:
        return None
    existing = next(parent for parent in (value, *value.absolute().parents) if parent.exists())
    if not existing.is_dir():
        raise click.BadParameter(f"{existing} is a file; give a directory")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise click.BadParameter(f"{existing} cannot be written to; give another directory")
    return value


scenario = click.argument("path", metavar="SCENARIO", type=click.Path())
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="PATH=VALUE",
    help="Change one value of the scenario, e.g. gateway.queue.concurrency=128. Repeatable.",
)
calibration_option = click.option(
    "--calibration", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Lay what `calibrate` found over the scenario."
)


def overrides(function: F) -> F:
    """``--set``, and ``--calibration`` laid under it: the verb sees both as ``overrides``."""

    @functools.wraps(function)
    def with_calibration(*arguments: Any, calibration: Path | None, overrides: tuple[str, ...], **more: Any) -> Any:
        if calibration is not None:
            from loadtest.cli.calibration_file import laid_over

            over = more.get("path") or more.get("under") or more["name"]  # chaos: the scenario below, or the library's own
            overrides = (*laid_over(calibration, over, bool(more.get("quiet"))), *overrides)
        return function(*arguments, overrides=overrides, **more)

    return set_option(calibration_option(with_calibration))  # type: ignore[return-value]


SCALE_HELP = "Arrival rate times K, capacity untouched.  [default: 1]"
scale = click.option("--scale", default="1", metavar="K", callback=read_scale, help=SCALE_HELP)
scales = click.option("--scale", "scales", default="1", metavar="K[,K…]", callback=read_scales, help=SCALE_HELP)
seed = click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Replaces the scenario's seed.")
precision = click.option(
    "--precision",
    metavar="SHARE",
    callback=read_precision,
    help="Add replications (10 to 200) until mean latency, its P99 and the cost per request are known to within this share, e.g. 2%.",
)
engine = click.option(
    "--engine",
    type=click.Choice(["auto", "simpy", "compiled"]),
    default="auto",
    show_default=True,
    help="What runs the model: SimPy, or compiled code that says the same faster; auto takes it for long runs it can do.",
)
workers = click.option(
    "--workers",
    type=click.IntRange(1, MOST_WORKERS),
    metavar="N",
    help="Processes to share the replications; 1: this one.  [default: one per core, where the run is long enough to pay]",
)
cluster = click.option(
    "--cluster",
    metavar="ADDRESS",
    callback=read_cluster,
    help="Have the replications done by the Dask cluster whose scheduler is at ADDRESS (tcp://…); needs tenfold[cluster].",
)
as_json = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, nothing else.")
out = click.option(
    "-o", "--out", type=click.Path(path_type=Path), metavar="DIR", callback=writable, help="Directory to write the run into."
)
quiet = click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")


TARGET_HELP = "Gateway under test: " + "; ".join(f"{name} ({line})" for name, (_, line) in TARGETS.items()) + "."
target = click.option("--target", type=click.Choice(list(TARGETS)), default="reference", show_default=True, help=TARGET_HELP)


def target_places(function: F) -> F:
    """Where a target is, and what its clients send along: ``url``, ``headers``, ``key``, ``models``, ``allow_remote``, ``port``,
    ``mock_port``.
    """
    for option in reversed((
        click.option("--url", metavar="URL", help="Of the gateway, for --target url. Loopback only, unless --allow-remote."),
        click.option(
            "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="Sent with every request, for --target url. Repeatable."
        ),
        click.option(
            "--key",
            metavar="VARIABLE",
            help="Environment variable with the clients' key, for --target url.  [default: TENFOLD_KEY_CLIENT]",
        ),
        click.option(
            "--model", "models", multiple=True, metavar="OURS=THEIRS", help="The gateway's name of a model, for --target url. Repeatable."
        ),
        click.option("--allow-remote", is_flag=True, help="Send load to a host that is not this machine. Ask its owner first."),
        click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Of the gateway.  [default: a free one]"),
        click.option(
            "--mock-port",
            type=click.IntRange(0, 65_535),
            default=0,
            help="Of the first mock; the others follow in the scenario's order.  [default: free ones]",
        ),
    )):  # fmt: skip
        function = option(function)
    return function


def replications(default: int) -> Callable[[F], F]:
    return click.option(
        "--replications",
        type=click.IntRange(1, 100_000),
        default=default,
        show_default=True,
        is_eager=True,
        metavar="N",
        help="Independent repetitions.",
    )


def examples(*lines: str) -> str:
    """An epilog for ``--help``: command lines to copy, kept as they are written."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
