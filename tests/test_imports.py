"""Packages stand in layers: each imports only those above it, in no circle; the core imports no engine; one module imports locust."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = (
    "sim.formatting",
    "sim.scenario",
    "sim.data",
    "sim.stochastics",
    "sim.kernel",
    "sim.workload",
    "sim.provider",
    "sim.importing",
    "sim.gateway",
    "sim.analysis",
    "sim.engine",
    "sim.results",
    "sim.report",
    "sim.whatif",
    "sim.guide",
    "mockprovider.processes",
    "mockprovider.dialects",
    "mockprovider.delivery",
    "mockprovider.evidence",
    "mockprovider.server",
    "mockprovider",
    "loadtest.protocol",
    "loadtest.processes",
    "loadtest.generator",
    "loadtest.gateway",
    "loadtest.targets",
    "loadtest.calibration",
    "loadtest.measurement",
    "loadtest.cli",
)
"""From the top: a package imports itself and those that stand before it here. Drivers stop by precision and take their warm-up from their
own rows, so the analysis of rows stands above them.
"""

ENGINES = {"simpy", "numba", "aiohttp", "httpx", "locust", "asyncio"}
PURE = ("sim.scenario", "sim.data", "sim.stochastics", "sim.kernel", "sim.workload", "sim.provider", "sim.gateway")
READERS = ("sim.analysis", "sim.results", "sim.report")
RUNNING = ("sim.engine", "simpy")
LOCUST = "loadtest.generator.locustfile"


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


PACKAGES = ("sim", "mockprovider", "loadtest")
MODULES = {name_of(path): path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))}


@cache
def imports(module: str) -> frozenset[str]:
    """What a module imports anywhere in it, also late or for its types only: modules, and the packages of others."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, f"{module} imports relatively"
            assert not node.level, f"{module} imports relatively"
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= full & MODULES.keys()
            if full - MODULES.keys():
                found.add(node.module)
    return frozenset(found)


def is_in(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def layer_of(module: str) -> str:
    return max((layer for layer in LAYERS if is_in(module, layer)), key=len, default="none")


def modules_in(*packages: str) -> list[str]:
    return [module for module in MODULES if is_in(module, *packages)]


def layered() -> Iterator[str]:
    """Modules that belong to a layer."""
    return (module for module in MODULES if module not in ("sim", "loadtest"))


def test_every_module_is_in_a_layer():
    assert [module for module in layered() if layer_of(module) == "none"] == []


@pytest.mark.parametrize("layer", LAYERS)
def test_a_package_imports_only_those_above_it(layer):
    above = LAYERS[: LAYERS.index(layer) + 1]
    ours = [module for module in layered() if layer_of(module) == layer]
    assert ours
    below = [(module, other) for module in ours for other in imports(module) if other in MODULES and other not in ("sim", "loadtest")]
    assert [(module, other) for module, other in below if layer_of(other) not in above] == []


def names_defined_in(module: str) -> set[str]:
    """Whatever a module binds, in whichever scope."""
    bound: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
    return bound


def missing(module: str) -> Iterator[str]:
    """Modules of ours, and names in them, that a module imports anywhere, also late, and that do not exist."""
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if is_in(alias.name, *PACKAGES) and alias.name not in MODULES)
        elif isinstance(node, ast.ImportFrom) and is_in(node.module or "", *PACKAGES):
            known = names_defined_in(node.module) if node.module in MODULES else set()
            for name in (alias.name for alias in node.names):
                if name not in known and f"{node.module}.{name}" not in MODULES:
                    yield f"{node.module}.{name}"


@pytest.mark.slow
def test_whatever_is_imported_exists():
    assert [(module, name) for module in MODULES for name in missing(module)] == []


def test_there_are_no_circles():
    sorter = TopologicalSorter({module: [other for other in imports(module) if other in MODULES] for module in MODULES})
    try:
        sorter.prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_the_pure_core_imports_no_engine():
    for module in modules_in(*PURE):
        assert not {name.split(".")[0] for name in imports(module)} & ENGINES, module


def test_readers_of_results_import_nothing_that_runs():
    for module in modules_in(*READERS):
        assert not [name for name in imports(module) if is_in(name, *RUNNING)], module


def test_one_module_imports_locust():
    assert [module for module in MODULES if "locust" in {name.split(".")[0] for name in imports(module)}] == [LOCUST]
