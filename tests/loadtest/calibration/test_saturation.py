"""Crowds find the work that a gateway is known to do: among others, and in stalls."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from loadtest.calibration import costs, saturation
from loadtest.calibration.bench import open_bench
from loadtest.calibration.figure import Figure
from loadtest.calibration.probe_scenario import probe_scenario
from loadtest.processes.http_control import free_port
from loadtest.processes.usage import Processes
from loadtest.targets.base import wait_until_healthy
from mockprovider.processes.supervisor import Crew
from mockprovider.supervisor import start_mocks
from sim.gateway.language import load
from tests.loadtest.calibration.figures import by_name
from tests.loadtest.calibration.test_unknown_gateway import BARE

pytestmark = [pytest.mark.slow, pytest.mark.sockets]
ROUND_S, OWN_S, STALL_CALLS, STALL_S = 0.010, 0.005, 60, 0.25


def test_work_shared_in_rounds_and_stalls_are_found_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saturation, "FEW_S", 2.0)
    monkeypatch.setattr(saturation, "MANY_S", 4.0)
    monkeypatch.setattr(saturation, "FULL", 0.4)  # of a core of a machine that other tests keep busy
    file = tmp_path / "scenario.yaml"
    file.write_text(BARE)
    port = free_port()
    with Crew(tmp_path) as crew:
        mock = start_mocks(crew, probe_scenario(load(file), tmp_path), tmp_path / "mocks.yaml")[0]
        work = [str(each) for each in (ROUND_S, OWN_S, STALL_CALLS, STALL_S)]
        argv = [sys.executable, "-m", "tests.loadtest.calibration.busy_gateway", str(port), mock.url, *work]
        gateway = crew.start("gateway", argv, speaks=False)
        url = f"http://127.0.0.1:{port}"
        wait_until_healthy(gateway, f"{url}/health", 10.0)
        found = by_name(asyncio.run(calibrated(url, mock.url, Processes(gateway.process.pid))))
    # Beside what it burns it takes CPU to pass a call on, some 2 ms, which a crowd does not share; a stall more or less is 0.6 ms a call.
    assert found["CPU among others"].value == pytest.approx((OWN_S + 0.002) / (ROUND_S + OWN_S + 0.002), rel=0.25), found
    assert found["stalls"].value["calls"] == pytest.approx(STALL_CALLS, rel=0.1), found
    assert found["saturation throughput"].evidence.startswith("64 clients")
    assert found["stalls"].low == pytest.approx(STALL_S, rel=0.25)


async def calibrated(url: str, mock: str, processes: Processes) -> list[Figure]:
    bench = open_bench(url, {"p": mock}, "m", key="sk-mock-p-0")
    bench.processes = processes
    try:
        await bench.begin()
        low = await costs.phase(bench, 10.0, 2.0)
        few, many = await saturation.few(bench), await saturation.many(bench)
        return [costs.among_others(low, few, many, 0.0), *saturation.figures(few, many)]
    finally:
        await bench.close()
