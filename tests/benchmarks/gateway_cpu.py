"""CPU of the reference gateway for each call, beside the gateway before it became a chain of stages.

    python -m tests.benchmarks.gateway_cpu [--seconds 8] [--rounds 5] [--before d4fd685]

Interleaved, medians. Each gateway is a process of its own between a closed loop of clients and a provider that answers at once
(fake_upstream.py); what it used is measured from outside, HTTP included. Limits, session, context, cache, queue, routing, retry, breaker
and timeouts are on; every prompt is new, so every call goes upstream. ``--before``: a commit of this repository, taken out of git for the
purpose; without it, or with "", the gateway stands alone.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any

from tests.benchmarks import servers
from tests.benchmarks.interleaved import ROOT
from tests.benchmarks.keeping import keep

CONNECTIONS = 16
SCENARIO = """
tenfold: 1
name: gateway-cpu
workload:
  arrivals: {kind: poisson, rate: 1/s}
  duration: 1m
  requests: [{name: ask, needs: m, tokens: {input: {kind: constant, value: 200}, output: {kind: constant, value: 10}}}]
gateway:
  limits: {per_user: {requests: 1000000/s}, global: {requests: 1000000/s}}
  sessions: {store: memory, ttl: 30m}
  context: {kind: window, turns: 4}
  cache: [{kind: exact, ttl: 15m, capacity: 1000}]
  queue: {concurrency: 64, waiting: 200, timeout: 10s}
  routing: {kind: capability, m: [p/m]}
  retry: {attempts: 3, backoff: {kind: full-jitter, base: 500ms, cap: 8s}, budget: 0.2}
  breaker: {preset: resilience4j, open_for: 15s}
  timeout: {first_token: 10s, total: 45s}
  fallback: [next-provider, stale-cache, canned]
providers:
  p: {models: {m: {latency: {kind: constant, value: 1s}, price: {input: 1, output: 1}}}}
"""


def request_bytes(number: int, stream: bool) -> bytes:
    messages = [{"role": "user", "content": f"question {number:012}"}]
    body = json.dumps({"model": "m", "max_tokens": 10, "stream": stream, "messages": messages})
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return (head + body).encode()


def is_whole(data: bytes) -> bool:
    head, found, body = data.partition(b"\r\n\r\n")
    if not found:
        return False
    if not data.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(data[:500])
    _, counted, length = head.lower().partition(b"content-length:")
    return len(body) >= int(length.split(b"\r\n", 1)[0]) if counted else body.endswith(b"0\r\n\r\n")


def drive(port: int, stream: bool, seconds: float, number: int = 0) -> int:
    """A closed loop over CONNECTIONS keep-alive connections, requests numbered on from ``number``: answers received. Raises RuntimeError
    on any status but 200.
    """
    first, answers, until_s = number, 0, monotonic() + seconds
    with contextlib.ExitStack() as stack:
        poll, connections, partial = select.epoll(), {}, {}
        for _ in range(CONNECTIONS):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connections[connection.fileno()], partial[connection.fileno()] = connection, b""
            poll.register(connection, select.EPOLLIN)
            connection.send(request_bytes(number, stream))
            number += 1
        while monotonic() < until_s:
            for fd, _ in poll.poll(1.0):
                received = connections[fd].recv(65536)
                if not received:
                    raise RuntimeError(f"the gateway has closed a connection after {number - first} requests")
                partial[fd] += received
                if is_whole(partial[fd]):
                    answers += 1
                    partial[fd] = b""
                    connections[fd].send(request_bytes(number, stream))
                    number += 1
    return answers


@contextlib.contextmanager
def gateway(checkout: Path, scenario: Path, upstream_port: int) -> Iterator[tuple[int, int]]:
    """(port, pid) of the gateway of a checkout."""
    command = [sys.executable, "-m", "loadtest.gateway", "--scenario", str(scenario), "--upstream", f"p=http://127.0.0.1:{upstream_port}"]
    with servers.process(command, cwd=checkout, env=os.environ | {"PYTHONPATH": str(checkout)}) as running:
        assert running.stdout is not None
        yield json.loads(running.stdout.readline())["port"], running.pid


def measure(name: str, checkout: Path, scenario: Path, upstream_port: int, stream: bool, seconds: float) -> dict[str, Any]:
    with gateway(checkout, scenario, upstream_port) as (port, pid):
        drive(port, stream, 1.0)
        before_s = servers.cpu_s(pid)
        answers = drive(port, stream, seconds, 10**9)
        used_s = servers.cpu_s(pid) - before_s
    row = {"gateway": name, "answers": "streamed" if stream else "whole", "calls": answers, "CPU ms/call": round(used_s / answers * 1e3, 3)}
    print(row, file=sys.stderr, flush=True)
    return row


def taken_out(commit: str, folder: Path) -> Path | None:
    """The files of a commit; None where this is no clone that has it."""
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        return None
    folder.mkdir()
    subprocess.run(["tar", "xf", "-"], cwd=folder, input=archive.stdout, check=True)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--before", default="d4fd685", metavar="COMMIT")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name, servers.process([sys.executable, "-m", "tests.benchmarks.fake_upstream"], cwd=ROOT) as fake:
        assert fake.stdout is not None
        upstream_port = json.loads(fake.stdout.readline())["port"]
        scenario = Path(name, "scenario.yaml")
        scenario.write_text(SCENARIO)
        contestants = {"chain": ROOT}
        if given.before and (before := taken_out(given.before, Path(name, "before"))):
            contestants[given.before] = before
        for _ in range(given.rounds):
            for stream in (True, False):
                rows += [measure(who, where, scenario, upstream_port, stream, given.seconds) for who, where in contestants.items()]

    def cpu_ms(who: str, answers: str) -> float:
        return median(row["CPU ms/call"] for row in rows if (row["gateway"], row["answers"]) == (who, answers))

    verdicts = {}
    for answers in ("streamed", "whole"):
        ours = cpu_ms("chain", answers)
        for who in contestants:
            if who != "chain":
                bar = f"CPU per call, {answers}: less than at {who} ({ours:.3f} ms, {cpu_ms(who, answers):.3f} ms)"
                verdicts[bar] = ours < cpu_ms(who, answers)
    keep("gateway_cpu", "CPU of the reference gateway for each call", rows, verdicts, (__doc__ or "").split("\n\n", 2)[2].strip())


if __name__ == "__main__":
    main()
