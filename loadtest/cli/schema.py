"""``tenfold schema``"""

from __future__ import annotations

import click

from loadtest.cli.options import examples


@click.command(
    epilog=examples(
        "tenfold schema > tenfold.schema.json",
        "# then, as the first line of a scenario, for editors with a YAML language server:",
        "# yaml-language-server: $schema=tenfold.schema.json",
    )
)
def command() -> None:
    """Print the JSON Schema of the scenario language (draft 2020-12); editors complete from it."""
    from sim.gateway.language import schema_text

    click.echo(schema_text(), nl=False)
