"""Runs work in a temporary folder: gone afterwards, and gone with the next run if the run was killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from loadtest.measurement.verify import work_folder


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def gone_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_folder_is_gone_afterwards(scratch: Path) -> None:
    with work_folder() as folder:
        assert folder.name.startswith(f"tenfold-run-{os.getpid()}-")
        assert list(scratch.iterdir()) == [folder]
    assert list(scratch.iterdir()) == []


def test_what_a_killed_run_left_is_gone_with_the_next(scratch: Path) -> None:
    stale = scratch / f"tenfold-run-{gone_pid()}-abc"
    (stale / "below").mkdir(parents=True)
    (stale / "samples.bin").write_bytes(b"x")
    with work_folder():
        assert not stale.exists()


def test_folders_of_living_runs_and_of_others_stay(scratch: Path) -> None:
    kept = [
        f"tenfold-run-{os.getpid()}-abc", "tenfold-run-1-init", "tenfold-run-abc-def", f"tenfold-runs-{gone_pid()}-x", "other",
    ]  # fmt: skip
    for name in kept:
        (scratch / name).mkdir()
    with work_folder():
        pass
    assert sorted(path.name for path in scratch.iterdir()) == sorted(kept)


def test_a_link_is_not_followed(scratch: Path) -> None:
    precious = scratch / "precious"
    precious.mkdir()
    (precious / "file").write_text("")
    (scratch / f"tenfold-run-{gone_pid()}-link").symlink_to(precious)
    with work_folder():
        pass
    assert (precious / "file").exists()
