"""What of a scenario becomes nginx's configuration, and what is refused by name."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from loadtest.targets import install
from loadtest.targets.nginx import TARGET, configuration
from tests.loadtest.targets.fitting import fitting, place

BOTH = "gateway.routing={kind: weighted, weights: {p/m: 2, q/m: 1}}"
NEXT = "gateway.retry={attempts: 2, backoff: none, to: next}"
LIMIT = "gateway.limits.global={requests: 300/min}"
FULL = "gateway.queue={concurrency: 10, waiting: 0}"


def lines(tmp_path: Path, *overrides: str) -> list[str]:
    return [line.split("    #")[0].strip() for line in configuration(place(tmp_path, fitting(tmp_path, *overrides)), 8080).splitlines()]


def test_a_limit_of_requests_is_a_bucket_that_holds_one_window(tmp_path: Path) -> None:
    written = lines(tmp_path, LIMIT)
    assert "limit_req_zone $server_port zone=rate:1m rate=5r/s;" in written
    assert "limit_req zone=rate burst=299 nodelay;" in written


def test_failures_leave_a_target_out_and_equal_weights_are_one(tmp_path: Path) -> None:
    written = lines(tmp_path, "gateway.routing.models=[p/m, q/m]", NEXT, "gateway.ejection={kind: nginx, max_fails: 3, fail_timeout: 5s}")
    assert f"server unix:{tmp_path}/p-m.sock weight=1 max_fails=3 fail_timeout=5s;" in written


def test_calls_beyond_the_limit_are_refused_at_once(tmp_path: Path) -> None:
    assert "limit_conn calls 10;" in lines(tmp_path, FULL)


def test_a_retry_goes_to_the_next_of_the_weighted_targets(tmp_path: Path) -> None:
    written = lines(tmp_path, BOTH, NEXT, "gateway.timeout.first_token=2s")
    assert {"random;", "proxy_next_upstream_tries 2;", "proxy_read_timeout 2000ms;"} <= set(written)
    assert f"server unix:{tmp_path}/p-m.sock weight=100 max_fails=0;" in written
    assert f"server unix:{tmp_path}/q-m.sock weight=50 max_fails=0;" in written
    assert 'proxy_set_header Authorization "Bearer sk-mock-q-0";' in written


@pytest.mark.skipif(install.RECIPES["nginx"].path() is None, reason=f"needs nginx: {install.COMMAND} nginx")
@pytest.mark.parametrize("overrides", [(), (LIMIT, FULL), (BOTH, NEXT)])
def test_nginx_takes_the_configuration(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    path = tmp_path / "nginx.conf"
    path.write_text(configuration(place(tmp_path, fitting(tmp_path, *overrides)), 8080))
    argv = [str(install.program("nginx")), "-t", "-c", str(path), "-p", str(tmp_path), "-e", "stderr"]
    checked = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (("gateway.queue={concurrency: 10, waiting: 5}",), "nobody waits in nginx"),
        (("gateway.retry={attempts: 2, backoff: none}",), "gateway.retry.to: same: "),
        ((NEXT,), "nginx tries each target once"),
        (("gateway.limits.global={requests: 300/min, algorithm: fixed-window}",), "nginx's limit_req is a token-bucket"),
        ((BOTH, NEXT, "providers.q.errors={rate: 0.1, status: 529}"), "does not retry 529, the status of providers.q.errors"),
        (("gateway.timeout.total=1s",), "gateway.timeout.total: "),
    ],
)
def test_what_it_cannot_do_is_refused_by_name_with_what_to_change(tmp_path: Path, overrides: tuple[str, ...], says: str) -> None:
    assert any(says in line for line in TARGET.cannot(fitting(tmp_path, *overrides)))


def test_what_it_can_do_is_not_refused(tmp_path: Path) -> None:
    assert TARGET.cannot(fitting(tmp_path, BOTH, NEXT, LIMIT, FULL, "gateway.workers=2")) == []
