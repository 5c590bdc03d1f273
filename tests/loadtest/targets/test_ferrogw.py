"""What of a scenario becomes ferrogw's configuration, and what is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.targets import ferrogw
from loadtest.targets.ferrogw import TARGET
from mockprovider.processes.supervisor import Crew
from tests.loadtest.targets.fitting import fitting, place

ORDERED = ("gateway.routing={kind: capability, default: [p/m, q/m]}", "gateway.fallback=[next-provider]")
DRAWN = "gateway.routing={kind: weighted, weights: {p/m: 1, q/m: 3}}"
RETRY = "gateway.retry={attempts: 3, backoff: {kind: full-jitter, base: 100ms, cap: 8s}}"
QUEUE = "gateway.queue={concurrency: 7, waiting: unlimited, timeout: null}"


def test_targets_in_order_are_fallbacks_each_with_its_retries(tmp_path: Path) -> None:
    found = ferrogw.configuration(fitting(tmp_path, *ORDERED, RETRY).scenario)
    assert found["strategy"] == {"mode": "fallback"}
    retry = {"attempts": 3, "initial_backoff_ms": 100}
    assert found["targets"] == [{"virtual_key": name, "weight": 1.0, "models": ["m"], "retry": retry} for name in ("openai", "groq")]


def test_an_ejection_is_a_breaker_of_each_target(tmp_path: Path) -> None:
    found = ferrogw.configuration(fitting(tmp_path, *ORDERED, "gateway.ejection={kind: ferrogw, timeout: 1500ms}").scenario)
    breaker = {"failure_threshold": 5, "success_threshold": 1, "max_half_threshold": 1, "timeout": "1.500000s"}
    assert [target["circuit_breaker"] for target in found["targets"]] == [breaker, breaker]


def test_a_queue_is_the_targets_and_refuses_with_429(tmp_path: Path) -> None:
    loaded = fitting(tmp_path, QUEUE)
    (target,) = ferrogw.configuration(loaded.scenario)["targets"]
    assert target["concurrency"] == {"max_concurrency": 7, "queue_size": 10_000}
    launch = TARGET.launch(Path("ferrogw"), place(tmp_path, loaded, Crew(tmp_path)), 8080)
    assert launch.client.outcomes == {429: "rejected"}
    assert launch.client.models == {"default": "m"}
    assert launch.env.items() >= {"OPENAI_BASE_URL": "http://127.0.0.1:9001/v1", "OPENAI_API_KEY": "sk-mock-p-0", "PORT": "8080"}.items()


def test_a_rate_limit_is_a_bucket_that_holds_one_window(tmp_path: Path) -> None:
    (plugin,) = ferrogw.configuration(fitting(tmp_path, "gateway.limits.global={requests: 600/min}").scenario)["plugins"]
    assert plugin["config"] == {"requests_per_second": 10.0, "burst": 600.0}


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (("gateway.routing.models=[p/m, q/m]",), "ferrogw takes no turns"),
        ((ORDERED[0],), "write fallback: [next-provider]"),
        ((DRAWN,), "write fallback: [next-provider]"),
        (("gateway.queue={concurrency: 7, waiting: 5, timeout: 1s}",), "ferrogw's has no timeout"),
        (("gateway.retry={attempts: 9, backoff: {base: 1s, cap: 2s}}",), "full-jitter without a cap"),
        (("gateway.timeout.total=1s", "workload.client.stream=true"), "ferrogw exempts streams"),
        (("gateway.workers=2",), "gateway.workers: "),
    ],
)
def test_what_it_cannot_do_is_refused_by_name_with_what_to_change(tmp_path: Path, overrides: tuple[str, ...], says: str) -> None:
    assert any(says in line for line in TARGET.cannot(fitting(tmp_path, *overrides)))


def test_what_it_can_do_is_not_refused(tmp_path: Path) -> None:
    assert TARGET.cannot(fitting(tmp_path, *ORDERED, RETRY)) == []
    assert TARGET.cannot(fitting(tmp_path, QUEUE, RETRY)) == []
    assert TARGET.cannot(fitting(tmp_path, DRAWN, ORDERED[1])) == []
