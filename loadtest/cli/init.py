"""``tenfold init``"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import click

from loadtest.cli.options import examples

STARTER = "starter"


@click.command(epilog=examples("tenfold init", "tenfold init support-agent.yaml", "tenfold predict support-agent.yaml --scale 1,10"))
@click.argument("path", default="scenario.yaml", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Overwrite a file that is there.")
def command(path: Path, force: bool) -> None:
    """Write a commented scenario to start from, to PATH (default: scenario.yaml)."""
    from sim.scenario.shipped import shipped_folder

    folder = shipped_folder()
    if folder is None:
        raise click.ClickException("this installation has lost the scenarios that come with Tenfold; install it again")
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(starter_text(folder, path))
    except FileExistsError:
        raise click.UsageError(f"{path} exists already; --force overwrites it") from None
    except OSError as error:
        raise click.UsageError(f"{path} cannot be written: {error.strerror}") from None
    click.echo(f"wrote {path}; next: tenfold predict {shlex.quote(str(path))} --scale 1,10,100", err=True)


def starter_text(folder: Path, path: Path) -> str:
    """The starter scenario, named after its file and with the schema's place as seen from there."""
    text = (folder / f"{STARTER}.yaml").read_text(encoding="utf-8")
    schema = folder / "tenfold.schema.json"
    here = path.absolute().parent
    near = folder.parent == here or folder.parent in here.parents
    place = os.path.relpath(schema, here) if near else schema.as_uri()
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).lstrip("._-")[:100] or STARTER
    text = re.sub(r"\$schema=\S+", lambda _: f"$schema={place}", text, count=1)
    return text.replace(f"name: {STARTER}\n", f"name: {name}\n", 1)
