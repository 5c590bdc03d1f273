"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from loadtest.cli import options


@click.command()
@options.scenario
@options.overrides
@options.scales
@options.seed
@options.replications(10)
@options.precision
@options.as_json
@options.out
@options.quiet
def echo(**given: object) -> None:
    click.echo(repr(given))


def parse(*arguments: str) -> dict[str, object]:
    done = CliRunner().invoke(echo, ["a.yaml", *arguments], standalone_mode=False)
    if done.exception:
        raise done.exception
    return eval(done.output, {"PosixPath": Path})


def test_what_is_not_given_has_a_default() -> None:
    assert parse() == {
        "path": "a.yaml",
        "overrides": (),
        "scales": (1.0,),
        "seed": None,
        "replications": 10,
        "precision": None,
        "as_json": False,
        "out": None,
        "quiet": False,
    }


def test_scales_are_a_list() -> None:
    assert parse("--scale", "1,10x,1e2, 0.5")["scales"] == (1.0, 10.0, 100.0, 0.5)


@pytest.mark.parametrize("scale", ["0", "-1", "nan", "inf", "1,,2", "", "ten", "1e999", ",".join(["1"] * 101)])
def test_scales_are_positive_and_finite(scale: str) -> None:
    with pytest.raises(click.BadParameter):
        parse("--scale", scale)


def test_overrides_add_up() -> None:
    assert parse("--set", "seed=1", "--set", "name=x")["overrides"] == ("seed=1", "name=x")


@pytest.mark.parametrize("arguments", [["--seed", "-1"], ["--seed", str(2**63)], ["--seed", "x"], ["--replications", "0"]])
def test_seeds_and_replications_have_bounds(arguments: list[str]) -> None:
    with pytest.raises(click.BadParameter):
        parse(*arguments)


@pytest.mark.parametrize(("given", "share"), [("2%", 0.02), ("0.02", 0.02), ("99%", 0.99)])
def test_a_precision_is_a_share(given: str, share: float) -> None:
    assert parse("--precision", given)["precision"] == share


@pytest.mark.parametrize("given", ["0", "0%", "1", "100%", "-1%", "nan", "inf", "", "%", "fine"])
def test_a_precision_that_is_no_share_is_refused_as_one(given: str) -> None:
    with pytest.raises(click.BadParameter, match=r"expected a share between 0 and 1 such as 2% or 0\.02, found"):
        parse("--precision", given)


@pytest.mark.parametrize("arguments", [["--precision", "2%", "--replications", "3"], ["--replications", "10", "--precision", "2%"]])
def test_a_precision_finds_the_replications_itself(arguments: list[str]) -> None:
    with pytest.raises(click.UsageError, match="give it or --replications, not both"):
        parse(*arguments)


def test_an_output_directory_may_be_new(tmp_path: Path) -> None:
    assert parse("-o", str(tmp_path / "new" / "run"))["out"] == tmp_path / "new" / "run"


def test_an_output_directory_under_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(click.BadParameter, match="is a file; give a directory"):
        parse("--out", str(tmp_path / "file" / "run"))


def test_an_output_directory_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(click.BadParameter, match="cannot be written to"):
        parse("--out", str(tmp_path / "run"))
