"""The JSON Schema: current, without complaint, and in agreement with the loader."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from sim.gateway.language import json_schema, schema_text
from sim.scenario.shipped import shipped_folder, shipped_names

VALID = Path(__file__).parent / "valid.yaml"


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_kept_file_is_current() -> None:
    kept = (shipped_folder() / "tenfold.schema.json").read_text(encoding="utf-8")
    assert kept == schema_text(), "write it anew: tenfold schema > scenarios/tenfold.schema.json"


def test_making_it_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert json.loads(schema_text())["title"] == "Tenfold scenario"


@pytest.mark.parametrize("name", shipped_names())
def test_every_shipped_scenario_fits(name: str, validator: jsonschema.Draft202012Validator) -> None:
    document = yaml.safe_load((shipped_folder() / f"{name}.yaml").read_text(encoding="utf-8"))
    assert [error.message for error in validator.iter_errors(document)] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("workload.duration", "10 minutes"),
        ("workload.duration", 30),
        ("workload.arrivals.rate", "4 rps"),
        ("workload.arrivals.kind", "possion"),
        ("workload.arivals", {}),
        ("gateway.routing.small", ["no-slash"]),
        ("gateway.workers", 0),
        ("extends", 3),
    ],
)
def test_it_refuses_what_the_loader_refuses(path: str, value: Any, validator: jsonschema.Draft202012Validator) -> None:
    document = yaml.safe_load(VALID.read_text())
    *above, last = path.split(".")
    parent = document
    for step in above:
        parent = parent[step]
    assert validator.is_valid(document)
    parent[last] = value
    assert not validator.is_valid(document)


def test_capabilities_are_free_keys(validator: jsonschema.Draft202012Validator) -> None:
    document = yaml.safe_load(VALID.read_text())
    document["gateway"]["routing"]["vision"] = ["openai/gpt-4o"]
    assert validator.is_valid(document)


def test_only_a_file_that_extends_may_leave_things_out(validator: jsonschema.Draft202012Validator) -> None:
    assert validator.is_valid({"extends": "launch.yaml", "workload": {"duration": "5m"}})
    assert not validator.is_valid({"extends": "launch.yaml", "workload": {"durration": "5m"}})
    assert not validator.is_valid({"tenfold": 1, "name": "part", "workload": {"duration": "5m"}})


def test_the_schema_says_what_a_trace_makes_of_duration_and_tokens() -> None:
    definitions = json_schema()["$defs"]
    assert "a trace is cut here" in definitions["Workload"]["properties"]["duration"]["description"]
    assert "not read for a trace" in definitions["RequestClass"]["properties"]["tokens"]["description"]
