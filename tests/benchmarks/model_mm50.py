"""M/M/50 at utilisation 0.8: Tenfold's two drivers against general simulators.

    python -m tests.benchmarks.model_mm50 [--rounds 5] [--customers 40000] [--peers ~/.cache/tenfold-peers]

CPU time, interleaved, medians. Tenfold runs it as a scenario through its chain of stages, with request and attempt rows, samples and
invariants (mm50.yaml); peers run it as their documentation writes it, each in a process of its own, records kept where they have any.
Peers that need another Python or NumPy get a virtual environment of their own below --peers; one that cannot be had is left out and said
so. AsyncFlow is left out: its servers' steps have fixed durations, so it cannot say M/M/50.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.interleaved import race, rates
from tests.benchmarks.keeping import keep

HERE = Path(__file__).parent / "peers"
PEERS = Path.home() / ".cache" / "tenfold-peers"
# peer -> what its environment needs: interpreters that will do (first one found), requirements
ELSEWHERE = {
    "queueing_tool": ((sys.executable,), ("numpy<2", "queueing-tool")),
    "happysim": (("python3.13", str(Path.home() / ".pyenv/versions/3.13.0/bin/python"), "python3.14"), ("happysim",)),
}


def environment(folder: Path, interpreters: tuple[str, ...], requirements: tuple[str, ...]) -> Path | None:
    """The Python of a virtual environment with the requirements; None without an interpreter or network."""
    python = folder / "bin" / "python"
    for found in filter(None, map(shutil.which, interpreters)):
        if not python.exists():
            subprocess.run([found, "-m", "venv", str(folder)], check=False, capture_output=True)
    if not python.exists():
        return None
    if subprocess.run([str(python), "-m", "pip", "install", "-q", *requirements], check=False, capture_output=True).returncode:
        return None
    return python


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--customers", type=int, default=40_000)
    parser.add_argument("--peers", type=Path, default=PEERS)
    given = parser.parse_args()
    count, duration = str(given.customers), f"{given.customers / 40:g}s"
    here = [sys.executable, "-m", "tests.benchmarks.trial"]
    contestants = {
        "Tenfold, compiled": [*here, "compiled", "mm50", "1", f"{given.customers / 2:g}s", "{seed}"],  # 20 times as long: it is short
        "Tenfold, SimPy driver": [*here, "simpy", "mm50", "1", duration, "{seed}"],
    }
    pythons: dict[str, Path | None] = {"simpy": Path(sys.executable), "ciw": Path(sys.executable), "salabim": Path(sys.executable)}
    pythons |= {peer: environment(given.peers / peer, *needs) for peer, needs in ELSEWHERE.items()}
    absent = [peer for peer, python in pythons.items() if python is None]
    contestants |= {peer: [str(python), str(HERE / f"mm50_{peer}.py"), count, "{seed}"] for peer, python in pythons.items() if python}
    results = race(contestants, given.rounds)
    speed = rates(results)
    rows = [
        {
            "simulator": name,
            "requests": found[0]["requests"],
            "requests/s": round(speed[name]),
            "times Ciw": round(speed[name] / speed["ciw"], 1),
        }
        for name, found in sorted(results.items(), key=lambda entry: -speed[entry[0]])
    ]  # fmt: skip

    def verdict(name: str, other: str, bar: float) -> tuple[str, bool]:
        ratio = speed[name] / speed[other]
        return f"{name}: at least {bar:g} times {other} ({ratio:.1f}x)", ratio >= bar

    verdicts = dict(
        [
            verdict("Tenfold, SimPy driver", "ciw", 3), verdict("Tenfold, SimPy driver", "simpy", 1),
            verdict("Tenfold, compiled", "ciw", 100),
        ]
    )  # fmt: skip
    notes = __doc__.split("\n\n", 2)[2].strip() + (f"\nNot at hand here: {', '.join(absent)}." if absent else "")
    keep("model_mm50", "M/M/50 at utilisation 0.8: requests per CPU second", rows, verdicts, notes)


if __name__ == "__main__":
    main()
