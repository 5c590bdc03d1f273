"""Compiled code is kept where it can be, found again at once, and never taken from a place that others write to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sim.compiled import cache

PROGRAM = """
import time
started_s = time.perf_counter()
from sim.compiled.cache import is_warm
was = is_warm()
from sim.compiled.replicate import prepare
prepare()
print(was, time.perf_counter() - started_s)
"""


def start(place: Path) -> tuple[bool, float, str]:
    """(was it warm, seconds, stderr) of a fresh process that gets ready to run."""
    env = os.environ | {"TENFOLD_CACHE_DIR": str(place), "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env=env)
    was, seconds = done.stdout.split()
    return was == "True", float(seconds), done.stderr


@pytest.mark.slow
def test_the_second_start_loads_what_the_first_compiled(tmp_path):
    was, first_s, said = start(tmp_path)
    assert not was
    assert "compiling" in said
    was, second_s, said = start(tmp_path)
    assert was
    assert said == ""
    assert second_s < first_s / 4


@pytest.fixture
def anew():
    cache.directory.cache_clear()
    yield
    cache.directory.cache_clear()


def test_the_directory_asked_for_comes_first(anew, monkeypatch, tmp_path):
    monkeypatch.setenv("TENFOLD_CACHE_DIR", str(tmp_path / "asked"))
    assert cache.directory().parent == tmp_path / "asked"
    assert not cache.is_warm()


def test_without_a_writable_directory_there_is_none(anew, monkeypatch, tmp_path):
    file = tmp_path / "file"
    file.write_text("no directory")
    monkeypatch.setattr(cache, "candidates", lambda: iter([file, file / "below"]))
    assert cache.directory() is None
    assert not cache.is_warm()


def test_a_directory_that_others_can_write_to_is_passed_over(anew, monkeypatch, tmp_path):
    open_to_all, own = tmp_path / "open", tmp_path / "own"
    monkeypatch.setattr(cache, "candidates", lambda: iter([open_to_all, own]))
    (open_to_all / f"compiled-{cache.fingerprint()}").mkdir(parents=True)
    (open_to_all / f"compiled-{cache.fingerprint()}").chmod(0o777)
    assert cache.directory().parent == own


def test_only_the_newest_states_of_the_sources_are_kept(tmp_path):
    for age in range(6):
        (tmp_path / f"compiled-{age}").mkdir()
        os.utime(tmp_path / f"compiled-{age}", (age, age))
    cache.forget_old(tmp_path, tmp_path / "compiled-0")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["compiled-0", "compiled-3", "compiled-4", "compiled-5"]
