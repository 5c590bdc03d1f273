"""Non-streaming requests per CPU second of the server: ours (limiter, truth log, metrics on) against llmock (PyPI).

python -m tests.benchmarks.mock_throughput [--seconds 8] [--rounds 3] [--peers ~/.cache/tenfold-peers]
"""

from __future__ import annotations

import argparse
import json
import select
import socket
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any

from tests.benchmarks import servers
from tests.benchmarks.keeping import keep
from tests.benchmarks.mock_lateness import PEERS

CONNECTIONS = 32
TOKENS = 20


def drive(port: int, key: str, model: str, seconds: float) -> int:
    """A closed loop over CONNECTIONS keep-alive connections: answers received. Raises RuntimeError on any status but 200."""
    body = json.dumps({"model": model, "max_tokens": TOKENS, "messages": [{"role": "user", "content": f"[tf:1:{TOKENS}]hello there"}]})
    request = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n{body}"
    ).encode()
    poll, connections, partial = select.epoll(), {}, {}
    for _ in range(CONNECTIONS):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connections[connection.fileno()], partial[connection.fileno()] = connection, b""
        poll.register(connection, select.EPOLLIN)
        connection.send(request)
    answers, until_s = 0, monotonic() + seconds
    while monotonic() < until_s:
        for fd, _ in poll.poll(1.0):
            data = partial[fd] = partial[fd] + connections[fd].recv(65536)
            end = data.find(b"\r\n\r\n")
            if end < 0:
                continue
            head = data[:end].lower()
            if not data.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(data[:500])
            length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            if len(data) >= end + 4 + length:
                answers += 1
                partial[fd] = data[end + 4 + length :]
                connections[fd].send(request)
    for connection in connections.values():
        connection.close()
    return answers


def measure(name: str, serve: Any, key: str, model: str, seconds: float) -> dict[str, Any]:
    with serve as (port, pid):
        drive(port, key, model, 1.0)
        before_s, begun_s = servers.cpu_s(pid), monotonic()
        answers = drive(port, key, model, seconds)
        elapsed_s, used_s = monotonic() - begun_s, servers.cpu_s(pid) - before_s
    return {"server": name, "requests": answers, "rps": round(answers / elapsed_s), "server_cpu_s": round(used_s, 2),
            "requests_per_cpu_s": round(answers / used_s)}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", type=Path, default=PEERS)
    given = parser.parse_args()
    executable = servers.install_llmock(given.peers / "llmock")
    rows = []
    for _ in range(given.rounds):
        rows.append(measure("tenfold mock", servers.tenfold(0.0, 0.0, TOKENS), "sk-mock-openai-0", "m", given.seconds))
        if executable is not None:
            rows.append(measure("llmock", servers.llmock(executable), "mock-key", "gpt-4o", given.seconds))

    def rate(server: str) -> float:
        return median(row["requests_per_cpu_s"] for row in rows if row["server"] == server)

    verdicts = {}
    if executable is not None:
        ratio = rate("tenfold mock") / rate("llmock")
        verdicts[f">= 2.5x the requests per CPU second of llmock ({ratio:.1f}x)"] = ratio >= 2.5
    keep("mock_throughput", "Non-streaming requests per CPU second of the server", rows, verdicts)


if __name__ == "__main__":
    main()
