"""What of a scenario becomes rolter's configuration, and what is refused by name."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from loadtest.targets.rolter import TARGET, configuration
from tests.loadtest.targets.fitting import fitting, place

BOTH = "gateway.routing.models=[p/m, q/m]"
RETRY = "gateway.retry={attempts: 3, to: next, backoff: {kind: full-jitter, base: 100ms, cap: 2s}}"
QUEUE = "gateway.queue={concurrency: 7, waiting: 9, timeout: null}"


def written(tmp_path: Path, *overrides: str) -> dict[str, Any]:
    return tomllib.loads(configuration(place(tmp_path, fitting(tmp_path, *overrides)), 8080))


def test_a_pool_is_a_route_whose_targets_take_turns(tmp_path: Path) -> None:
    found = written(tmp_path, BOTH, RETRY)
    targets = [{"provider": "p", "model": "m"}, {"provider": "q", "model": "m"}]
    assert found["routes"] == [{"model": "default", "strategy": "round_robin", "targets": targets}]
    assert [(each["name"], each["api_base"]) for each in found["providers"]] == [
        ("p", "http://127.0.0.1:9001"), ("q", "http://127.0.0.1:9002"),
    ]  # fmt: skip
    assert found["retry"] == {"max_retries": 2, "base_backoff_ms": 100, "max_backoff_ms": 2000}


def test_a_queue_is_workers_and_room_for_those_that_wait(tmp_path: Path) -> None:
    assert written(tmp_path, QUEUE)["queue"] == {"enabled": True, "workers": 7, "capacity": 9, "backpressure": "error"}
    assert written(tmp_path)["queue"] == {"enabled": False}


def test_no_word_of_the_scenario_is_no_default_of_rolters(tmp_path: Path) -> None:
    found = written(tmp_path)
    assert (found["cooldown"]["base_secs"], found["timeouts"]["request_secs"], found["retry"]["max_retries"]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (("gateway.timeout.first_token=1500ms", "workload.client.stream=true"), "rolter counts whole seconds"),
        (("gateway.timeout.first_token=2s", "workload.client.stream=false"), "timeout.total, with retry: 1"),
        ((BOTH, "gateway.retry=2"), "write next with several"),
        ((QUEUE.replace("9", "0"),), "room for one at least"),
        (("gateway.limits.global={requests: 5/s}",), "gateway.limits.global.requests: "),
        (("gateway.routing={kind: weighted, weights: {p/m: 1}}",), "gateway.routing: weighted: "),
    ],
)
def test_what_it_cannot_do_is_refused_by_name_with_what_to_change(tmp_path: Path, overrides: tuple[str, ...], says: str) -> None:
    assert any(says in line for line in TARGET.cannot(fitting(tmp_path, *overrides)))


def test_what_it_can_do_is_not_refused(tmp_path: Path) -> None:
    assert TARGET.cannot(fitting(tmp_path, BOTH, RETRY, "gateway.timeout.first_token=2s", "workload.client.stream=true")) == []
