"""Files that a scenario names: recorded values are taken in, traces pinned by their hash. What results needs no other small file."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from sim.scenario.distributions import parse_quantity
from sim.scenario.errors import Problem, ScenarioError
from sim.scenario.scalars import resolve
from sim.scenario.tree import Mark, Node, Source, Steps, read_text

MOST_VALUES = 100_000
MOST_TRACE_BYTES = 2**30
RELATIVE = "names of files are relative to the folder of the file that holds them"


def include_files(root: Node) -> tuple[Node, list[Problem]]:
    """A copy of the tree in which every ``empirical`` file is replaced by its values, and a trace's by its absolute path and sha256."""
    problems: list[Problem] = []

    def included(node: Node, path: Steps) -> Node:
        if isinstance(node.value, list):
            return replace(node, value=[included(child, (*path, index)) for index, child in enumerate(node.value)])
        if not isinstance(node.value, dict):
            return node
        kind, file = (node.value[key].value if key in node.value else None for key in ("kind", "file"))
        try:
            if kind == "empirical" and isinstance(file, str) and "values" not in node.value:
                return include_values(node, file, path)
            if kind == "trace" and isinstance(file, str) and path == ("workload", "arrivals"):
                return pin_trace(node, file, path)
        except ScenarioError as refusal:
            problems.extend(refusal.problems)
            return Node(node.mark, broken=True)
        return replace(node, value={key: included(child, (*path, key)) for key, child in node.value.items()})

    return included(root, ()), problems


def include_values(node: Node, name: str, path: Steps) -> Node:
    assert isinstance(node.value, dict)
    mark = node.value["file"].mark
    at: Steps = (*path, "file")
    file = beside(mark, name)
    if not file.is_file():
        raise ScenarioError([mark.problem(f"no such file: {name!r}", at, RELATIVE)])
    values = read_values(file, Source(name, file.parent), at)
    children = {key: child for key, child in node.value.items() if key != "file"} | {"values": Node(mark, values)}
    return Node(node.mark, children, node.keys | {"values": node.keys["file"]})


def read_values(file: Path, source: Source, at: Steps) -> list[Node]:
    """One quantity a line (``120``, ``250ms``); blank lines and lines that begin with # are skipped."""
    values: list[Node] = []
    for number, line in enumerate(read_text(file, source.label).splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        mark = Mark(source, number, 1)
        try:
            value = resolve(text)
            parse_quantity(value)
        except ValueError:
            raise ScenarioError([mark.problem(f"expected a number, or a duration such as 250ms, found {text[:60]!r}", at)]) from None
        values.append(Node(mark, value))
        if len(values) > MOST_VALUES:
            raise ScenarioError([mark.problem(f"more than {MOST_VALUES:,} values", at, "a sample of them says the same")])
    if not values:
        raise ScenarioError([Mark(source).problem("holds no values: expected one a line", at)])
    return values


def pin_trace(node: Node, name: str, path: Steps) -> Node:
    assert isinstance(node.value, dict)
    mark = node.value["file"].mark
    file = beside(mark, name)
    if not file.is_file():
        raise ScenarioError([mark.problem(f"no such file: {name!r}", (*path, "file"), RELATIVE)])
    if file.stat().st_size > MOST_TRACE_BYTES:
        raise ScenarioError([mark.problem(f"{name!r} is larger than {MOST_TRACE_BYTES:,} bytes", (*path, "file"))])
    try:
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ScenarioError([mark.problem(f"{name!r} cannot be read: {error.strerror}", (*path, "file"))]) from None
    stated = node.value.get("sha256")
    if stated is not None and stated.value not in (None, digest):
        message = f"{name!r} is not the file that the scenario was made with"
        raise ScenarioError([stated.mark.problem(message, (*path, "sha256"), f"its sha256 is {digest}")])
    pinned = {"file": Node(mark, str(file)), "sha256": Node(mark, digest)}
    return Node(node.mark, node.value | pinned, node.keys | {"sha256": node.keys["file"]})


def beside(mark: Mark, name: str) -> Path:
    """``name`` relative to the folder of the file that holds it (of the shell, in a ``--set``)."""
    return (mark.source.folder / name).absolute()
