"""The gateway as a process: how it starts, what it refuses, how it ends."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from loadtest.gateway.__main__ import main
from tests.loadtest.stub import DONE, ROLE, STOP, WORD, serving, stream

pytestmark = pytest.mark.sockets

SCENARIO = """
tenfold: 1
name: process
workload:
  arrivals: {kind: poisson, rate: 1/s}
  duration: 1m
  requests: [{name: ask, tokens: {input: {kind: constant, value: 1}, output: {kind: constant, value: 1}}}]
gateway: {routing: {kind: round-robin, models: [p/m]}}
providers: {p: {models: {m: {latency: {kind: constant, value: 10ms}, price: {input: 1, output: 1}}}}}
"""


@pytest.fixture
def scenario(tmp_path: Path) -> str:
    path = tmp_path / "process.yaml"
    path.write_text(SCENARIO)
    return str(path)


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "loadtest.gateway", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_it_says_where_it_is_and_which_scenario_it_serves_and_ends_well(scenario: str) -> None:
    from sim.gateway.language import load

    process = start("--scenario", scenario, "--upstream", "p=http://127.0.0.1:9")
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    assert ready["event"] == "ready"
    assert ready["scenario_sha256"] == load(scenario).sha256
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


def test_sigterm_lets_a_stream_under_way_come_to_its_end(scenario: str) -> None:
    async def slow(request: object) -> object:
        return await stream(request, ROLE, WORD, 1.0, WORD, STOP, DONE)  # type: ignore[arg-type]

    async def run() -> None:
        async with serving(slow) as url, aiohttp.ClientSession() as session:  # type: ignore[arg-type]
            process = start("--scenario", scenario, "--upstream", f"p={url}")
            assert process.stdout is not None
            ready = json.loads(await asyncio.to_thread(process.stdout.readline))
            body = {"messages": [{"role": "user", "content": "hi"}], "stream": True}
            async with session.post(f"{ready['url']}/v1/chat/completions", json=body) as answer:
                await answer.content.readany()
                process.send_signal(signal.SIGTERM)
                rest = await answer.read()
            assert rest.endswith(DONE)
            assert await asyncio.to_thread(process.wait, 10) == 0

    asyncio.run(run())


@pytest.mark.parametrize(
    ("upstreams", "words"),
    [
        ([], "no upstream URL for p"),
        (["p=ftp://x"], "expected provider=http://…, found 'p=ftp://x'"),
        (["http://127.0.0.1:1"], "expected provider=http://…"),
        (["p=http://127.0.0.1:1", "q=http://127.0.0.1:1"], "the scenario has no provider q; its providers are p"),
    ],
)
def test_upstreams_that_make_no_sense_are_refused(
    scenario: str, upstreams: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["--scenario", scenario, *(f"--upstream={upstream}" for upstream in upstreams)])
    err = capsys.readouterr().err
    assert (code, words in err) == (2, True), err


def test_a_port_that_is_taken_is_said(scenario: str) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        process = start("--scenario", scenario, "--upstream", "p=http://127.0.0.1:9", "--port", str(port))
        _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in err
    assert "Traceback" not in err
