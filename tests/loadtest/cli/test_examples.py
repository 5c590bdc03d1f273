"""Every command line that help shows can be used as it stands: its options parse, and its scenario loads with its overrides."""

from __future__ import annotations

import importlib
import shlex
import shutil
from pathlib import Path
from typing import Any

import click
import pytest

from loadtest.cli.chaos import names
from loadtest.cli.main import EXAMPLES, VERBS
from sim.gateway.language import load
from sim.scenario.shipped import shipped_folder

STARTERS = ("my.yaml", "support-agent.yaml", "scenario.yaml")  # what ``tenfold init`` writes


def example_lines() -> list[str]:
    epilogs = [EXAMPLES, *(importlib.import_module(module).command.epilog or "" for module, _ in VERBS.values())]
    lines = [line.strip() for epilog in epilogs for line in epilog.splitlines()]
    return [line[line.index("tenfold ") :] for line in lines if "tenfold " in line and not line.startswith("#")]


def words_of(line: str) -> list[str]:
    """The words after ``tenfold``, up to a pipe, a redirection or the remark that stands apart."""
    plain = line.split("   ")[0].removesuffix("…")
    words = shlex.split(plain)[1:]
    return words[: next((index for index, word in enumerate(words) if word in ("|", ">")), None)]


def scenario_in(params: dict[str, Any]) -> str:
    """``chaos`` names one of the library, which may be laid over another."""
    return params["path"] if "path" in params else params["under"] or names(params["name"])[0]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copy(shipped_folder() / "launch.yaml", "launch.yaml")
    return tmp_path


def test_there_are_examples_of_every_verb() -> None:
    assert {words_of(line)[0] for line in example_lines()} == set(VERBS)


@pytest.mark.parametrize("line", example_lines())
def test_an_example_parses_and_its_scenario_loads(line: str, folder: Path) -> None:
    verb, *arguments = words_of(line)
    command: click.Command = importlib.import_module(VERBS[verb][0]).command
    context = command.make_context(verb, arguments)
    if "overrides" in context.params and (named := scenario_in(context.params)):
        scenario = load(
            "starter" if named in STARTERS else named, (*context.params["overrides"], *context.params.get("changes", ()))
        ).scenario
        assert scenario.workload.duration > 0
