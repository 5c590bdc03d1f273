"""A client that times streamed tokens: one thread, raw sockets, epoll; what it adds is microseconds, the same for every server."""

from __future__ import annotations

import json
import select
import socket
from dataclasses import dataclass
from time import monotonic, process_time

import numpy as np


@dataclass
class Shape:
    """``streams`` at once, each of ``tokens`` tokens: the first ``ttft_s`` after the request, then one every ``per_token_s``."""

    streams: int
    ttft_s: float
    per_token_s: float
    tokens: int
    spread_s: float = 1.0  # requests are sent at random instants within this long, the same in every run


@dataclass
class Timing:
    """Lateness of every token in seconds, one row per stream; nan where none came."""

    late_s: np.ndarray
    failed: int
    client_cpu: float

    def summary(self) -> dict[str, float | int]:
        seen = self.late_s[~np.isnan(self.late_s)] * 1e3
        p50, p99, p999, most = np.percentile(seen, [50, 99, 99.9, 100]).round(3).tolist() if len(seen) else [float("nan")] * 4
        return {
            "p50_ms": p50, "p99_ms": p99, "p999_ms": p999, "max_ms": most, "tokens": len(seen),
            "missing_tokens": int(self.late_s.size - len(seen)), "failed_streams": self.failed, "client_cpu": round(self.client_cpu, 3),
        }  # fmt: skip


def request_bytes(number: int, tokens: int, host: str, key: str, model: str, prompt: str) -> bytes:
    body = json.dumps(
        {"model": model, "stream": True, "messages": [{"role": "user", "content": prompt.format(number=number, tokens=tokens)}]}
    )
    return (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n{body}"
    ).encode()


def time_streams(port: int, shape: Shape, key: str = "k", model: str = "m", prompt: str = "[tf:{number}:{tokens}]hello there") -> Timing:
    """Send ``shape`` to 127.0.0.1:port and time the tokens. A token is an event whose delta has content that is not empty."""
    poll = select.epoll()
    sockets: dict[int, tuple[int, socket.socket]] = {}
    late_s = np.full((shape.streams, shape.tokens), np.nan)
    sent_s, seen, tails = [0.0] * shape.streams, [0] * shape.streams, [b""] * shape.streams
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(shape.streams)]
    payloads = [request_bytes(i, shape.tokens, f"127.0.0.1:{port}", key, model, prompt) for i in range(shape.streams)]
    for i, connection in enumerate(connections):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        poll.register(connection, select.EPOLLIN)
        sockets[connection.fileno()] = (i, connection)
    due_s = np.sort(np.random.default_rng(1).random(shape.streams) * shape.spread_s).tolist()
    begun_s, cpu_s, failed, waiting, open_ = monotonic() + 0.05, process_time(), 0, 0, shape.streams
    until_s = begun_s + shape.spread_s + shape.ttft_s + shape.tokens * shape.per_token_s * 4 + 30
    while open_ and monotonic() < until_s:
        now_s = monotonic()
        while waiting < shape.streams and begun_s + due_s[waiting] <= now_s:
            sent_s[waiting] = monotonic()
            connections[waiting].send(payloads[waiting])
            waiting += 1
        for fd, _ in poll.poll(0.001 if waiting < shape.streams else 0.5):
            i, connection = sockets[fd]
            try:
                data = connection.recv(262_144)
            except BlockingIOError:
                continue
            now_s = monotonic()
            text = tails[i] + data
            whole = text.rfind(b"\n\n") + 2
            tails[i] = text[whole:] if whole > 1 else text
            new = text[:whole].count(b'"content":"') - text[:whole].count(b'"content":""') if whole > 1 else 0
            for k in range(seen[i], min(seen[i] + new, shape.tokens)):
                late_s[i, k] = now_s - sent_s[i] - shape.ttft_s - k * shape.per_token_s
            seen[i] += new
            if not data or seen[i] >= shape.tokens:
                failed += seen[i] < shape.tokens
                poll.unregister(fd)
                open_ -= 1
    elapsed_s = monotonic() - begun_s
    for connection in connections:
        connection.close()
    poll.close()
    return Timing(late_s, failed + open_, (process_time() - cpu_s) / elapsed_s)
