"""``tenfold init``"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import click

from loadtest.cli.options import examples

STARTER = "starter"
STARTERS = ("chat", "agent", "rag", "batch")


@click.command(
    epilog=examples(
        "tenfold init",
        "tenfold init rag.yaml --from rag",
        "tenfold init support-agent.yaml --from chat",
        "tenfold predict support-agent.yaml --scale 1,10",
    )
)
@click.argument("path", default="scenario.yaml", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--from",
    "starter",
    type=click.Choice(STARTERS),
    help="A chat app, agents with tools, answers from documents, or a batch job; default: a small chat app with one provider.",
)
@click.option("--force", is_flag=True, help="Overwrite a file that is there.")
def command(path: Path, starter: str | None, force: bool) -> None:
    """Write a commented scenario to start from, to PATH (default: scenario.yaml)."""
    from sim.scenario.shipped import shipped_folder

    folder = shipped_folder()
    if folder is None:
        raise click.ClickException("this installation has lost the scenarios that come with Tenfold; install it again")
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(starter_text(folder, path, f"starters/{starter}" if starter else STARTER))
    except FileExistsError:
        raise click.UsageError(f"{path} exists already; --force overwrites it") from None
    except OSError as error:
        raise click.UsageError(f"{path} cannot be written: {error.strerror}") from None
    click.echo(f"wrote {path}; next: tenfold predict {shlex.quote(str(path))} --scale 1,10,100", err=True)


def starter_text(folder: Path, path: Path, starter: str) -> str:
    """A starter scenario, named after its file and with the schema's place as seen from there."""
    text = (folder / f"{starter}.yaml").read_text(encoding="utf-8")
    schema = folder / "tenfold.schema.json"
    here = path.absolute().parent
    near = folder.parent == here or folder.parent in here.parents
    place = os.path.relpath(schema, here) if near else schema.as_uri()
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).lstrip("._-")[:100] or STARTER
    text = re.sub(r"\$schema=\S+", lambda _: f"$schema={place}", text, count=1)
    return re.sub(r"^name: .*", f"name: {name}", text, count=1, flags=re.MULTILINE)
