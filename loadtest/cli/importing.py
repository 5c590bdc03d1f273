"""``tenfold import``"""

from __future__ import annotations

import json
import re
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loadtest.cli import options
from loadtest.cli.options import examples

if TYPE_CHECKING:
    import numpy as np

    from loadtest.cli.back_test import BackTest
    from sim.data.run import Run
    from sim.importing.assemble import Draft
    from sim.importing.calls import Calls
    from sim.importing.litellm_config import Config
    from sim.importing.skipped import Skipped
    from sim.scenario.load import Loaded

KINDS = ("litellm", "otel", "langfuse", "helicone", "portkey", "openai-usage", "nginx", "envoy", "mooncake", "burstgpt", "dynamo", "table")
SCHEMA_VERSION = 2
MOST_HELD_OUT = 1_000_000
"""Rows; of a longer log its last ones."""
WORTH_PROCESSES = 60_000
ENOUGH_CALLS = 50_000
"""A prediction of a steady rate says no more after so many calls of each replication."""
STEADY_S = 7200.0
"""Of a day, whose profile goes by the hour."""
CONFIGS = (".yaml", ".yml")
HEADING = (
    "Every figure has its evidence above it: n, the distance of Kolmogorov and Smirnov (KS), and what the law misses the log's median, "
    "99th percentile and mean by. Pictures are in the folder beside this file."
)


def read_mapping(_ctx: click.Context, _param: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    pairs = [pair for text in value for pair in ([text] if text.startswith("format=") else text.split(","))]
    mapping = {}
    for pair in pairs:
        ours, equals, theirs = pair.partition("=")
        if not equals or not ours.strip() or not theirs.strip():
            raise click.BadParameter(f"expected ours=theirs such as input_tokens=n_in, found {pair!r}")
        mapping[ours.strip()] = theirs.strip()
    return mapping


@click.command(
    epilog=examples(
        "tenfold import litellm config.yaml --logs spend.jsonl -o my.yaml",
        "tenfold import otel spans.jsonl.gz -o my.yaml",
        "tenfold import table calls.csv --map start=when,duration=took_ms,input_tokens=n_in,output_tokens=n_out -o my.yaml",
        "tenfold import nginx access.log --map format='$msec $request_time $status' -o my.yaml",
    )
)
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("files", nargs=-1, metavar="[CONFIG] [LOG…]", type=click.Path(path_type=Path))
@click.option("--logs", multiple=True, metavar="FILE", type=click.Path(path_type=Path), help="A log; gzip, zstd or plain. Repeatable.")
@click.option(
    "--map", "mapping", multiple=True, metavar="OURS=THEIRS", callback=read_mapping, help="A column's name in the log. Repeatable."
)
@click.option(
    "--arrivals",
    type=click.Choice(["auto", "replay", "fit"]),
    default="auto",
    show_default=True,
    help="Replay the log's calls or fit a rate; auto replays where nothing is lost by it.",
)
@click.option(
    "-o", "--out", "out", required=True, metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="The scenario to write."
)
@click.option("--force", is_flag=True, help="Overwrite a scenario that is there.")
@options.as_json
@options.quiet
def command(
    kind: str,
    files: tuple[Path, ...],
    logs: tuple[Path, ...],
    mapping: dict[str, str],
    arrivals: str,
    out: Path,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write a scenario from a log of KIND, and a LiteLLM configuration: traffic, tokens, latencies, errors and prices with their evidence.

    The answer's first line says how well the scenario reproduces the log. Pictures of the fits are in a folder beside the scenario.
    Prompts and keys are never written: only hashes are made of them, and those stay in memory.
    """
    from sim.importing.skipped import Skipped

    config_file, log_files = told_apart(kind, files, logs)
    if out.exists() and not force:
        raise click.UsageError(f"{out} exists already; --force overwrites it")
    if out.suffix not in CONFIGS:
        raise click.UsageError(f"{out}: a scenario's name ends in .yaml")
    skipped = Skipped()
    config = None
    if config_file is not None:
        from sim.importing.litellm_config import read_config

        config = read_config(config_file)
    log = read_log(kind, log_files, mapping, skipped, quiet) if log_files else None
    made = Import(
        kind, config, log, out, skipped, arrivals, [str(path) for path in (*([config_file] if config_file else []), *log_files)], quiet
    )
    answer = made.run()
    if as_json:
        click.echo(json.dumps(answer, indent=1, allow_nan=False))
        return
    for line in made.lines(answer):
        click.echo(line)


def told_apart(kind: str, files: tuple[Path, ...], logs: tuple[Path, ...]) -> tuple[Path | None, list[Path]]:
    """(configuration, logs). Raises UsageError."""
    configs = [path for path in files if path.suffix in CONFIGS]
    found = [*logs, *(path for path in files if path.suffix not in CONFIGS)]
    if configs and kind != "litellm":
        raise click.UsageError(f"{configs[0]}: only litellm has a configuration that is read; a log of {kind} is no YAML")
    if len(configs) > 1:
        raise click.UsageError("give one configuration")
    if not configs and not found:
        raise click.UsageError("give a log" + (", or a LiteLLM configuration" if kind == "litellm" else ""))
    for path in (*configs, *found):
        if path.is_dir():
            raise click.UsageError(f"{path}: is a directory; name the files in it, such as --logs {path}/*.jsonl, each with its --logs")
        if not path.is_file():
            raise click.UsageError(f"{path}: no such file")
        if path not in configs and set(path.suffixes) & set(CONFIGS):
            raise click.UsageError(f"{path}: a configuration is read as plain YAML: unpack it, and give the {path.stem}")
    return (configs[0] if configs else None), found


def read_log(kind: str, paths: list[Path], mapping: dict[str, str], skipped: Skipped, quiet: bool) -> Calls:
    from sim.importing.read import read

    if not quiet:
        click.echo(f"reading {', '.join(map(str, paths))}", err=True)
    calls, _ = read(kind, paths, mapping, skipped)
    return calls


class Import:
    """One import: drafts, writes, predicts, compares, and keeps what fits best."""

    def __init__(
        self,
        kind: str,
        config: Config | None,
        attempts: Calls | None,
        out: Path,
        skipped: Skipped,
        arrivals: str,
        sources: list[str],
        quiet: bool,
    ) -> None:
        self.kind, self.config, self.attempts, self.out, self.skipped = kind, config, attempts, out, skipped
        self.arrivals, self.sources, self.quiet = arrivals, sources, quiet
        from sim.importing.read import NO_TIMES

        self.timed = NO_TIMES not in skipped.notes

    def run(self) -> dict[str, Any]:
        from sim.importing.pictures import draw

        drafted = self.draft(self.attempts, self.arrivals)
        at_1x = held_out = None
        if self.attempts is not None:
            at_1x = self.back_test(drafted)
            if drafted.has_history and not at_1x.ok:
                plain = self.draft(self.attempts, self.arrivals, history=False)
                again = self.back_test(plain)
                if again.worst < at_1x.worst:
                    drafted, at_1x = plain, again
            held_out = self.hold_out(self.attempts.where(slice(-MOST_HELD_OUT, None)), drafted.log_cost_usd[-MOST_HELD_OUT:])
        heading = self.heading(drafted, at_1x, held_out)
        self.write(drafted, self.out, heading)
        loaded = load(self.out)
        self.say("drawing the fits")
        pictures = draw(drafted.evidence, self.out.with_suffix(".evidence"))
        answer = self.answer(drafted, loaded, at_1x, held_out, pictures)
        (self.out.with_suffix(".evidence") / "import.json").write_text(
            json.dumps(answer, indent=1, allow_nan=False) + "\n", encoding="utf-8"
        )
        return answer

    def draft(self, attempts: Calls | None, arrivals: str, history: bool = True) -> Draft:
        from sim.importing.assemble import draft
        from sim.importing.skipped import Skipped

        self.say("fitting")
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", self.out.stem).lstrip("._-")[:100] or "imported"
        skipped = self.skipped if attempts is self.attempts and history else Skipped()
        return draft(attempts, self.config, name, skipped, self.sources[-1], arrivals, history, self.timed)

    def write(self, drafted: Draft, place: Path, heading: list[str]) -> None:
        from loadtest.cli.output import write_text
        from sim.importing.write import write_scenario

        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            text = write_scenario(drafted, place, heading)
        except OSError as error:
            raise click.UsageError(f"{place} cannot be written: {error.strerror}") from None
        write_text(place, text)

    def back_test(self, drafted: Draft, calls: Calls | None = None, cost_usd: np.ndarray | None = None) -> BackTest:
        """The draft's prediction beside its own log, or beside other calls and what their rows cost."""
        import copy
        from dataclasses import replace

        from loadtest.cli.back_test import compare

        with tempfile.TemporaryDirectory(prefix="tenfold-import-") as folder:
            place = Path(folder) / "scenario.yaml"
            self.write(replace(drafted, data=copy.deepcopy(drafted.data)), place, [])
            loaded = load(place)
            if (rate := steady_rps(loaded)) and rate * loaded.scenario.workload.duration > ENOUGH_CALLS:
                loaded = load(place, f"workload.duration={ENOUGH_CALLS / rate:.6g}s")
            self.say("predicting at 1x")
            beside = drafted.calls if calls is None else calls
            assert beside is not None
            return compare(loaded, beside, drafted.log_cost_usd if cost_usd is None else cost_usd, predict)

    def hold_out(self, attempts: Calls, cost_usd: np.ndarray) -> BackTest | None:
        """Fit on the first part of the log's time, predict the rest. Without times the parts are drawn."""
        from dataclasses import replace

        import numpy as np

        from loadtest.cli.back_test import FEWEST_CALLS, FIRST_PART
        from loadtest.cli.drift import drift
        from sim.importing.calls import folded
        from sim.importing.skipped import Skipped

        cut = int(len(attempts) * FIRST_PART)
        if len(attempts) - cut < FEWEST_CALLS:
            return None
        order = np.arange(len(attempts)) if self.timed else np.random.default_rng(1).permutation(len(attempts))
        first = self.draft(attempts.where(np.sort(order[:cut])), "fit")
        rest = np.sort(order[cut:])
        first.data["faults"] = [fault for fault in first.data.get("faults", ()) if fault["at"] == "0s"]
        tested = self.back_test(first, folded(attempts.where(rest), Skipped(), ""), cost_usd[rest])
        return replace(tested, drift=tuple(drift(attempts.where(np.sort(order[:cut])), attempts.where(rest))))

    def heading(self, drafted: Draft, at_1x: BackTest | None, held_out: BackTest | None) -> list[str]:
        lines = [f"Imported by `tenfold import {self.kind}` from {', '.join(shlex.quote(Path(each).name) for each in self.sources)}."]
        lines.append(self.first_line(drafted, at_1x, held_out))
        lines.append(HEADING)
        return lines

    def first_line(self, drafted: Draft, at_1x: BackTest | None, held_out: BackTest | None) -> str:
        if at_1x is None:
            return "No log: routes, limits and policies are the configuration's; traffic, tokens and latencies are assumptions."
        if not at_1x.held.keys() - {"availability"}:
            return f"The log has neither latencies nor costs: {at_1x.calls:,} calls are reproduced in number and size only."
        verdict = "The scenario reproduces its log at 1x" if at_1x.ok else "The scenario does NOT reproduce its log at 1x"
        missing = "" if "latency_s.p50" in at_1x.held else " (the log has no latencies: those are assumptions)"
        priced = f", cost by {drafted.cost_is}" if "cost_usd.per_request" in at_1x.held and drafted.cost_is != "as logged" else ""
        told = f"{verdict}: {at_1x.says()} over {at_1x.calls:,} calls{priced}{missing}"
        if held_out is not None:
            inside = "within" if held_out.inside else "NOT within"
            part = f" of the last {MOST_HELD_OUT:,} calls" if self.attempts is not None and len(self.attempts) > MOST_HELD_OUT else ""
            told += f"; fitted on the first 70 %{part}, the rest came out {inside} its interval: {held_out.says(bars=False)}"
            if not held_out.inside:
                told += f"; the log drifts: {'; '.join(held_out.drift)}" if held_out.drift else "; no drift is seen in the log"
        return told + "."

    def answer(
        self, drafted: Draft, loaded: Loaded, at_1x: BackTest | None, held_out: BackTest | None, pictures: list[str]
    ) -> dict[str, Any]:
        skipped = {
            kind: [each.as_dict(why) for why, each in reasons.items()]
            for kind, reasons in (("lines", self.skipped.lines), ("notes", self.skipped.notes))
        }
        return {
            "schema_version": SCHEMA_VERSION,
            "scenario": str(self.out),
            "scenario_sha256": loaded.sha256,
            "kind": self.kind,
            "says": self.first_line(drafted, at_1x, held_out),
            "calls": 0 if drafted.calls is None else len(drafted.calls),
            "skipped": skipped,
            "back_test": None if at_1x is None else at_1x.as_dict(),
            "hold_out": None if held_out is None else held_out.as_dict(),
            "fits": [each.as_dict() for each in drafted.evidence],
            "weak": [f"{each.path}: {each.says}" for each in drafted.evidence if each.weak],
            "not_modelled": [] if self.config is None else [{"key": key, "means": means} for key, means in self.config.unmodelled],
            "warnings": [str(each) for each in loaded.warnings],
            "pictures": pictures,
            "table": [] if at_1x is None else at_1x.table(),
            "off": [] if at_1x is None else at_1x.off(),
        }

    def lines(self, answer: dict[str, Any]) -> list[str]:
        """The answer for people: how well it fits; what was skipped; what is weak; what is not modelled; what to do next."""
        lines = [answer["says"], *([""] if answer["table"] else []), *answer["table"], ""]
        lines += self.skipped.says()
        lines += [f"weak: {each}" for each in answer["weak"][:12]]
        if len(answer["weak"]) > 12:
            lines.append(f"weak: … and {len(answer['weak']) - 12} more, each said in the scenario")
        lines += [f"not modelled: {each['key']}: {each['means']}" for each in answer["not_modelled"]]
        lines += [f"warning: {each}" for each in answer["warnings"]]
        lines.append(f"wrote {self.out}, and {len(answer['pictures'])} pictures in {self.out.with_suffix('.evidence')}")
        lines += answer["off"]
        place = shlex.quote(str(self.out))
        if answer["off"]:
            lines.append(f"next: put that right before any other scale; tenfold predict {place} --scale 1 shows whether it is")
        else:
            lines.append(f"next: tenfold predict {place} --scale 1,10,100")
        return lines

    def say(self, what: str) -> None:
        if not self.quiet:
            click.echo(what, err=True)


def steady_rps(loaded: Loaded) -> float | None:
    """The rate of arrivals, where a part of the duration is like any other: nothing is added up over it, and no fault has its time. A day's
    profile goes by the hour.
    """
    from sim.scenario.model import Gamma, Poisson, Users
    from sim.scenario.size import expected_requests

    scenario, arrivals = loaded.scenario, loaded.scenario.workload.arrivals
    if scenario.faults or scenario.gateway.spend_limit is not None:
        return None
    if isinstance(arrivals, Poisson | Gamma):
        return arrivals.rate.rps
    within_hours = isinstance(arrivals, Users) and scenario.workload.duration <= STEADY_S
    return expected_requests(scenario) / scenario.workload.duration if within_hours else None


def load(place: Path, *overrides: str) -> Loaded:
    from sim.gateway.language import load as load_scenario

    return load_scenario(place, overrides)


def predict(loaded: Loaded, replications: int) -> Run:
    from loadtest.cli.predictions import predict_scales
    from sim.scenario.size import expected_requests

    few = expected_requests(loaded.scenario) * replications < WORTH_PROCESSES
    (run,) = predict_scales(loaded, [1.0], replications, quiet=True, workers=1 if few else None)
    return run
