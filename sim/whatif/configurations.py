"""The scenarios that settings make of one scenario, all of them checked before any is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sim.scenario.errors import Problem, ScenarioError
from sim.scenario.load import Loaded
from sim.whatif.variation import Settings, as_words

Load = Callable[[Sequence[str]], Loaded]
"""Loads the scenario with ``path=value`` overrides."""
OVERRIDE = "--set "
MOST_FAILURES = 50
"""Configurations that are refused before the rest is no longer looked at."""


@dataclass(frozen=True)
class Configuration:
    """``number`` counts from 0; ``settings`` of what is varied; the scenario that they make."""

    number: int
    settings: Settings
    loaded: Loaded

    @property
    def words(self) -> str:
        return as_words(self.settings)


def with_settings(load: Load, settings: Settings, option: str) -> Loaded:
    """Raises ScenarioError whose problems name ``option`` (``--vary``) as where the value was given."""
    try:
        return load([f"{path}={value}" for path, value in settings])
    except ScenarioError as error:
        raise ScenarioError([named(problem, settings, option) for problem in error.problems]) from None


def named(problem: Problem, settings: Settings, option: str) -> Problem:
    given = [f"{OVERRIDE}{path}={value}" for path, value in settings]
    return replace(problem, file=f"{option} {problem.file.removeprefix(OVERRIDE)}") if problem.file in given else problem


def configurations(load: Load, settings: Sequence[Settings], option: str) -> list[Configuration]:
    """One for each, in their order. Raises ScenarioError with what is wrong in any of them, each thing said once."""
    made: list[Configuration] = []
    problems: dict[tuple[str, str], Problem] = {}
    failed = 0
    for number, each in enumerate(settings):
        try:
            made.append(Configuration(number, each, with_settings(load, each, option)))
        except ScenarioError as error:
            failed += 1
            for problem in error.problems:
                problems.setdefault((problem.path, problem.message), problem)
            if failed == MOST_FAILURES:
                break
    if problems:
        raise ScenarioError(list(problems.values()))
    return made


def warnings_of(made: Sequence[Configuration]) -> list[str]:
    """What does not stop them, each said once."""
    found: dict[tuple[str, str], Problem] = {}
    for each in made:
        for problem in each.loaded.warnings:
            found.setdefault((problem.path, problem.message), problem)
    return [str(problem) for problem in found.values()]
