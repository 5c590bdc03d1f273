"""Whatever is done to a valid scenario, loading it gives a scenario that loads again as itself, or a ScenarioError: never a traceback."""

from __future__ import annotations

import copy
import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from sim.gateway.language import load
from sim.scenario.errors import ScenarioError
from sim.scenario.load import Loaded
from sim.scenario.tree import Source, read_tree
from tests.examples import examples

VALID = Path(__file__).parent / "valid.yaml"
TEXT = VALID.read_text()
TREE, _ = read_tree(TEXT, Source("valid.yaml", Path()))
PATHS = [path for path, _ in TREE.walk() if path]
ODD_KEYS = ["extends", "kind", "capabilities", "values", "file", "p98", "", "<<", "\x1b[31m"]
KEYS = [*sorted({str(step) for path in PATHS for step in path}), *ODD_KEYS]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        ["5s", "250ms", "4/s", "1e400s", "0s", "unlimited", "lognormal", "poisson", "openai/gpt-4o", "x/y", "99%", "..", "/dev/zero"]
    ),
    st.text(max_size=12),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3), max_leaves=6
)


def loaded_or_refused(path: Path, *overrides: str) -> Loaded | ScenarioError:
    try:
        return load(path, overrides)
    except ScenarioError as refusal:
        return refusal


def holds_its_promise(text: str | bytes) -> None:
    """Load ``text``: a refusal names files and prints safely, a scenario loads again as itself."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mutant.yaml"
        path.write_bytes(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
        loaded = loaded_or_refused(path)
        if isinstance(loaded, ScenarioError):
            assert loaded.problems
            assert all(problem.file and problem.message for problem in loaded.problems)
            assert "\x1b" not in str(loaded)
        else:
            path.write_text(loaded.yaml_text, encoding="utf-8")
            again = load(path)
            assert (again.sha256, again.scenario) == (loaded.sha256, loaded.scenario)


def mutated(path: tuple[str | int, ...], change: str, key: str, value: Any) -> dict[str, Any]:
    document: dict[str, Any] = copy.deepcopy(TREE.plain())
    parent: Any = document
    for step in path[:-1]:
        parent = parent[step]
    last = path[-1]
    if change == "replace":
        parent[last] = value
    elif change == "remove":
        del parent[last]
    elif change == "add" and isinstance(parent, dict):
        parent[key] = value
    elif change == "rename" and isinstance(parent, dict):
        parent[key] = parent.pop(last)
    elif isinstance(parent, list):
        parent.append(value)
    return document


@settings(max_examples=examples(30), deadline=None)
@given(st.sampled_from(PATHS), st.sampled_from(["replace", "remove", "add", "rename"]), st.sampled_from(KEYS), values)
@example(("gateway", "routing"), "add", "capability", ["x/y"])
@example(("gateway", "routing"), "replace", "", {"kind": "capability", "capability": ["x"], "capabilities": {}})
@example(("workload", "requests"), "replace", "", {})
@example(("providers",), "replace", "", {"": {"models": {}}})
def test_any_changed_value_loads_or_is_refused(path: tuple[str | int, ...], change: str, key: str, value: Any) -> None:
    holds_its_promise(json.dumps(mutated(path, change, key, value)))


@settings(max_examples=examples(30), deadline=None)
@given(
    st.integers(0, len(TEXT)),
    st.integers(0, 30),
    st.text(alphabet=st.characters(codec="utf-8"), max_size=8) | st.sampled_from(list("{}[]:,&*!|>%@`#'\"\t\n-?")),
)
def test_any_edit_of_the_text_loads_or_is_refused(at: int, cut: int, put: str) -> None:
    holds_its_promise(TEXT[:at] + put + TEXT[at + cut :])


@settings(max_examples=examples(30), deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_load_or_are_refused(raw: bytes) -> None:
    holds_its_promise(raw)


@settings(max_examples=examples(30), deadline=None)
@given(st.text(max_size=20) | st.sampled_from(PATHS).map(lambda path: ".".join(map(str, path))), values)
def test_any_override_loads_or_is_refused(path: str, value: Any) -> None:
    told = loaded_or_refused(VALID, f"{path}={json.dumps(value)}")
    assert told.sha256 if isinstance(told, Loaded) else told.problems
