"""Clients that dawdle are let go: an unfinished head, an unfinished body, an answer that nobody reads."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.mockprovider.conftest import SCENARIO, Handle

pytestmark = pytest.mark.sockets
IMPATIENT = """
import sys
from mockprovider.delivery import playback
from mockprovider.server import connection
connection.BODY_TIMEOUT_S, connection.IDLE_S, playback.BLOCKED_PATIENCE_S = 0.5, 1.0, 0.5
from mockprovider.__main__ import main
sys.exit(main())
"""
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-mock-openai-0\r\n"


@pytest.fixture(scope="module")
def mock() -> Iterator[Handle]:
    command = [sys.executable, "-c", IMPATIENT, "--scenario", str(SCENARIO), "--provider", "openai"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield Handle("openai", f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}")
        process.terminate()


def connect(handle: Handle, receive_bytes: int | None = None) -> socket.socket:
    url = httpx.URL(handle.url)
    connection = socket.socket()
    if receive_bytes is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    connection.settimeout(10)
    connection.connect((url.host, url.port))
    return connection


def test_a_body_that_does_not_arrive_gets_408(mock: Handle) -> None:
    with connect(mock) as connection:
        connection.sendall(HEAD + b'content-length: 100\r\n\r\n{"model"')
        answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 408")
        assert b'{"error":{' in answer


def test_a_body_that_trickles_in_chunks_gets_408(mock: Handle) -> None:
    with connect(mock) as connection:
        connection.sendall(HEAD + b"transfer-encoding: chunked\r\n\r\n")
        begun_s, answer = time.monotonic(), b""
        connection.settimeout(0.1)
        while not answer and time.monotonic() < begun_s + 5:
            try:
                connection.sendall(b"1\r\n \r\n")
                answer = connection.recv(65536)
            except TimeoutError:
                continue
        assert answer.startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("sent", [b"", HEAD + b"x-unfinished: "])
def test_a_connection_without_a_whole_head_is_closed(mock: Handle, sent: bytes) -> None:
    with connect(mock) as connection:
        connection.sendall(sent)
        begun_s = time.monotonic()
        assert connection.recv(100) == b""
        assert 0.5 < time.monotonic() - begun_s < 5


def test_a_client_that_never_reads_is_cut_off(mock: Handle) -> None:
    mock.restart({"kind": "brownout", "per_token_factor": 0.02})
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "[tf:1:100000]hello"}], "stream": True}).encode()
    with connect(mock, 4096) as connection:
        connection.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
        row = mock.settled(1)[0]
        assert row["end"] == "cut_off"
        assert row["output_tokens"] < 100_000
