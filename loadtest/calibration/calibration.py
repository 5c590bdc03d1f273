"""What a calibration says, as a file: an overlay for scenarios, and under ``calibration`` where each figure of it comes from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from loadtest.calibration.figure import FOUND, NONE, UNKNOWN, Figure
from sim.scenario.load import Loaded

SCHEMA_VERSION = 1
TOLERANCE = 0.05
BLOCKS = ("gateway.queue", "gateway.limits.global", "gateway.limits.per_user", "gateway.breaker", "gateway.retry", "gateway.held_writes")
"""Parts of a scenario that are there as a whole, or not at all."""


NOT_LAID = ("gateway.routing.kind",)
EMPTY: dict[str, Any] = {"gateway.cache": [], "gateway.fallback": []}
CACHE = "gateway.cache.0."
ENDLESS = {"gateway.queue.waiting": "unlimited"}
"""What is laid over where no end of a room was found, and the scenario declares none, or a smaller one than was seen."""


class BadCalibration(ValueError):
    """A file that is no calibration, in words."""


@dataclass(frozen=True)
class Identity:
    """What a calibration is of. ``gateway``: the scenario's own words about it; ``version``: of the target, '' where it does not tell."""

    scenario: str
    scenario_sha256: str
    target: str
    version: str
    machine: dict[str, Any]
    tenfold: str
    gateway: dict[str, Any] = field(default_factory=dict)

    def differences(self, other: Identity) -> list[str]:
        """In words, what this one has otherwise than ``other``."""
        words = []
        for name in ("target", "version", "tenfold"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                words.append(f"{name} {mine or 'unknown'}, here {theirs or 'unknown'}")
        changed = [key for key in sorted({*self.machine, *other.machine}) if self.machine.get(key) != other.machine.get(key)]
        words += [f"machine: {key} {self.machine.get(key)}, here {other.machine.get(key)}" for key in changed]
        return words + self.scenario_differences(other)

    def scenario_differences(self, other: Identity) -> list[str]:
        if self.scenario_sha256 == other.scenario_sha256:
            return []
        mine, theirs = dict(flat(self.gateway)), dict(flat(other.gateway))
        paths = [path for path in sorted({*mine, *theirs}) if mine.get(path) != theirs.get(path)]
        if self.scenario != other.scenario:
            return [f"scenario {self.scenario}, here {other.scenario}"]
        return [f"gateway.{path} was {mine.get(path, 'not there')}, here {theirs.get(path, 'not there')}" for path in paths[:6]]


def flat(document: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in document.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


@dataclass(frozen=True)
class Calibration:
    """``declared``: the scenario's values of the figures' paths."""

    identity: Identity
    at: str
    figures: tuple[Figure, ...]
    declared: dict[str, Any]

    def overrides(self) -> list[str]:
        """``path=value`` for a scenario, as --set takes them."""
        return [f"{path}={json.dumps(value)}" for path, value in overlay_of(self.figures, self.declared).items()]

    def differences(self) -> list[str]:
        """What was found is not what is declared."""
        return [words for figure in self.figures if (words := difference(figure, self.declared.get(figure.path or "")))]

    def cautions(self) -> list[str]:
        """What is laid over is not what was seen."""
        endless = endless_rooms(self.figures, self.declared)
        return [f"{figure.name}: {figure.warning}" for figure in self.figures if figure.warning] + [
            f"{figure.name}: {figure.evidence}; laid over as {endless[figure.path]}"
            for figure in self.figures
            if figure.path in endless and endless[figure.path] != self.declared.get(figure.path)
        ]

    def document(self) -> dict[str, Any]:
        """What ``tenfold calibrate --json`` prints."""
        return {
            "schema_version": SCHEMA_VERSION, "of": vars(self.identity), "at": self.at,
            "declared": {path: plain(value) for path, value in self.declared.items()}, "warnings": [*self.differences(), *self.cautions()],
            "figures": [figure.document() for figure in self.figures], "overlay": nested(overlay_of(self.figures, self.declared)),
        }  # fmt: skip

    def yaml_text(self) -> str:
        told = self.document()
        overlay = told.pop("overlay")
        heading = "# What `tenfold calibrate` found out. `--calibration THIS_FILE` lays it over a scenario.\n"
        body = yaml.safe_dump({**overlay, "calibration": told}, sort_keys=False, allow_unicode=True, width=140)
        return heading + body


def overlay_of(figures: Sequence[Figure], declared: Mapping[str, Any]) -> dict[str, Any]:
    """Values by path. A part of which nothing is enforced goes as a whole: ``gateway.queue`` is null without a limit in service.

    How targets are balanced is not laid over: which ones there are only the scenario knows.
    """
    values = {each.path: each.value for each in figures if each.path is not None and each.state == FOUND and each.path not in NOT_LAID}
    values |= endless_rooms(figures, declared)
    emptied: set[str] = set()
    for figure in figures:
        if figure.path is None or figure.state != NONE:
            continue
        block = next((block for block in BLOCKS if figure.path.startswith(f"{block}.")), figure.path)
        if block in emptied:
            continue
        if not any(path == block or path.startswith(f"{block}.") for path in values):
            values[block] = EMPTY.get(block)
            emptied.add(block)
        elif figure.path not in values and figure.path not in BLOCKS and block != figure.path:
            values[figure.path] = None
    return with_whole_caches(values)


def endless_rooms(figures: Sequence[Figure], declared: Mapping[str, Any]) -> dict[str, Any]:
    """A room of at least so many is not left out: the scenario's default of it is none at all. One declared to be as large is right."""
    rooms = {figure.path: figure.low for figure in figures if figure.path in ENDLESS and figure.state == UNKNOWN and figure.low}
    return {path: declared[path] if holds(declared.get(path), least) else ENDLESS[path] for path, least in rooms.items() if path}


def holds(declared: Any, least: float) -> bool:
    size = number(declared) if declared != "unlimited" else float("inf")
    return isinstance(size, float) and size >= least


def with_whole_caches(values: dict[str, Any]) -> dict[str, Any]:
    """The entry of a list is laid over as a whole; without its lifetime it would be none."""
    cache = {path.removeprefix(CACHE): value for path, value in values.items() if path.startswith(CACHE)}
    rest = {path: value for path, value in values.items() if not path.startswith(CACHE)}
    return {**rest, "gateway.cache": [{"kind": "exact", **cache}]} if "ttl" in cache else rest


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for path, value in values.items():
        *way, last = path.split(".")
        place = document
        for step in way:
            place = place.setdefault(step, {})
        place[last] = value
    return document


def difference(figure: Figure, declared: Any) -> str:
    """In words, how what was found differs from what is declared; empty if it does not, or if nothing was found out."""
    if figure.path is None:
        return ""
    declared = plain(declared)
    if figure.state == NONE and declared not in (None, "unlimited", [], 0):
        return f"{figure.name}: declares {shown(declared)}; nothing such was seen ({figure.evidence})"
    if figure.state != FOUND or same(figure, declared):
        return ""
    if declared is None:
        return f"{figure.name}: declares none; {shown(figure.value)} was seen ({figure.evidence})"
    return f"{figure.name}: declares {shown(declared)}; {shown(figure.value)} was seen ({figure.evidence})"


def same(figure: Figure, declared: Any) -> bool:
    mine, theirs = number(figure.value), number(declared)
    if mine is None or theirs is None:
        return bool(figure.value == declared)
    if isinstance(mine, tuple) or isinstance(theirs, tuple):
        return bool(mine == theirs)
    inside = figure.low is not None and figure.high is not None and figure.low <= theirs <= figure.high
    return inside or abs(mine - theirs) <= TOLERANCE * max(abs(theirs), 1e-9) * (not isinstance(figure.value, int))


def number(value: Any) -> float | tuple[float, float] | None:
    """Seconds of a duration, (count, seconds) of a rate, a plain number; None for words."""
    from sim.scenario.units import parse_duration, parse_rate

    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value)
    for parse in (parse_duration, lambda text: (parse_rate(text).count, parse_rate(text).per_s)):
        try:
            return parse(value)
        except ValueError:
            continue
    return None


def plain(value: Any) -> Any:
    """As a scenario writes it, if it is no plain data."""
    from sim.scenario.units import Rate

    return str(value) if isinstance(value, Rate) else value


def shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, dict | list | tuple):
        return yaml.safe_dump(value, default_flow_style=True, width=10_000).strip()
    return str(value)


def declared_at(tree: Mapping[str, Any], path: str) -> Any:
    """The value of a path in a resolved scenario, in the scenario's own form; None where it says nothing."""
    value: Any = tree
    for step in path.split("."):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def read_calibration(path: Path) -> Calibration:
    """Raises BadCalibration."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadCalibration(f"{path}: cannot be read: {error.strerror or error}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadCalibration(f"{path}: is no YAML: {str(error).splitlines()[0]}") from None
    told = document.get("calibration") if isinstance(document, dict) else None
    if not isinstance(told, dict):
        raise BadCalibration(f"{path}: has no `calibration`; expected a file that `tenfold calibrate -o` wrote")
    if told.get("schema_version") != SCHEMA_VERSION:
        stands = told.get("schema_version")
        raise BadCalibration(f"{path}: calibration.schema_version is {stands!r}, expected {SCHEMA_VERSION}; calibrate again")
    try:
        figures = tuple(Figure.of(figure) for figure in told["figures"])
        return Calibration(Identity(**told["of"]), str(told["at"]), figures, dict(told["declared"]))
    except (KeyError, TypeError) as error:
        raise BadCalibration(f"{path}: calibration is not whole: {error}; calibrate again") from None


def gateway_of(loaded: Loaded) -> dict[str, Any]:
    gateway: dict[str, Any] = loaded.tree()["gateway"]
    return gateway


def gateway_sha256(loaded: Loaded) -> str:
    """Of what the scenario says of its gateway and providers' names: traffic, budgets and faults do not bear on a calibration."""
    document = loaded.tree()
    names = {name: sorted(provider["models"]) for name, provider in document["providers"].items()}
    text = json.dumps([document["gateway"], names], sort_keys=True)
    return sha256(text.encode()).hexdigest()
