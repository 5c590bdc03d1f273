"""Loading a scenario: read, extend, override, include files, validate, check, and put into canonical form."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from sim.scenario.errors import Problem, ScenarioError, did_you_mean
from sim.scenario.files import RELATIVE, include_files
from sim.scenario.finding import Finding
from sim.scenario.inferred_kinds import with_kinds
from sim.scenario.merge import apply_override, merge
from sim.scenario.model import Scenario
from sim.scenario.scalars import resolve
from sim.scenario.shipped import find_shipped, shipped_names
from sim.scenario.short_forms import as_written, in_long_form
from sim.scenario.tree import Mark, Node, Source, read_text, read_tree
from sim.scenario.validate import node_at, show, validate

MOST_BASES = 8
SUFFIXES = (".yaml", ".yml")


class Language(NamedTuple):
    """What a file is read as: the model of a whole scenario, and what must hold between its parts."""

    scenario: type[Scenario]
    check: Callable[[Any], Iterable[Finding]]


@dataclass(frozen=True)
class Loaded:
    """A scenario that holds together.

    ``sha256`` is that of its canonical form: comments, key order, ``extends`` and spelling (1m or 60s) do not change it, and scenarios
    of one hash behave alike. ``yaml_text`` is the resolved scenario, which loads back to the same hash and needs no other file but
    traces. ``warnings`` are problems that do not stop it.
    """

    scenario: Scenario
    sha256: str
    path: Path
    yaml_text: str
    warnings: tuple[Problem, ...] = ()

    def tree(self) -> dict[str, Any]:
        """The resolved scenario as plain mappings and lists, new with every call: to be changed at will."""
        tree: dict[str, Any] = yaml.safe_load(self.yaml_text)
        return tree


def load_as(language: Language, path: str | Path, overrides: Sequence[str] = ()) -> Loaded:
    """Load the scenario at ``path``, written in ``language``: see ``sim.gateway.language.load``.

    Raises ScenarioError with everything that is wrong.
    """
    file = find_scenario(Path(path))
    root, problems = read_with_bases(language.scenario, file, str(file), ())
    for text in overrides:
        root, found = apply_override(root, text)
        root = in_long_form(root, language.scenario)
        problems += found
    root, found = include_files(with_kinds(root, language.scenario))
    problems += found
    scenario, found = validate(root, language.scenario)
    problems += found
    if scenario is None or problems:
        raise ScenarioError(in_file_order(problems))
    warnings = run_checks(language.check(scenario), root)
    return in_canonical_form(scenario, file, warnings)


def find_scenario(path: Path) -> Path:
    """The file at ``path``, or the shipped scenario of that name. Raises ScenarioError."""
    if path.exists() or path.is_symlink():
        return path
    if shipped := find_shipped(str(path)):
        return shipped
    beside = [str(each) for suffix in SUFFIXES for each in path.parent.glob(f"*{suffix}")]
    hint = did_you_mean(path, [*beside, *shipped_names()]) or "`tenfold scenarios` lists the scenarios that come with Tenfold"
    raise ScenarioError([Problem(str(path), "no such file", hint=hint)])


def read_with_bases(language: type[Scenario], path: Path, label: str, below: tuple[Path, ...]) -> tuple[Node, list[Problem]]:
    """The tree of a file over those that it extends, in the long form. ``below`` are the files that extend it."""
    source = Source(label, path.absolute().parent)
    root, problems = read_tree(read_text(path, label), source)
    if root.value is None:
        raise ScenarioError([Mark(source).problem("is empty; expected a scenario", hint="`tenfold init` writes one to start from")])
    if not isinstance(root.value, dict):
        raise ScenarioError([*problems, root.mark.problem(f"expected a mapping with tenfold, name, workload, …, found {show(root)}")])
    root = in_long_form(root, language)
    if not isinstance(root.value, dict) or "extends" not in root.value:
        return root, problems
    stated = root.value["extends"]
    base, base_label = find_base(stated, path, label, (*below, path.resolve()))
    tree, found = read_with_bases(language, base, base_label, (*below, path.resolve()))
    own = Node(root.mark, {key: child for key, child in root.value.items() if key != "extends"}, root.keys, broken=root.broken)
    return merge(tree, own), found + problems


def find_base(stated: Node, path: Path, label: str, chain: tuple[Path, ...]) -> tuple[Path, str]:
    """The file that ``extends`` names, and how messages name it. Raises ScenarioError."""

    def refuse(message: str, hint: str = "") -> ScenarioError:
        return ScenarioError([stated.mark.problem(message, ("extends",), hint)])

    name = stated.value
    if not isinstance(name, str) or not name.endswith(SUFFIXES) or name.startswith("~") or Path(name).is_absolute() or "\0" in name:
        raise refuse(f"expected a .yaml file relative to this one, found {show(stated)}")
    base = path.parent / name
    if base.resolve() in chain:
        names = " extends ".join(each.name for each in (*chain[chain.index(base.resolve()) :], base.resolve()))
        raise refuse(f"goes in a circle: {names}")
    if len(chain) > MOST_BASES:
        raise refuse(f"more than {MOST_BASES} files deep")
    if not base.is_file():
        raise refuse(f"no such file: {name!r}", RELATIVE)
    return base, str(Path(label).parent / name)


def run_checks(findings: Iterable[Finding], root: Node) -> tuple[Problem, ...]:
    """The warnings. Raises ScenarioError where a check fails."""
    told = [
        (node_at(root, each.path).mark.problem(each.message, as_written(root, each.path), each.hint), each.warning) for each in findings
    ]
    failures = [problem for problem, warning in told if not warning]
    if failures:
        raise ScenarioError(in_file_order(failures))
    return tuple(problem for problem, _ in told)


def in_file_order(problems: list[Problem]) -> list[Problem]:
    files = list(dict.fromkeys(problem.file for problem in problems))
    return sorted(problems, key=lambda problem: (files.index(problem.file), problem.line or 0, problem.column or 0))


def in_canonical_form(scenario: Scenario, path: Path, warnings: tuple[Problem, ...]) -> Loaded:
    """Once through the canonical form, so that the scenario is bit for bit the one that its ``yaml_text`` gives back."""
    document = canonical(scenario)
    same = type(scenario).model_validate_json(json.dumps(document), strict=True)
    return Loaded(same, sha256_of(document), path, to_yaml(document), warnings)


def canonical(scenario: Scenario) -> dict[str, Any]:
    """The scenario as plain data in the order of its models; names that the author chose are sorted, whole numbers are ints."""
    document: dict[str, Any] = whole_numbers(scenario.model_dump(mode="json", by_alias=True, exclude_none=True))
    for provider in document["providers"].values():
        provider["models"] = dict(sorted(provider["models"].items()))
    document["providers"] = dict(sorted(document["providers"].items()))
    for names in ("weights", "capabilities"):
        if names in document["gateway"]["routing"]:
            document["gateway"]["routing"][names] = dict(sorted(document["gateway"]["routing"][names].items()))
    return document


def whole_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: whole_numbers(each) for key, each in value.items()}
    if isinstance(value, list):
        return [whole_numbers(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def sha256_of(document: dict[str, Any]) -> str:
    """Of canonical JSON. A trace counts by its content: where the file lies does not matter."""
    arrivals = document["workload"]["arrivals"]
    if "sha256" in arrivals:
        arrivals = {key: value for key, value in arrivals.items() if key != "file"}
        document = document | {"workload": document["workload"] | {"arrivals": arrivals}}
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Quotes every text that our own reading rules would take for something else."""


def represent_text(dumper: Any, text: str) -> Any:
    try:
        plain = isinstance(resolve(text), str)
    except ValueError:
        plain = False
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


Dumper.add_representer(str, represent_text)


def to_yaml(document: dict[str, Any]) -> str:
    return yaml.dump(document, Dumper=Dumper, sort_keys=False, default_flow_style=None, allow_unicode=True, width=140)
