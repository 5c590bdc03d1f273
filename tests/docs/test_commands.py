"""The commands of the pages run, in their order, page by page, with less traffic than they say."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from loadtest.cli.main import run
from tests.docs.pages import ROOT, blocks, commands, pages

pytestmark = pytest.mark.slow
NEEDS_MORE = {
    r"--target": "a gateway that runs, or real processes, which the tests of verify and of live chaos start",
    r"\b(mock|ui)\b": "serves until it is stopped",
    r"--cluster": "a Dask cluster",
    r"access\.log|spend\.jsonl": "a log of the reader's",
    r"chaos all": "the whole library, which the tests of chaos run",
    r"\bverify\b": "real processes, which the tests of the wheel and of verify start",
    r"--help": "ends the process",
    r"\baudit\b": "a minute, and its own tests",
    r"k6_summary|runs/|--measured|--baseline|--against|--update-baseline": "earlier runs of the reader's, see the tests of check",
    r"\bcalibrat": "a gateway that runs",
}
"""Lines that are not run here, and what they need."""
LESS = ["--replications", "2", "--set", "workload.duration=20s", "--set", "workload.warmup=2s"]
IMPORTED = ("mine.yaml", "proxy.yaml")
PREDICTING = ("predict", "compare", "sweep", "plan", "check", "chaos", "dashboard")


def lines_of(page: Path) -> list[str]:
    found = [line for block in blocks(page) if block.kind in ("", "sh") for line in commands(block) if line.startswith("tenfold ")]
    return [line for line in found if not any(re.search(pattern, line) for pattern in NEEDS_MORE)]


def shorter(line: str) -> list[str]:
    """The words after ``tenfold``, with less to do: the figures do not matter here."""
    words = shlex.split(line)[1:]
    words = words[: next((place for place, word in enumerate(words) if word in ("|", ">")), None)]
    if words[0] == "init" and "--force" not in words:
        return [*words, "--force"]
    if words[0] == "guide":
        return [*words, "--replications", "2"]
    if words[0] not in PREDICTING:
        return words
    if words[0] == "chaos":  # its faults have their own times
        return [*words, "--replications", "1"]
    for option in ("--precision", "--replications"):
        if option in words:
            place = words.index(option)
            del words[place : place + 2]
    words = [re.sub(r"^1,10,100$", "1,10", word) for word in words]
    own_times = words[1] in IMPORTED or words[1].startswith("guide/")
    return [*words, *(LESS[:2] if own_times else LESS)]


PAGES = [page for page in pages() if page.name != "gallery.md" and lines_of(page)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_commands_of_a_page_run_one_after_the_other(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for block in blocks(page):
        if re.fullmatch(r"[\w-]+\.\w+", block.title):
            (tmp_path / block.title).write_text(block.text)
    run(["init", "my.yaml"])
    shutil.copy(ROOT / "scenarios" / "launch.yaml", tmp_path)
    for line in lines_of(page):
        code = run(shorter(line))
        said = capsys.readouterr()
        assert code in (0, 3), f"{line}\n{said.out[-500:]}{said.err[-1500:]}"
