"""``tenfold explain``"""

from __future__ import annotations

import textwrap

import click

from loadtest.cli.options import examples


@click.command(
    epilog=examples(
        "tenfold explain gateway.retry.backoff",
        "tenfold explain workload.arrivals.users",
        "tenfold explain providers.openai.models.gpt-4o.ttft",
        "tenfold explain latency.p99                      a figure, as budgets name it",
    )
)
@click.argument("path", metavar="PATH")
def command(path: str) -> None:
    """Say what stands at PATH of a scenario: meaning, form and unit, default, choices, and which file reads it. Or what a figure is that
    budgets may name.
    """
    import shutil

    from sim.gateway.explain import explain, explain_figure
    from sim.scenario.budgets import BudgetError
    from sim.scenario.find import UnknownPlace

    width = max(min(shutil.get_terminal_size((100, 24)).columns, 120), 60)
    try:
        text = explain(path)
    except UnknownPlace as error:
        try:
            text = explain_figure(path)
        except BudgetError:
            raise click.UsageError(str(error.args[0])) from None
    for line in text.splitlines():
        click.echo(textwrap.fill(line, width, subsequent_indent="      ", break_on_hyphens=False) if line.strip() else "")
