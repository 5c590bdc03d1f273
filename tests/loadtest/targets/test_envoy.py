"""What of a scenario becomes Envoy's configuration, and what is refused by name."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from loadtest.targets import envoy, install
from loadtest.targets.envoy import TARGET
from tests.loadtest.targets.fitting import fitting, place

QUEUE = "gateway.queue={concurrency: 10, waiting: 20, timeout: null}"
RETRY = "gateway.retry={attempts: 3, backoff: {kind: full-jitter, base: 100ms, cap: 1s}}"
BOTH = "gateway.routing={kind: weighted, weights: {p/m: 3, q/m: 1}}"
IN_TURN = "gateway.routing.models=[p/m, q/m]"
LIMIT = "gateway.limits.global={requests: 6000/min}"


def written(tmp_path: Path, *overrides: str) -> dict[str, Any]:
    found: dict[str, Any] = envoy.configuration(place(tmp_path, fitting(tmp_path, *overrides)), 8080)["static_resources"]
    return found


def manager(resources: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = resources["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    return found


def route(resources: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = manager(resources)["route_config"]["virtual_hosts"][0]["routes"][1]["route"]
    return found


def test_a_queue_is_connections_and_requests_that_wait_for_one(tmp_path: Path) -> None:
    (limits,) = written(tmp_path, QUEUE)["clusters"][0]["circuit_breakers"]["thresholds"]
    assert (limits["max_connections"], limits["max_pending_requests"]) == (10, 20)
    assert limits["max_retries"] > 1000, "no limit of the scenario's"


def test_retries_and_timeouts_are_the_routes(tmp_path: Path) -> None:
    found = route(written(tmp_path, RETRY, "gateway.timeout={first_token: 1s, total: 5s}"))
    assert found["timeout"] == "5.000000s"
    assert found["retry_policy"].items() >= {
        "num_retries": 2, "per_try_idle_timeout": "1.000000s", "retriable_status_codes": [408, 409, 429],
        "retry_back_off": {"base_interval": "0.100000s", "max_interval": "1.000000s"},
    }.items()  # fmt: skip


def test_no_timeout_of_the_scenario_is_none_of_envoys(tmp_path: Path) -> None:
    found = route(written(tmp_path))
    assert found["timeout"] == "0.000000s"
    assert "retry_policy" not in found


def test_each_target_has_its_weight_and_its_providers_key(tmp_path: Path) -> None:
    found = route(written(tmp_path, BOTH))["weighted_clusters"]["clusters"]
    assert [(each["name"], each["weight"]) for each in found] == [("p-m", 1000), ("q-m", 333)]
    assert [each["request_headers_to_add"][0]["header"]["value"] for each in found] == ["Bearer sk-mock-p-0", "Bearer sk-mock-q-0"]


def test_targets_that_take_turns_are_one_cluster_which_ejects(tmp_path: Path) -> None:
    resources = written(tmp_path, IN_TURN, "gateway.ejection={kind: envoy, base_ejection_time: 5s, max_ejection_percent: 50%}")
    assert route(resources)["cluster"] == "providers"
    *mocks, all_of_them = resources["clusters"]
    assert (
        all_of_them["outlier_detection"].items()
        >= {"consecutive_5xx": 5, "base_ejection_time": "5.000000s", "max_ejection_percent": 50}.items()
    )
    assert not any("outlier_detection" in each for each in mocks)
    assert [listener["address"] for listener in resources["listeners"][1:]] == [
        end["endpoint"]["address"] for end in all_of_them["load_assignment"]["endpoints"][0]["lb_endpoints"]
    ]


def test_a_rate_limit_is_a_bucket_that_holds_one_window(tmp_path: Path) -> None:
    bucket = manager(written(tmp_path, LIMIT))["http_filters"][0]["typed_config"]["token_bucket"]
    assert bucket == {"max_tokens": 6000, "tokens_per_fill": 5, "fill_interval": "0.050000s"}


@pytest.mark.skipif(install.RECIPES["envoy"].path() is None, reason=f"needs Envoy: {install.COMMAND} envoy")
@pytest.mark.parametrize(
    "overrides",
    [
        (),
        (QUEUE, RETRY, LIMIT),
        (IN_TURN, RETRY, "gateway.retry.to=next", "gateway.ejection=envoy"),
        (BOTH, "gateway.timeout={first_token: 1s, total: 5s}"),
    ],
)
def test_envoy_takes_the_configuration(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    path = tmp_path / "envoy.json"
    path.write_text(json.dumps(envoy.configuration(place(tmp_path, fitting(tmp_path, *overrides)), 8080)))
    argv = [str(install.program("envoy")), "--mode", "validate", "-c", str(path), "-l", "error"]
    checked = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (("gateway.queue={concurrency: 10, waiting: 5, timeout: 1s}",), "gateway.queue.timeout: Envoy has none"),
        (("gateway.queue={concurrency: 10, waiting: 0}",), "gateway.queue.waiting: "),
        (("gateway.routing.models=[p/m, q/m]", "gateway.retry={attempts: 2, to: same}"), "gateway.retry.to: "),
        (("gateway.ejection=envoy", BOTH), "gateway.ejection: Envoy ejects among the targets of a cluster"),
        (("gateway.ejection=nginx",), "gateway.ejection: nginx: this gateway does not do that"),
        (("gateway.retry={attempts: 3, budget: 20%}",), "gateway.retry.budget: "),
        (("gateway.retry={attempts: 3, backoff: constant}",), "Envoy's pauses are full-jitter"),
        (("gateway.limits.global={requests: 5/s, algorithm: sliding-log}",), "Envoy's is a token-bucket"),
    ],
)
def test_what_it_cannot_do_is_refused_by_name_with_what_to_change(tmp_path: Path, overrides: tuple[str, ...], says: str) -> None:
    assert any(says in line for line in TARGET.cannot(fitting(tmp_path, *overrides)))


def test_what_it_can_do_is_not_refused(tmp_path: Path) -> None:
    assert TARGET.cannot(fitting(tmp_path, QUEUE, RETRY, LIMIT, "gateway.timeout.total=5s")) == []
