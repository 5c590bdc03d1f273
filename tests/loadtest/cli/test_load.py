"""``tenfold load``: Locust in front, the engine behind; every sample kept, and Locust's own figures over the same requests."""

from __future__ import annotations

import asyncio
import csv
import json
import shutil
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import web

from loadtest.processes.http_control import free_port
from tests.loadtest.living import Run, eventually, undisturbed
from tests.loadtest.stub import DONE, ROLE, STOP, WORD, serving, stream

pytestmark = [pytest.mark.sockets, pytest.mark.slow]

SCENARIO = """
tenfold: 1
name: load
seed: 4
workload:
  arrivals: {kind: poisson, rate: 40/s}
  duration: 3s
  client: {timeout: 5s}
  requests:
    - {name: even, share: 0.5, tokens: {input: {kind: constant, value: 10}, output: {kind: constant, value: 2}}}
    - {name: odd, share: 0.5, tokens: {input: {kind: constant, value: 10}, output: {kind: constant, value: 2}}}
gateway: {routing: {kind: round-robin, models: [p/m]}}
providers: {p: {models: {m: {latency: {kind: constant, value: 10ms}, price: {input: 1, output: 1}}}}}
"""


class Server(threading.Thread):
    """A stub gateway in a thread; every fifth request is refused."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.asked: list[int] = []
        self.url = ""
        self.ready = threading.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        number = int(request.headers["x-tenfold-request"])
        self.asked.append(number)
        if number % 5 == 4:
            return web.json_response({"error": {"message": "not this one"}}, status=503)
        return await stream(request, ROLE, 0.05, WORD, STOP, DONE)

    def run(self) -> None:
        async def serve() -> None:
            async with serving(self.answer) as self.url:
                self.ready.set()
                await asyncio.Event().wait()

        asyncio.run(serve())


@pytest.fixture
def server() -> Server:
    stub = Server()
    stub.start()
    assert stub.ready.wait(10)
    return stub


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    (tmp_path / "load.yaml").write_text(SCENARIO)
    runs: list[Run] = []

    def begin(*arguments: str, **env: str) -> Run:
        runs.append(Run(("load", "load.yaml", *arguments), tmp_path, **env))
        return runs[-1]

    yield begin
    for run in runs:
        run.clean_up()


@pytest.mark.parametrize("workers", [1, 2])
def test_every_request_is_sent_once_kept_exactly_and_counted_by_locust(
    start: Callable[..., Run], server: Server, tmp_path: Path, workers: int
) -> None:
    import pyarrow.parquet as pq

    def load() -> Run:
        server.asked.clear()
        shutil.rmtree(tmp_path / "kept", ignore_errors=True)
        return start("--url", server.url, "--out", "kept", "--workers", str(workers))

    run, code, out, err = undisturbed(load, within_s=60)
    assert code == 0, err
    certificate = json.loads((tmp_path / "kept" / "certificate.json").read_text())
    assert certificate["certificate"]["valid"]
    rows = pq.read_table(tmp_path / "kept" / "requests.parquet")
    assert rows.column("request").to_pylist() == sorted(server.asked) == list(range(rows.num_rows))
    refused = sum(number % 5 == 4 for number in server.asked)
    assert certificate["outcomes"]["rejected"] == refused
    assert certificate["errors"] == [{"error": "not this one", "requests": refused}]
    with (tmp_path / "kept" / "locust_stats.csv").open() as file:
        total = {row["Name"]: row for row in csv.DictReader(file)}
    assert int(total["Aggregated"]["Request Count"]) == rows.num_rows
    assert int(total["Aggregated"]["Failure Count"]) == refused
    assert {"even", "odd"} <= total.keys()
    assert (tmp_path / "kept" / "locust.html").stat().st_size > 10_000
    assert "samples: kept/requests.parquet" in out
    assert run.nobody_left()


def test_json_is_one_document_and_keeps_nothing(start: Callable[..., Run], server: Server, tmp_path: Path) -> None:
    def load() -> Run:
        server.asked.clear()
        return start("--url", server.url, "--json")

    _, code, out, err = undisturbed(load, within_s=60)
    said = json.loads(out)
    assert code == 0, err
    assert said["requests"] == len(server.asked)
    assert said["latency_s"]["p50"] >= 0.05
    assert sorted(path.name for path in tmp_path.iterdir()) == ["load.yaml"]


def test_locusts_web_ui_starts_the_run(start: Callable[..., Run], server: Server) -> None:
    port = free_port()

    def get(path: str, data: bytes | None = None) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", data, timeout=5) as answer:
            content: bytes = answer.read()
            return content

    def up() -> bool:
        try:
            return b"Locust" in get("/")
        except OSError:
            return False

    def load() -> Run:
        server.asked.clear()
        run = start("--url", server.url, "--json", "--locust-web", str(port))
        assert eventually(up, 20)
        assert server.asked == []
        get("/swarm", b"user_count=1&spawn_rate=1")
        return run

    run, code, out, err = undisturbed(load, within_s=60)
    assert code == 0, err
    assert json.loads(out)["requests"] == len(server.asked) > 50
    assert run.nobody_left()


def test_a_remote_host_needs_a_word_of_its_own(start: Callable[..., Run]) -> None:
    run = start("--url", "http://192.0.2.1:80")
    code, _, err = run.end(20)
    assert code == 2
    assert "is not this machine; --allow-remote" in err


def test_a_gateway_that_is_not_there_is_said_at_once(start: Callable[..., Run], tmp_path: Path) -> None:
    run = start("--url", f"http://127.0.0.1:{free_port()}", "--out", "kept")
    code, _, err = run.end(20)
    assert code == 5
    assert "nothing answers at" in err
    assert not (tmp_path / "kept").exists()
