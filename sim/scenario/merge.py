"""How one tree changes another: ``extends`` and ``--set``. Trees are never changed in place."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from sim.scenario.errors import Problem, ScenarioError, did_you_mean, write_path
from sim.scenario.tree import Mark, Node, Source, Steps, read_tree

STEP = re.compile(r'\[(?P<index>\d{1,6})\]|(?:\.|^)?(?:\["(?P<bracket>[^"]*)"\]|"(?P<quoted>[^"]*)"|(?P<word>[^.\[\]"]+))')
# Mappings whose keys the author invents: a path through an unknown one is a typing error, not a new entry.
NAMED = ((("providers",), "provider"), (("providers", "*", "models"), "model"))


def merge(base: Node, over: Node, path: Steps = ()) -> Node:
    """``base`` with the differences that ``over`` states: mappings merge, anything else replaces, null removes.

    A mapping that states its ``kind`` is complete and replaces (a lognormal with p99 must not keep the base's sigma); the gateway,
    whose kind does not change its other keys, merges all the same.
    """
    if not (isinstance(base.value, dict) and isinstance(over.value, dict)) or ("kind" in over.value and path != ("gateway",)):
        return over
    value, keys = dict(base.value), dict(base.keys)
    for key, child in over.value.items():
        if child.value is None and not child.broken and key in base.value:
            del value[key], keys[key]
            continue
        value[key] = merge(base.value[key], child, (*path, key)) if key in base.value else child
        keys[key] = over.keys[key]
    return Node(over.mark, value, keys, broken=base.broken or over.broken)


def apply_override(root: Node, text: str) -> tuple[Node, list[Problem]]:
    """``root`` with one ``path.to.key=value`` applied. Lists are indexed ``[0]``, ``.0`` or by their entries' names.

    Raises ScenarioError for a path that leads nowhere.
    """
    source = Source(f"--set {text}", Path.cwd(), has_lines=False)
    where, equals, value_text = text.partition("=")
    if not equals or not where.strip():
        raise ScenarioError([Mark(source).problem("expected path.to.key=value")])
    value, problems = read_tree(value_text, source)
    placed = [replace(problem, path=f"{where.strip()}.{problem.path}".rstrip(".")) for problem in problems]
    return replaced(root, split_path(where.strip(), source), value, ()), placed


def split_path(text: str, source: Source) -> list[str | int]:
    steps: list[str | int] = []
    at = 0
    while at < len(text):
        found = STEP.match(text, at)
        if not found or found.end() == at:
            raise ScenarioError([Mark(source).problem(f"cannot read the path {text!r}", hint='expected such as a.b[0].c or a."b.c".d')])
        names = found.group("bracket", "quoted", "word")
        steps.append(int(found["index"]) if found["index"] else next(name for name in names if name is not None))
        at = found.end()
    return steps


def replaced(node: Node, steps: list[str | int], value: Node, path: Steps) -> Node:
    """A copy of ``node`` in which the value at ``steps`` is ``value``; mappings on the way are made where they are missing."""
    if not steps:
        return value
    if isinstance(node.value, list):
        index = find_entry(node.value, steps[0], value.mark, path)
        entries = list(node.value)
        entries[index] = replaced(entries[index], steps[1:], value, (*path, index))
        return Node(node.mark, entries)
    if node.value is not None and not isinstance(node.value, dict):
        raise ScenarioError([value.mark.problem(f"{write_path(path)} is a single value: it has no {write_path(steps[:1])!r}")])
    children = node.value or {}
    key, rest = longest_key(children, steps)
    if key not in children and rest:
        refuse_unknown_name(key, children, value.mark, path)
    child = children.get(key) or Node(value.mark)
    changed = children | {key: replaced(child, rest, value, (*path, key))}
    return Node(node.mark, changed, node.keys | {key: node.keys.get(key, value.mark) if rest else value.mark})


def find_entry(entries: list[Node], step: str | int, mark: Mark, path: Steps) -> int:
    names = [str(entry.value["name"].value) if isinstance(entry.value, dict) and "name" in entry.value else "" for entry in entries]
    index = int(step) if str(step).isdecimal() else names.index(str(step)) if step in names else -1
    if not 0 <= index < len(entries):
        known = [name for name in names if name]
        hint = did_you_mean(step, known) or (f"its entries are {', '.join(known)}" if known else "use an index such as [0]")
        raise ScenarioError([mark.problem(f"no entry {step!r}: the list has {len(entries)}", path, hint)])
    return index


def longest_key(children: dict[str, Node], steps: list[str | int]) -> tuple[str, list[str | int]]:
    """The key that the first steps spell: ``models.gpt-4.1.price`` finds the key ``gpt-4.1`` without quotes."""
    for length in range(len(steps), 1, -1):
        joined = ".".join(map(str, steps[:length]))
        if joined in children:
            return joined, steps[length:]
    return str(steps[0]), steps[1:]


def refuse_unknown_name(key: str, children: dict[str, Node], mark: Mark, path: Steps) -> None:
    for pattern, noun in NAMED:
        if len(path) == len(pattern) and all(want in ("*", step) for want, step in zip(pattern, path, strict=True)):
            hint = did_you_mean(key, children) or f"there are {', '.join(children)}"
            raise ScenarioError([mark.problem(f"no {noun} is called {key!r}", path, hint)])
