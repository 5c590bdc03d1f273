"""What of a scenario becomes HAProxy's configuration, and what is refused by name."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from loadtest.targets import install
from loadtest.targets.haproxy import TARGET, configuration
from tests.loadtest.targets.fitting import fitting, place

BOTH = "gateway.routing={kind: least-busy, models: [p/m, q/m]}"
QUEUE = "gateway.queue={concurrency: 10, waiting: 5, timeout: 2s}"


def lines(tmp_path: Path, *overrides: str) -> list[str]:
    return [line.split("    #")[0].strip() for line in configuration(place(tmp_path, fitting(tmp_path, *overrides)), 8080).splitlines()]


def test_a_queue_is_maxconn_and_a_refusal_of_those_for_whom_there_is_no_room(tmp_path: Path) -> None:
    written = lines(tmp_path, QUEUE)
    assert "server p-m 127.0.0.1:9001 weight 256 maxconn 10" in written
    assert "timeout queue 2000ms" in written
    assert any(line.startswith("http-request return status 503") and line.endswith("{ be_conn(providers) ge 15 }") for line in written)


def test_errors_in_a_row_mark_a_server_down(tmp_path: Path) -> None:
    written = lines(tmp_path, "gateway.ejection={kind: haproxy, error_limit: 3, inter: 1s}")
    assert "server p-m 127.0.0.1:9001 weight 256 check inter 1000ms rise 2 observe layer7 error-limit 3 on-error mark-down" in written


def test_a_queue_without_bounds_refuses_nobody(tmp_path: Path) -> None:
    written = lines(tmp_path, "gateway.queue={concurrency: 10, waiting: unlimited, timeout: null}")
    assert not any("return status 503" in line for line in written)
    assert "timeout queue 1h" in written


def test_retries_are_those_of_the_model_without_pauses(tmp_path: Path) -> None:
    written = lines(tmp_path, BOTH, "gateway.retry={attempts: 3, backoff: none, to: next}", "gateway.timeout.first_token=3s")
    assert "retries 2" in written
    assert "retry-on conn-failure empty-response response-timeout 408 500 501 502 503 504" in written
    assert "option redispatch 1" in written
    assert "timeout server 3000ms" in written


def test_small_writes_are_held_if_the_scenario_says_so_for_as_long_as_the_kernel_does(tmp_path: Path) -> None:
    assert "option http-no-delay" in lines(tmp_path)
    assert "option http-no-delay" not in lines(tmp_path, "gateway.held_writes=200ms")
    assert not TARGET.cannot(fitting(tmp_path, "gateway.held_writes=205ms"))
    (refusal,) = TARGET.cannot(fitting(tmp_path, "gateway.held_writes=1s"))
    assert refusal.startswith("gateway.held_writes: ")


def test_each_provider_gets_its_own_key_and_its_weight(tmp_path: Path) -> None:
    written = lines(tmp_path, "gateway.routing={kind: weighted, weights: {p/m: 3, q/m: 1}}")
    assert "balance random(1)" in written
    assert {"server p-m abns@tenfold-8080-p-m weight 256", "server q-m abns@tenfold-8080-q-m weight 85"} <= set(written)
    assert {f'http-request set-header Authorization "Bearer sk-mock-{name}-0"' for name in "pq"} <= set(written)


@pytest.mark.skipif(install.RECIPES["haproxy"].path() is None, reason=f"needs HAProxy: {install.COMMAND} haproxy")
@pytest.mark.parametrize(
    "overrides", [(), (QUEUE, "gateway.ejection=haproxy"), (BOTH, "gateway.retry={attempts: 3, backoff: none, to: next}")]
)
def test_haproxy_takes_the_configuration(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    path = tmp_path / "haproxy.cfg"
    path.write_text(configuration(place(tmp_path, fitting(tmp_path, *overrides)), 8080))
    checked = subprocess.run([str(install.program("haproxy")), "-c", "-f", str(path)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (("gateway.cache=[{kind: exact, ttl: 1m}]",), "gateway.cache: this gateway does not do that"),
        (("gateway.breaker=resilience4j",), "gateway.breaker: "),
        (("gateway.retry=2",), "gateway.retry.backoff: this gateway does not do that; write instead: backoff: none"),
        ((BOTH, QUEUE), "HAProxy's maxconn is one of each server"),
        (
            ("gateway.retry={attempts: 2, backoff: none}", "providers.p.limits={requests: 10/s}"),
            "this gateway does not retry 429, which providers.p.limits",
        ),
        (("providers.p.dialect=anthropic",), "providers.p.dialect: anthropic is not spoken"),
        (("gateway.ejection=haproxy", "gateway.retry={attempts: 2, backoff: none}"), "HAProxy does not count what it retries"),
        (("providers.p.keys=2",), "providers.p.keys: "),
    ],
)
def test_what_it_cannot_do_is_refused_by_name_with_what_to_change(tmp_path: Path, overrides: tuple[str, ...], says: str) -> None:
    assert any(says in line for line in TARGET.cannot(fitting(tmp_path, *overrides)))


def test_what_it_can_do_is_not_refused(tmp_path: Path) -> None:
    assert TARGET.cannot(fitting(tmp_path, QUEUE, "gateway.timeout.first_token=3s", "gateway.retry={attempts: 2, backoff: none}")) == []
