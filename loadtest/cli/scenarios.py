"""``tenfold scenarios``"""

from __future__ import annotations

import itertools
import json
import textwrap
from pathlib import Path

import click

from loadtest.cli.options import as_json, examples
from sim.scenario.errors import Problem, ScenarioError


@click.command(epilog=examples("tenfold scenarios", "tenfold predict launch --scale 1,10,100", "tenfold scenarios --json"))
@as_json
def command(as_json: bool) -> None:
    """List the scenarios that come with Tenfold. Any verb takes one by its name."""
    from sim.gateway.language import load
    from sim.scenario.shipped import shipped_folder, shipped_names

    folder = shipped_folder()
    if folder is None:
        hint = "install Tenfold again, or work in a clone"
        raise ScenarioError([Problem("scenarios", "this installation has lost the scenarios that come with Tenfold", hint=hint)])
    rows = [
        {
            "name": name,
            "description": loaded.scenario.description or opening_comment(loaded.path),
            "path": str(loaded.path),
            "sha256": loaded.sha256,
        }
        for name in shipped_names()
        for loaded in [load(folder / f"{name}.yaml")]
    ]
    click.echo(json.dumps({"schema_version": 1, "scenarios": rows}, indent=1, ensure_ascii=False) if as_json else as_table(rows, folder))


def opening_comment(path: Path) -> str:
    """What the file says of itself before its first line of YAML."""
    lines = itertools.takewhile(lambda line: line.startswith("#"), path.read_text(encoding="utf-8").splitlines())
    return " ".join(line.lstrip("# ") for line in lines if not line.startswith("# yaml-language-server"))


def as_table(rows: list[dict[str, str]], folder: Path) -> str:
    """Names and wrapped descriptions in two columns as wide as the terminal."""
    import shutil

    first = max(len(row["name"]) for row in rows) + 2
    width = max(shutil.get_terminal_size((100, 24)).columns - first, 30)
    lines = []
    for row in rows:
        told = textwrap.wrap(row["description"], width) or [""]
        lines += [f"{row['name']:<{first}}{told[0]}", *(" " * first + more for more in told[1:])]
    return "\n".join([*lines, "", f"The files are in {folder}"])
