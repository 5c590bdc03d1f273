"""sim <- mockprovider <- loadtest: nothing imports upward, the pure core imports no engine, and only one module imports locust."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ABOVE = {"sim": {"mockprovider", "loadtest"}, "mockprovider": {"loadtest"}, "loadtest": set()}
ENGINES = {"simpy", "aiohttp", "locust", "asyncio", "httpx"}
PURE = [
    "scenario",
    "policy",
    "workload",
    "stochastics/random_streams.py",
    "stochastics/distributions.py",
    "flow.py",
    "gateway/assembled.py",
    "provider/behaviour.py",
    "provider/fault_timeline.py",
    "provider/pricing.py",
    "gateway/request.py",
    "data/schema.py",
]
READERS = [
    "analysis/metrics.py",
    "analysis/budgets.py",
    "analysis/validation.py",
    "analysis/bottleneck.py",
    "analysis/summary.py",
    "results/store.py",
    "report",
]
LOCUST = "loadtest/generator/locustfile.py"


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found


def modules(*places: str) -> list[Path]:
    return [path for place in places for path in ([ROOT / place] if place.endswith(".py") else sorted((ROOT / place).rglob("*.py")))]


@pytest.mark.parametrize("package", ABOVE)
def test_nothing_imports_upward(package):
    for path in modules(package):
        assert not {name.split(".")[0] for name in imports(path)} & ABOVE[package], path


def test_the_pure_core_imports_no_engine():
    for path in modules(*(f"sim/{place}" for place in PURE)):
        assert not {name.split(".")[0] for name in imports(path)} & ENGINES, path


def test_readers_of_results_import_no_world():
    for path in modules(*(f"sim/{place}" for place in READERS)):
        assert not imports(path) & {"sim.world", "sim.flow", "sim.engine.runner", "sim.gateway.assembled", "simpy"}, path


def test_one_module_imports_locust():
    importing = [
        str(path.relative_to(ROOT))
        for path in modules("sim", "mockprovider", "loadtest")
        if "locust" in {name.split(".")[0] for name in imports(path)}
    ]
    assert importing == [LOCUST]
