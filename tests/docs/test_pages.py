"""What the pages show can be used as it stands: scenarios load, command lines parse, links lead somewhere, the site builds."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shlex
import shutil
from pathlib import Path

import click
import pytest
import yaml

from loadtest.cli.main import VERBS
from sim.gateway.language import Scenario, load
from sim.scenario.shipped import shipped_folder
from tests.docs.pages import ROOT, Block, all_blocks, blocks, commands, pages

YAML = all_blocks("yaml")
COMMANDS = [(block, line) for block in all_blocks("", "sh") for line in commands(block)]
TARGETS = re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("block", YAML, ids=lambda block: block.place)
def test_a_block_of_yaml_is_a_scenario_that_loads_or_a_file_that_is_named(block: Block, tmp_path: Path) -> None:
    tree = yaml.safe_load(block.text)
    if block.title:
        assert tree
        return
    assert set(tree) <= {*Scenario.model_fields, "extends"}, "not a scenario: give the block the title of its file"
    whole = {"tenfold", "workload", "gateway", "providers"} <= set(tree)
    file = tmp_path / "block.yaml"
    shutil.copy(shipped_folder() / "starter.yaml", tmp_path)
    file.write_text(block.text if whole or "extends" in tree else f"extends: starter.yaml\n{block.text}")
    assert load(file).scenario.workload.duration > 0


@pytest.mark.parametrize(("block", "line"), COMMANDS, ids=[f"{block.place} {line}" for block, line in COMMANDS])
def test_a_command_line_parses(block: Block, line: str) -> None:
    words = [word for word in shlex.split(line) if "=" not in word or word.startswith("-") or not word.split("=")[0].isupper()]
    words = words[: next((index for index, word in enumerate(words) if word in ("|", ">", "&")), None)]
    match words:
        case ["tenfold", "--help"]:
            return
        case ["tenfold", verb, *arguments]:
            command: click.Command = importlib.import_module(VERBS[verb][0]).command
            try:
                command.make_context(verb, arguments)
            except click.BadParameter as error:  # what an earlier command of the page, or the reader, has written
                if not str(error).endswith("does not exist."):
                    raise
        case ["make", *targets]:
            assert set(targets) <= set(TARGETS)
        case [python, "-m", module, *_] if python.startswith("python"):
            assert importlib.util.find_spec(module)
        case _:
            files = [word for word in words if word.startswith("docs/")]
            assert all((ROOT / file).exists() for file in files)


def test_every_verb_is_shown_on_some_page() -> None:
    shown = {shlex.split(line)[1] for _, line in COMMANDS if line.startswith("tenfold ")}
    assert set(VERBS) - shown <= {"gateway", "load", "report", "scenarios", "schema"}, "these stand in the reference alone"


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_fence_of_a_page_is_closed_and_of_a_known_kind(page: Path) -> None:
    found = list(blocks(page))
    fences = [line for line in page.read_text().splitlines() if line.lstrip().startswith("```")]
    assert len(fences) == 2 * len(found)
    assert {block.kind for block in found} <= {"", "sh", "yaml", "text", "csv", "python", "json"}


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    build = pytest.importorskip("mkdocs.commands.build")
    from mkdocs.config import load_config

    place = tmp_path_factory.mktemp("site")
    build.build(load_config(str(ROOT / "docs" / "site" / "mkdocs.yml"), site_dir=str(place), strict=True))
    return place


def test_the_site_builds_without_a_broken_link(site: Path) -> None:
    assert (site / "index.html").is_file()
    assert not list(site.rglob("*.py"))


def test_the_reference_has_every_key_verb_figure_and_outcome(site: Path) -> None:
    from sim.data.outcomes import KINDS
    from sim.gateway.language import Gateway
    from sim.scenario.metric_names import METRIC_NAMES

    for page, words in {
        "language": [*Gateway.model_fields, *Scenario.model_fields],
        "verbs": list(VERBS),
        "metrics": list(METRIC_NAMES),
        "outcomes": [kind.name for kind in KINDS],
    }.items():
        text = (site / "reference" / page / "index.html").read_text()
        assert not [word for word in words if not re.search(rf"\b{re.escape(word)}\b", text)]


def test_llms_txt_links_to_pages_that_the_site_has(site: Path) -> None:
    text = (site / "llms.txt").read_text()
    links = re.findall(r"\]\(([^)]+)\.md\)", text)
    assert len(links) > 10
    assert not [link for link in links if not (site / link / "index.html").is_file()]
    assert len(text) < 4_000
