"""``tenfold VERB``: finds the verb's file, runs it, turns every way of ending into a message and an exit code.

This module and what it imports at its top stay light, so that ``tenfold --help`` is instant.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import click

from loadtest.cli import exit_codes
from sim.scenario.errors import ScenarioError

# verb -> (module that holds its `command`, one line of help), in the order of a first use
VERBS: dict[str, tuple[str, str]] = {
    "init": ("loadtest.cli.init", "Write a commented starter scenario."),
    "import": ("loadtest.cli.importing", "Write a scenario from a log, or a gateway's configuration."),
    "scenarios": ("loadtest.cli.scenarios", "List the scenarios that come with Tenfold."),
    "schema": ("loadtest.cli.schema", "Print the JSON Schema of the scenario language."),
    "explain": ("loadtest.cli.explain", "Say what a property means, its unit, default and choices."),
    "predict": ("loadtest.cli.predict", "Predict latency, errors and cost of a scenario, at any scale."),
    "calibrate": ("loadtest.cli.calibrate", "Find out what a gateway costs, and what it enforces."),
    "verify": ("loadtest.cli.verify", "Run it for real: measurement beside prediction."),
    "sweep": ("loadtest.cli.sweep", "Predict every combination of values, and say which is best."),
    "plan": ("loadtest.cli.plan", "How much it bears within its budgets, and what to raise; or the cheapest way."),
    "ui": ("loadtest.cli.ui", "Turn its knobs on a local page, and see what moves."),
    "check": ("loadtest.cli.check", "Hold a scenario to its budgets: a gate for CI."),
    "chaos": ("loadtest.cli.chaos", "Break it on purpose: what happens, and does it recover?"),
    "audit": ("loadtest.cli.audit", "Hold a scenario beside the field guide: its mistakes, its checklists."),
    "dashboard": ("loadtest.cli.dashboard", "Write a Grafana dashboard and Prometheus alerts for a scenario."),
    "guide": ("loadtest.cli.guide", "Run the field guide: its tables and thresholds beside the model."),
    "compare": ("loadtest.cli.compare", "Is a changed scenario better, and by how much?"),
    "report": ("loadtest.cli.report", "Write report.html for a run directory."),
    "mock": ("loadtest.cli.mock", "Serve a scenario's providers as mock servers."),
    "gateway": ("loadtest.cli.gateway", "Serve the reference gateway of a scenario."),
    "load": ("loadtest.cli.load", "Send a scenario's traffic to a gateway."),
}


class Verbs(click.Group):
    """A group that imports a verb's module only when that verb is used; help comes from the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(VERBS[cmd_name][0]).command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            near = get_close_matches(args[0], VERBS, n=1, cutoff=0.5)
            suggestion = f"Did you mean '{near[0]}'?" if near else f"The verbs are {', '.join(VERBS)}."
            raise click.UsageError(f"There is no verb '{args[0]}'. {suggestion}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(verb, line) for verb, (_, line) in VERBS.items()])


EXAMPLES = """\b
Examples:
  tenfold init my.yaml
  tenfold predict my.yaml --scale 1,10,100
  tenfold verify my.yaml --out results/first

\b
Exit codes: 0 ok, 1 internal error, 2 usage or bad scenario, 3 a budget failed,
4 prediction and measurement disagree, 5 measurement invalid, 130 interrupted.
"""


@click.group(cls=Verbs, subcommand_metavar="VERB [ARGS]...", epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tenfold", message="%(prog)s %(version)s")
def tenfold() -> None:
    """Predict what an LLM gateway will do at 10x and 100x traffic, then prove it against a real deployment."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (default: the process's own) and return its exit code. A verb may return a code or call ctx.exit."""
    color = False if os.environ.get("NO_COLOR") else None
    try:
        code = tenfold.main(list(arguments) if arguments is not None else None, prog_name="tenfold", standalone_mode=False, color=color)
        return code if isinstance(code, int) else exit_codes.OK
    except ScenarioError as error:
        click.echo(error, err=True)
        return exit_codes.USAGE
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return exit_codes.INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except Exception as error:
        return explain_defect(error)


class Unheard(io.FileIO):
    """stdout or stderr. Once whoever reads it has left (``tenfold predict … | head -1``), what is written goes nowhere: the verb still
    ends as it would have, with its own exit code.
    """

    def write(self, content: Any, /) -> int:
        try:
            return super().write(content)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            return len(content)


def unheard(stream: Any) -> Any:
    """The same stream as text, quiet when its reader leaves."""
    if not isinstance(stream, io.TextIOWrapper):  # replaced by whoever embeds us, or closed
        return stream
    stream.flush()
    raw = io.BufferedWriter(Unheard(stream.fileno(), "w", closefd=False))
    return io.TextIOWrapper(raw, stream.encoding, stream.errors, line_buffering=stream.line_buffering)


def flush_results(code: int) -> int:
    """The exit code after what is left of stdout has gone out; the disk may be full."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except OSError as error:
        click.echo(f"the results could not be written: {error.strerror}", err=True)
        # Pointing stdout at nothing keeps the interpreter's own last flush from failing again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return code or exit_codes.INTERNAL


def explain_defect(error: Exception) -> int:
    """Say in one line what went wrong inside Tenfold and where its traceback is (a file; stderr with TENFOLD_TRACEBACK=1)."""
    import tempfile
    import traceback

    text = "".join(traceback.format_exception(error))
    if os.environ.get("TENFOLD_TRACEBACK"):
        click.echo(text, err=True, nl=False)
        where = "the traceback stands above"
    else:
        with tempfile.NamedTemporaryFile("w", prefix="tenfold-traceback-", suffix=".txt", delete=False, encoding="utf-8") as file:
            file.write(text)
        where = f"the traceback is in {file.name} (TENFOLD_TRACEBACK=1 prints it here)"
    click.echo(f"internal error: {type(error).__name__}: {error}\n{where}", err=True)
    return exit_codes.INTERNAL


def main() -> None:
    """The ``tenfold`` command."""
    sys.stdout, sys.stderr = unheard(sys.stdout), unheard(sys.stderr)
    sys.exit(flush_results(run()))


if __name__ == "__main__":
    main()
