"""Trials side by side: every round runs each contestant once, so that whatever else the machine does strikes all alike."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[2]
Contestants = Mapping[str, Sequence[str]]
"""Name -> command; ``{seed}`` in it is the round's number."""


def race(contestants: Contestants, rounds: int) -> dict[str, list[dict[str, Any]]]:
    """What each printed, round by round. A contestant that fails is left out of the rest, and said so on stderr."""
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in contestants}
    failed: set[str] = set()
    for number in range(1, rounds + 1):
        for name, command in contestants.items():
            if name in failed:
                continue
            argv = [part.format(seed=number) for part in command]
            done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)})
            if done.returncode:
                failed.add(name)
                print(f"{name} failed: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
                continue
            results[name].append(json.loads(done.stdout.strip().splitlines()[-1]))
            print(f"round {number}: {name}: {rate(results[name][-1]):,.0f} requests/s", file=sys.stderr, flush=True)
    return {name: rows for name, rows in results.items() if rows}


def rate(result: Mapping[str, Any]) -> float:
    return float(result["requests"]) / float(result["cpu_s"])


def rates(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, float]:
    """Requests per CPU second, median over the rounds."""
    return {name: median(rate(row) for row in rows) for name, rows in results.items()}
