"""The deployment files are what their tools expect, and name what there is: commands parse, ports and metrics exist, nothing is exposed."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from loadtest.cli.main import VERBS
from sim.gateway.language import load
from tests.docs.pages import ROOT

DEPLOY = ROOT / "docs" / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
MANIFESTS = [document for file in sorted((DEPLOY / "kubernetes").glob("*.yaml")) for document in yaml.safe_load_all(file.read_text())]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def tenfold_lines() -> list[list[str]]:
    return [service["command"] for service in COMPOSE["services"].values() if service["image"] == "tenfold"]


def without_variables(words: list[str]) -> list[str]:
    return [re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", word) for word in words]


@pytest.mark.parametrize("words", tenfold_lines(), ids=lambda words: words[0])
def test_what_compose_runs_parses_and_its_scenario_is_there(words: list[str]) -> None:
    verb, *arguments = without_variables(words)
    command: click.Command = importlib.import_module(VERBS[verb][0]).command
    context = command.make_context(verb, arguments)
    assert load(context.params["path"]).scenario.providers


def test_compose_wires_every_provider_of_its_scenario_to_the_gateway() -> None:
    words = without_variables(COMPOSE["services"]["gateway"]["command"])
    upstreams = dict(words[place + 1].split("=", 1) for place, word in enumerate(words) if word == "--upstream")
    ports = {name: 9000 + place for place, name in enumerate(sorted(load("demo").scenario.providers))}  # as `tenfold mock` counts them
    assert upstreams == {name: f"http://mock:{port}" for name, port in ports.items()}


def test_compose_publishes_on_loopback_only_and_mounts_files_that_exist() -> None:
    for service in COMPOSE["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
        for volume in service.get("volumes", ()):
            assert (DEPLOY / volume.split(":")[0]).is_file()


def test_every_part_that_compose_waits_for_says_when_it_is_healthy() -> None:
    services = COMPOSE["services"]
    waited = {name for service in services.values() if isinstance(service.get("depends_on"), dict) for name in service["depends_on"]}
    assert waited == {"mock", "gateway"}
    assert all("test" in services[name]["healthcheck"] for name in waited)


def test_prometheus_scrapes_parts_of_compose_where_they_listen() -> None:
    jobs = yaml.safe_load((DEPLOY / "prometheus.yaml").read_text())["scrape_configs"]
    scraped = {target for job in jobs for group in job["static_configs"] for target in group["targets"]}
    upstreams = re.findall(r"=http://(mock:\d+)", " ".join(COMPOSE["services"]["gateway"]["command"]))
    port = COMPOSE["services"]["gateway"]["command"][COMPOSE["services"]["gateway"]["command"].index("--port") + 1]
    assert scraped == {f"gateway:{port}", *upstreams}


def metric_names() -> set[str]:
    from loadtest.gateway.metrics import Metrics
    from sim.gateway.language import load

    lines = Metrics(lambda: (0, 0, 0), load("demo").scenario).expose().decode().splitlines()
    mocks = re.findall(r'"(tenfold_mock_\w+)"', (ROOT / "mockprovider" / "evidence" / "metrics.py").read_text())
    return {line.split()[2] for line in lines if line.startswith("# TYPE")} | {f"{name}_total" for name in mocks}


def test_the_dashboard_draws_metrics_that_are_exposed() -> None:
    dashboard = json.loads((DEPLOY / "grafana" / "tenfold.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked = {name.removesuffix("_bucket") for query in queries for name in re.findall(r"tenfold_\w+", query)}
    known = metric_names()
    assert asked
    assert not {name for name in asked if name not in known and name.removesuffix("_total") not in known}


def containers(document: Any) -> Iterator[Any]:
    spec = document.get("spec", {}).get("template", {}).get("spec", {})
    yield from spec.get("containers", ())


def test_manifests_are_kubernetes_objects_that_kustomize_lists() -> None:
    listed = yaml.safe_load((DEPLOY / "kubernetes" / "kustomization.yaml").read_text())["resources"]
    files = {file.name for file in (DEPLOY / "kubernetes").glob("*.yaml")} - {"kustomization.yaml"}
    assert set(listed) == files
    for document in MANIFESTS:
        assert {"apiVersion", "kind"} <= set(document)
        assert document["kind"] == "Kustomization" or document["metadata"]["name"]


@pytest.mark.parametrize("document", MANIFESTS, ids=lambda document: f"{document['kind']}-{document.get('metadata', {}).get('name', '')}")
def test_a_manifest_fits_the_strict_schema_of_its_kind(document: Any) -> None:
    kubernetes = pytest.importorskip("kubernetes_validate", reason="pip install '.[dev]'")
    if document["kind"] != "Kustomization":  # kustomize's own file, no object of the cluster
        kubernetes.validate(document, kubernetes.latest_version(), strict=True)


def test_services_select_pods_and_selectors_match_their_templates() -> None:
    labels = [document["spec"]["template"]["metadata"]["labels"] for document in MANIFESTS if "template" in document.get("spec", {})]
    for document in MANIFESTS:
        if document["kind"] == "Service":
            assert document["spec"]["selector"] in labels
        if document["kind"] == "Deployment":
            assert document["spec"]["selector"]["matchLabels"] == document["spec"]["template"]["metadata"]["labels"]


def test_every_container_runs_as_a_user_within_limits_and_starts_a_module_that_exists() -> None:
    found = [container for document in MANIFESTS for container in containers(document)]
    assert len(found) == 4
    for container in found:
        assert container["securityContext"] == {"runAsNonRoot": True, "runAsUser": 1000, "allowPrivilegeEscalation": False}
        assert container["resources"]["limits"]["memory"]
        assert importlib.util.find_spec(container["command"][2])


def test_the_load_of_the_manifests_parses() -> None:
    from loadtest.generator.__main__ import main

    loads = (each for document in MANIFESTS for each in containers(document) if "loadtest.generator" in each["command"])
    lines = [each["command"][3:] for each in loads]
    parsed = [main.make_context("load", list(line)).params for line in lines]
    assert {params["parts"] for params in parsed} == {
        next(d["spec"]["completions"] for d in MANIFESTS if "completions" in d.get("spec", {}))
    }
    assert {params["master"] for params in parsed} == {None, "locust-master"}


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_a_workflow_has_jobs_of_known_steps_and_asks_for_no_more_than_it_needs(file: Path) -> None:
    workflow = yaml.safe_load(file.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job["runs-on"]
        assert all(("run" in step) != ("uses" in step) for step in job["steps"])
    for target in re.findall(r"make (\w+)", file.read_text()):
        assert f"\n{target}:" in (ROOT / "Makefile").read_text()


def tool(name: str) -> str:
    """A program of the extra `dev`, beside the interpreter."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip(f"{name} is not installed: pip install '.[dev]'")
    return found


def run(*words: str) -> str:
    """What a program complains about; empty where it is content."""
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""


def test_hadolint_finds_nothing_in_the_image() -> None:
    assert not run(tool("hadolint"), "docs/deploy/Dockerfile")


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("vendor.compose-spec", "docs/deploy/compose.yaml"),
        ("vendor.github-actions", "action.yml"),
        *(("vendor.github-workflows", str(file)) for file in WORKFLOWS),
    ],
)
def test_a_file_fits_the_schema_of_its_tool(schema: str, file: str) -> None:
    assert not run(tool("check-jsonschema"), "--builtin-schema", schema, file)
