"""A scenario file as a tree that remembers where everything stands. Caps hold while reading, before anything is built from it."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from sim.scenario.errors import Problem, ScenarioError, write_path
from sim.scenario.scalars import Scalar, resolve

MOST_BYTES = 4 * 2**20
MOST_NODES = 250_000
MOST_DEPTH = 40
MOST_ALIASES = 100
PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Steps = tuple[str | int, ...]


@dataclass(frozen=True)
class Source:
    """A file, or a ``--set``: ``label`` is how messages name it, ``folder`` what relative names in it are relative to."""

    label: str
    folder: Path
    has_lines: bool = True


class Mark(NamedTuple):
    """A place. ``line`` and ``column`` count from 1; None in a ``--set``."""

    source: Source
    line: int | None = None
    column: int | None = None

    def problem(self, message: str, path: Steps = (), hint: str = "") -> Problem:
        return Problem(self.source.label, message, self.line, self.column, write_path(path), hint)


@dataclass(slots=True)
class Node:
    """A value with its place and the places of its keys. Aliases share nodes, so nobody changes one once it is read.

    ``size`` and ``depth`` count an alias as what it stands for. ``broken``: its problem has been told already. ``written``: the node
    that stands in the file, where this one is the long form of it.
    """

    mark: Mark
    value: dict[str, Node] | list[Node] | Scalar = None
    keys: dict[str, Mark] = field(default_factory=dict)
    size: int = 1
    depth: int = 1
    broken: bool = False
    written: Node | None = None

    def plain(self) -> Any:
        """The tree as dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value

    def walk(self, path: Steps = ()) -> Iterator[tuple[Steps, Node]]:
        yield path, self
        if isinstance(self.value, dict):
            for key, child in self.value.items():
                yield from child.walk((*path, key))
        elif isinstance(self.value, list):
            for index, child in enumerate(self.value):
                yield from child.walk((*path, index))


def read_text(path: Path, label: str) -> str:
    """The text of a regular UTF-8 file under the size cap. Raises ScenarioError."""

    def refuse(message: str) -> ScenarioError:
        return ScenarioError([Problem(label, message)])

    try:
        mode = path.stat()
        if stat.S_ISDIR(mode.st_mode):
            raise refuse("is a directory; expected a scenario file")
        if not stat.S_ISREG(mode.st_mode):
            raise refuse("is not a regular file")
        if mode.st_size > MOST_BYTES:
            raise refuse(f"has {mode.st_size:,} bytes; a scenario may have {MOST_BYTES:,}")
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise refuse("no such file") from None
    except (OSError, ValueError) as error:
        raise refuse(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        message = f"is not UTF-8 text: byte 0x{raw[error.start]:02x} cannot be read"
        raise ScenarioError([Problem(label, message, line, column, hint="save the file as UTF-8")]) from None


def read_tree(text: str, source: Source) -> tuple[Node, list[Problem]]:
    """The tree of a text and what is wrong in it (nodes that are ``broken`` are among the problems).

    Raises ScenarioError where reading cannot go on: bad syntax, more than one document, a cap exceeded.
    """
    try:
        return Reader(text, source).document()
    except yaml.MarkedYAMLError as error:
        spot = error.problem_mark or error.context_mark
        mark = Mark(source, spot.line + 1, spot.column + 1) if spot and source.has_lines else Mark(source)
        said = " ".join(part for part in (error.context, error.problem) if part)
        raise ScenarioError([mark.problem(f"not valid YAML: {said}", hint=syntax_hint(error, text))]) from None
    except yaml.YAMLError as error:
        raise ScenarioError([Mark(source).problem(f"not valid YAML: {' '.join(str(error).split())}")]) from None


def syntax_hint(error: yaml.MarkedYAMLError, text: str) -> str:
    said = f"{error.context} {error.problem}"
    lines = text.splitlines()
    line = lines[error.problem_mark.line] if error.problem_mark and error.problem_mark.line < len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "indent with spaces: YAML allows no tabs there"
    if "flow" in said:
        return "a { or [ is not closed, or a comma is missing"
    if "mapping" in said or "block" in said:
        return "check the indentation of this line and the one before; quote text that contains ': '"
    return ""


class Reader:
    """Builds the tree from parser events, one at a time, so that a cap stops a hostile file before it costs anything."""

    def __init__(self, text: str, source: Source) -> None:
        self.source = source
        self.parser = PARSER(text)
        self.anchors: dict[str, Node] = {}
        self.nodes = 0
        self.aliases = 0
        self.path: list[str | int] = []
        self.problems: list[Problem] = []

    def document(self) -> tuple[Node, list[Problem]]:
        try:
            self.next()  # stream start
            if isinstance(self.next(), yaml.StreamEndEvent):
                return Node(Mark(self.source)), self.problems
            root = self.node(self.next(), 1)
            self.next()  # document end
            more = self.next()
            if not isinstance(more, yaml.StreamEndEvent):
                raise self.stop(more, "expected one document in the file, found a second one after '---'")
            return root, self.problems
        finally:
            self.parser.dispose()

    def next(self) -> Any:
        return self.parser.get_event()

    def mark(self, event: Any) -> Mark:
        if not self.source.has_lines:
            return Mark(self.source)
        return Mark(self.source, event.start_mark.line + 1, event.start_mark.column + 1)

    def stop(self, event: Any, message: str, hint: str = "") -> ScenarioError:
        return ScenarioError([*self.problems, self.mark(event).problem(message, tuple(self.path), hint)])

    def note(self, event: Any, message: str, hint: str = "") -> None:
        self.problems.append(self.mark(event).problem(message, tuple(self.path), hint))

    def node(self, event: Any, depth: int) -> Node:
        if isinstance(event, yaml.AliasEvent):
            node = self.alias(event)
        else:
            node = Node(self.mark(event))
            if depth > MOST_DEPTH:
                raise self.stop(event, f"nested more than {MOST_DEPTH} deep")
            if getattr(event, "tag", None) not in (None, "!"):
                tag = event.tag.replace("tag:yaml.org,2002:", "!!")
                self.note(event, f"expected no tag, found {tag}", "leave the tag out: the language knows its own types")
                node.broken = True
            if isinstance(event, yaml.MappingStartEvent):
                self.mapping(node, depth)
            elif isinstance(event, yaml.SequenceStartEvent):
                self.sequence(node, depth)
            else:
                self.scalar(node, event)
            if event.anchor:
                self.anchors[event.anchor] = node
        self.nodes += node.size if isinstance(event, yaml.AliasEvent) else 1
        if self.nodes > MOST_NODES:
            raise self.stop(event, f"more than {MOST_NODES:,} values, aliases counted as what they stand for")
        if depth + node.depth - 1 > MOST_DEPTH:
            raise self.stop(event, f"nested more than {MOST_DEPTH} deep")
        return node

    def alias(self, event: Any) -> Node:
        self.aliases += 1
        if self.aliases > MOST_ALIASES:
            raise self.stop(event, f"more than {MOST_ALIASES} aliases", "use `extends` for what several scenarios share")
        if event.anchor not in self.anchors:
            raise self.stop(event, f"alias *{event.anchor} stands before, or inside, what it should repeat")
        return self.anchors[event.anchor]

    def mapping(self, node: Node, depth: int) -> None:
        children: dict[str, Node] = {}
        node.value = children
        while not isinstance(key := self.next(), yaml.MappingEndEvent):
            if not isinstance(key, yaml.ScalarEvent):
                raise self.stop(key, "expected a name as key, found a list, a mapping or an alias", "quote what starts with {, [ or *")
            if len(key.value) > 200:
                raise self.stop(key, f"expected a key of at most 200 characters, found one of {len(key.value):,}")
            self.path.append(key.value)
            child = self.node(self.next(), depth + 1)
            if key.value in children:
                first = node.keys[key.value].line
                self.note(key, f"key {key.value!r} stands twice in the same mapping, first on line {first}", "remove one of the two")
            self.path.pop()
            if key.value in children:
                continue
            children[key.value] = child
            node.keys[key.value] = self.mark(key)
            self.grow(node, child)

    def sequence(self, node: Node, depth: int) -> None:
        children: list[Node] = []
        node.value = children
        while not isinstance(event := self.next(), yaml.SequenceEndEvent):
            self.path.append(len(children))
            child = self.node(event, depth + 1)
            self.path.pop()
            children.append(child)
            self.grow(node, child)

    def grow(self, node: Node, child: Node) -> None:
        node.size += child.size
        node.depth = max(node.depth, child.depth + 1)

    def scalar(self, node: Node, event: Any) -> None:
        if not event.implicit[0] or event.style:
            node.value = event.value
            return
        try:
            node.value = resolve(event.value)
        except ValueError as error:
            self.note(event, str(error))
            node.broken = True
