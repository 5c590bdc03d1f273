"""The frame of the command line: help, unknown verbs, and how every way of ending becomes a message and an exit code."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import click
import pytest

from loadtest.cli import exit_codes
from loadtest.cli.main import VERBS, run
from sim.scenario.errors import Problem, ScenarioError

TENFOLD = [sys.executable, "-m", "loadtest.cli.main"]


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch):
    """Install a verb ``boom`` with the given body, and run it."""

    def install(body) -> int:
        monkeypatch.setitem(VERBS, "boom", ("a_module_of_the_test", "Test."))
        monkeypatch.setitem(sys.modules, "a_module_of_the_test", SimpleNamespace(command=click.Command("boom", callback=body)))
        return run(["boom"])

    return install


def fail_with(error: BaseException):
    def body() -> None:
        raise error

    return body


# ---- help ----------------------------------------------------------------------------------------------------------------
def test_help_is_instant() -> None:
    def once() -> float:
        started_s = time.perf_counter()
        subprocess.run([*TENFOLD, "--help"], check=True, capture_output=True)
        return time.perf_counter() - started_s

    assert min(once() for _ in range(3)) < 0.3


def test_help_loads_no_verb() -> None:
    heavy = ("numpy", "pydantic", "yaml", "rich")
    code = f"import sys; from loadtest.cli.main import run; run(['--help']); print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.endswith("[]\n")


def test_help_lists_every_verb_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == exit_codes.OK
    shown = " ".join(capsys.readouterr().out.split())
    assert all(f"{verb} {line}" in shown for verb, (_, line) in VERBS.items())


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_explains_itself_with_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == exit_codes.OK
    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage: tenfold {name}")
    assert "Examples:" in shown
    assert f"tenfold {name}" in shown.split("Examples:")[1]


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == exit_codes.OK
    assert capsys.readouterr().out.startswith("tenfold ")


# ---- wrong use -----------------------------------------------------------------------------------------------------------
def test_an_unknown_verb_is_a_usage_error_with_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predct"]) == exit_codes.USAGE
    out, err = capsys.readouterr()
    assert "There is no verb 'predct'. Did you mean 'predict'?" in err
    assert not out


def test_a_verb_like_no_other_gets_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["xyzzy"]) == exit_codes.USAGE
    assert f"The verbs are {', '.join(VERBS)}." in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--bogus"], ["init", "--bogus"], ["init", "a", "b"], ["scenarios", "extra"]])
def test_wrong_options_and_arguments_are_usage_errors(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == exit_codes.USAGE
    assert "Error: " in capsys.readouterr().err


# ---- ways of ending ------------------------------------------------------------------------------------------------------
def test_a_verb_that_returns_nothing_ended_well(verb) -> None:
    assert verb(lambda: None) == exit_codes.OK


@pytest.mark.parametrize("code", [exit_codes.GATE, exit_codes.DISAGREEMENT, exit_codes.INVALID])
def test_a_verb_may_return_its_exit_code_or_exit_with_it(verb, code: int) -> None:
    assert verb(lambda: code) == code
    assert verb(lambda: click.get_current_context().exit(code)) == code


def test_a_bad_scenario_is_printed_on_stderr(verb, capsys: pytest.CaptureFixture[str]) -> None:
    problem = Problem("a.yaml", "unknown key", 3, 5, "workload.arivals", "did you mean 'arrivals'?")
    assert verb(fail_with(ScenarioError([problem]))) == exit_codes.USAGE
    assert capsys.readouterr() == ("", "a.yaml:3:5: workload.arivals: unknown key\n    did you mean 'arrivals'?\n")


def test_ctrl_c_is_130(verb, capsys: pytest.CaptureFixture[str]) -> None:
    assert verb(fail_with(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err.strip() == "interrupted"


def test_a_defect_says_where_its_traceback_is(verb, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TENFOLD_TRACEBACK", raising=False)
    assert verb(fail_with(RuntimeError("the model slipped"))) == exit_codes.INTERNAL
    err = capsys.readouterr().err
    assert err.startswith("internal error: RuntimeError: the model slipped\n")
    assert "Traceback" not in err
    file = Path(err.split("the traceback is in ")[1].split(" (")[0])
    assert "the model slipped" in file.read_text(encoding="utf-8")
    file.unlink()


def test_a_defect_shows_its_traceback_where_that_is_asked_for(
    verb, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENFOLD_TRACEBACK", "1")
    assert verb(fail_with(RuntimeError("the model slipped"))) == exit_codes.INTERNAL
    assert capsys.readouterr().err.startswith("Traceback")


def test_a_reader_that_leaves_is_no_news() -> None:
    done = subprocess.run(f"{' '.join(TENFOLD)} schema | true", shell=True, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told_in_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*TENFOLD, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == exit_codes.INTERNAL
    assert "No space left on device" in done.stderr
    assert "Exception ignored" not in done.stderr


def test_no_color_is_honoured(verb, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    verb(lambda: click.secho("red", fg="red"))
    assert capsys.readouterr().out == "red\n"
