"""``tenfold chaos``"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from loadtest.cli import exit_codes, options
from loadtest.cli.options import examples
from loadtest.targets import TARGETS

if TYPE_CHECKING:
    from sim.data.run import Run
    from sim.scenario.load import Loaded

ALL = "all"
FOLDER = "chaos/"


@click.command(
    epilog=examples(
        "tenfold chaos provider_blackout",
        "tenfold chaos provider_brownout --on launch --scale 3",
        "tenfold chaos provider_blackout --target reference --duration 90s",
        "tenfold chaos all --json | jq '.runs[] | select(.recovered == false).scenario'",
    )
)
@click.argument("name", metavar="NAME|all")
@click.option("--on", "under", metavar="SCENARIO", help="Lay NAME's faults over this scenario, on its own providers.")
@click.option(
    "--target", type=click.Choice([name for name in TARGETS if name != "url"]), help="Play it for real against this gateway, too."
)
@click.option("--duration", metavar="TIME", help="Squeeze it into this time, faults and all, such as 60s.")
@options.overrides
@options.scale
@options.seed
@options.replications(5)
@options.workers
@options.as_json
@options.quiet
def command(
    name: str,
    under: str | None,
    target: str | None,
    duration: str | None,
    overrides: tuple[str, ...],
    scale: float,
    seed: int | None,
    replications: int,
    workers: int | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Run a chaos scenario in the model: what happens before, during and after, and does it recover?

    NAME is one of the library (`tenfold scenarios` lists it) or a file. Where it does not recover, changes that may help are tested, each
    by a run with it. Exit code 3 when an assertion does not hold, or the samples cannot say. With --target it is played for real, too:
    the mocks have the same faults at the same times, the assertions are held to the measurement, and the model's figures stand beside it
    (exit code 4 where they disagree, 5 where the measurement is invalid).
    """
    from sim.analysis.chaos import SCHEMA_VERSION
    from sim.report.chaos import matrix, print_chaos
    from sim.report.terminal import console_of
    from sim.scenario.overlay import NothingToLay

    if target is not None:
        from loadtest.cli.chaos_live import played
        from sim.gateway.language import load

        if name == ALL:
            raise click.UsageError("--target plays one scenario at a time, each for as long as it lasts: name one")
        (each,) = names(name)
        try:
            path, given = under or each, changes_of(each, under, duration, overrides, seed)
        except NothingToLay as why:
            raise click.UsageError(f"{why}; run it without --on") from None
        return played(load(path, given), given, target, scale, as_json, quiet)
    documents, left_out = [], []
    for each in names(name):
        try:
            changes = changes_of(each, under, duration)
        except NothingToLay as why:
            if name != ALL:
                raise click.UsageError(f"{why}; run it without --on") from None
            left_out.append(str(why))
            continue

        def run(more: tuple[str, ...] = (), each: str = each, changes: tuple[str, ...] = changes) -> tuple[Run, Loaded]:
            return predicted(under or each, (*changes, *overrides, *more), each, scale, replications, seed, workers, quiet)

        documents.append(told(run, suggests=name != ALL))
    if as_json:
        whole: Any = documents[0] if name != ALL else {"schema_version": SCHEMA_VERSION, "runs": documents, "left_out": left_out}
        click.echo(json.dumps(whole, indent=1, allow_nan=False))
    elif name != ALL:
        print_chaos(documents[0], console_of(sys.stdout))
    else:
        click.echo(verdict_of_all(documents))
        click.echo()
        console_of(sys.stdout).print(matrix(documents))
        for reason in left_out:
            click.echo(f"left out: {reason}")
    return exit_codes.OK if all(document["verdict"] == "pass" for document in documents) else exit_codes.GATE


def names(name: str) -> list[str]:
    """The scenarios meant, as ``load`` finds them. Raises UsageError for one that is not there."""
    from pathlib import Path

    from sim.scenario.errors import did_you_mean
    from sim.scenario.shipped import shipped_names

    library = [each for each in shipped_names() if each.startswith(FOLDER)]
    if name == ALL:
        return library
    if Path(name).exists():
        return [name]
    known = [each.removeprefix(FOLDER) for each in library]
    bare = name.removeprefix(FOLDER).replace("-", "_")
    if bare not in known:
        hint = did_you_mean(bare, [*known, ALL]) or f"the library has {', '.join(known)}"
        raise click.UsageError(f"there is no chaos scenario {name!r}; {hint}")
    return [FOLDER + bare]


def overlaid(name: str, under: str | None) -> tuple[str, ...]:
    """Overrides that lay the faults of a scenario over another. Raises NothingToLay."""
    from sim.gateway.language import load
    from sim.scenario.overlay import overlay

    return () if under is None else overlay(load(name).scenario, load(under).scenario)


def changes_of(
    name: str, under: str | None, duration: str | None, overrides: tuple[str, ...] = (), seed: int | None = None
) -> tuple[str, ...]:
    """All overrides of a run: faults laid over another scenario, the given ones, and what squeezes it. Raises NothingToLay, UsageError."""
    from sim.gateway.language import load
    from sim.scenario.shorten import shortened
    from sim.scenario.units import parse_duration

    changes = (*overlaid(name, under), *overrides, *(() if seed is None else (f"seed={seed}",)))
    if duration is None:
        return changes
    try:
        return (*changes, *shortened(load(under or name, changes).scenario, parse_duration(duration)))
    except ValueError as error:
        raise click.UsageError(f"--duration {duration}: {error}") from None


def predicted(
    path: str, overrides: tuple[str, ...], name: str, scale: float, replications: int, seed: int | None, workers: int | None, quiet: bool
) -> tuple[Run, Loaded]:
    from loadtest.cli.predictions import predict_scales
    from sim.gateway.language import load

    loaded = load(path, overrides)
    if not quiet:
        click.echo(f"running {name.removeprefix(FOLDER)}", err=True)
    return predict_scales(loaded, [scale], replications, seed, quiet, workers=workers)[0], loaded


def told(run: Any, suggests: bool) -> dict[str, Any]:
    """The document of a run; where it does not recover, with what was tested against that."""
    from sim.analysis.chaos import chaos_document
    from sim.analysis.remedies import remedies_for, together

    first, loaded = run()
    document = chaos_document(first, loaded.sha256)
    if document["recovered"] is not False or not suggests:
        return document
    remedies = remedies_for(first)
    suggestions = [tested(run, remedy) for remedy in remedies]
    if len(remedies) > 1 and not any(one["recovered"] for one in suggestions):
        suggestions.append(tested(run, together(remedies)))
    document["suggestions"] = sorted(suggestions, key=lambda one: (not one["recovered"], one["recovery_time_s"] or 0.0))
    return document


def tested(run: Any, remedy: Any) -> dict[str, Any]:
    """What a run with the remedy comes to."""
    from sim.analysis.chaos import chaos_document
    from sim.report.chaos import recovery_words

    changed, loaded = run(remedy.overrides)
    document = chaos_document(changed, loaded.sha256)
    return {
        "words": remedy.words,
        "overrides": list(remedy.overrides),
        "recovered": document["recovered"],
        "recovery_time_s": document["recovery_time_s"],
        "availability_after": document["phases"].get("after", {}).get("availability", {}).get("value"),
        "cost_usd_per_request_after": document["phases"].get("after", {}).get("cost_usd", {}).get("per_request", {}).get("value"),
        "says": recovery_words(document),
    }


def verdict_of_all(documents: list[dict[str, Any]]) -> str:
    """One line: how many recover, how many do as asserted."""
    judged = [document for document in documents if document["recovered"] is not None]
    recovered = [document for document in judged if document["recovered"]]
    holding = [document for document in documents if document["verdict"] == "pass"]
    stuck = ", ".join(document["scenario"] for document in judged if not document["recovered"])
    return (
        f"{len(recovered)} of {len(judged)} recover{f' (not: {stuck})' if stuck else ''}; "
        f"in {len(holding)} of {len(documents)} every assertion holds"
    )
