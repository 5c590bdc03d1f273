"""The whole language of scenarios: what ``sim.scenario`` says of workloads, providers and faults, and the words of the chain's stages.

A stage's words are its ``Config``; ``check(scenario)`` says what must hold between them and the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, create_model

from sim.data import outcomes
from sim.gateway.chain import STAGES
from sim.kernel import refusals
from sim.scenario import schema
from sim.scenario.assertions import Assertion, check_phases, parse_assertion
from sim.scenario.checks import RULES
from sim.scenario.finding import Finding
from sim.scenario.load import Language, Loaded, load_as
from sim.scenario.model import Scenario as AnyScenario
from sim.scenario.values import Model


class Kind(Model):
    kind: Literal["reference"] = Field("reference", description="the gateway that is modelled: Tenfold's own, made of the policies below")


CONFIGS: tuple[Any, ...] = (*(stage.Config for stage in reversed(STAGES) if hasattr(stage, "Config")), Kind)
Gateway = create_model("Gateway", __base__=CONFIGS, __doc__="The gateway: the policies that a request passes.")


class Scenario(AnyScenario):
    """One file that drives the model, the mock providers, the gateway, the load, the faults and the budgets."""

    gateway: Gateway = Field(description="the policies that a request passes")


def limit_names() -> list[str]:
    """Of everything that can refuse a request or an attempt."""
    return sorted(name for name in refusals.NAMES.values() if name)


def assertions_of(scenario: Any) -> list[Assertion]:
    """Raises BudgetError."""
    return [parse_assertion(text, outcomes.BY_NAME, limit_names()) for text in scenario.assertions or ()]


def assertions_parse(scenario: Any) -> Iterator[Finding]:
    for index, text in enumerate(scenario.assertions or ()):
        try:
            check_phases(scenario, parse_assertion(text, outcomes.BY_NAME, limit_names()))
        except ValueError as error:
            yield Finding(("assertions", index), str(error))
    if scenario.expected == "fails" and not scenario.budgets:
        yield Finding(("expected",), "there is no budget that could be broken", "add budgets, or leave this out")


def check(scenario: Any) -> Iterator[Finding]:
    """What does not hold between the parts of a scenario."""
    for rule in (*RULES, assertions_parse, *(stage.check for stage in STAGES if hasattr(stage, "check"))):
        yield from rule(scenario)


LANGUAGE = Language(Scenario, check)


def load(path: str | Path, overrides: Sequence[str] = ()) -> Loaded:
    """Load the scenario at ``path`` (a file, or the name of one that ``tenfold scenarios`` lists), with ``path.to.key=value`` overrides.

    Raises ScenarioError with everything that is wrong.
    """
    return load_as(LANGUAGE, path, overrides)


def json_schema() -> dict[str, Any]:
    """The language as JSON Schema, draft 2020-12."""
    return schema.json_schema(Scenario)


def schema_text() -> str:
    """The schema as the file ``scenarios/tenfold.schema.json`` holds it."""
    return schema.as_text(json_schema())
