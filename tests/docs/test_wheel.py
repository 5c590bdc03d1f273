"""The wheel works in an empty environment, away from the repository: scenarios, schema, report and the real processes are in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

pytestmark = pytest.mark.slow
SOURCES = ("sim", "mockprovider", "loadtest", "scenarios", "pyproject.toml", "setup.py", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing of an earlier build is in it."""
    source, place = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source)
    run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(place), str(source)], place)
    (made,) = place.glob("tenfold-*.whl")
    return made


@pytest.fixture(scope="module")
def tenfold(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command in an environment that holds the wheel alone; of this one it sees the dependencies, not the editable installation."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, with_pip=False)
    python = place / "bin" / "python"
    packages = Path(run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], place).stdout.strip())
    target = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    run(target, place)
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    found = run([str(python), "-c", "import sim; print(sim.__file__)"], place).stdout
    assert Path(found.strip()).is_relative_to(packages)
    return place / "bin" / "tenfold"


def run(words: list[str], cwd: Path, codes: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in codes, done.stdout + done.stderr
    return done


SHORT = ("--replications", "1", "--set", "workload.duration=20s", "--set", "workload.warmup=2s")


def test_init_predict_chaos_and_report_need_no_repository(tenfold: Path, tmp_path: Path) -> None:
    run([str(tenfold), "init", "my.yaml", "--from", "chat"], tmp_path)
    document = json.loads(run([str(tenfold), "predict", "my.yaml", "--json", "--out", "run", *SHORT], tmp_path).stdout)
    assert document["runs"][0]["requests"] > 5
    assert (tmp_path / "run" / "report.html").stat().st_size > 50_000
    recovered = json.loads(run([str(tenfold), "chaos", "provider_blackout", "--replications", "1", "--json"], tmp_path, (0, 3)).stdout)
    assert "provider" in json.dumps(recovered)
    listed = json.loads(run([str(tenfold), "scenarios", "--json"], tmp_path).stdout)["scenarios"]
    assert {"demo", "chaos/provider_blackout", "gallery/queue", "starters/rag"} <= {row["name"] for row in listed}
    assert run([str(tenfold), "schema"], tmp_path).stdout == (ROOT / "scenarios" / "tenfold.schema.json").read_text()


@pytest.mark.sockets
def test_verify_starts_its_processes_from_the_wheel(tenfold: Path, tmp_path: Path) -> None:
    short = ("--set", "workload.duration=6s", "--set", "workload.warmup=1s", "--set", "faults=[]", "--replications", "1")
    done = run([str(tenfold), "verify", "demo", "--json", *short], tmp_path, (0, 3, 4, 5))
    document = json.loads(done.stdout)
    assert document["paired"]["requests"] > 20
    assert document["comparison"]["availability"]["measured"]["value"] > 0.9
