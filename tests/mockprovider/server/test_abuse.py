"""Bad input gets the provider's own error shape; nothing makes the mock hang, grow without bound or show a traceback."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import httpx
import psutil
import pytest

from tests.mockprovider.conftest import CLIENT, Handle

pytestmark = pytest.mark.sockets
GOOD: Any = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
DEEP = '{"a":' * 5000 + "1" + "}" * 5000

OPENAI_BODIES = {
    "no JSON": b"hello",
    "nothing": b"",
    "a list": b"[]",
    "deep": DEEP.encode(),
    "NaN": b'{"model": NaN}',
    "bad UTF-8": b'{"model": "\xff"}',
    "a lone surrogate": b'{"model": "m", "messages": [{"role": "user", "content": "\\ud800"}]}',
    "no model": b'{"messages": []}',
    "model is a list": b'{"model": [], "messages": []}',
    "no messages": b'{"model": "m"}',
    "empty messages": b'{"model": "m", "messages": []}',
    "messages of numbers": b'{"model": "m", "messages": [1]}',
    "no role": b'{"model": "m", "messages": [{"content": "x"}]}',
    "unknown role": b'{"model": "m", "messages": [{"role": "x", "content": ""}]}',
    "content is a number": b'{"model": "m", "messages": [{"role": "user", "content": 3}]}',
    "stream is a word": json.dumps({**GOOD, "stream": "yes"}).encode(),
    "negative limit": json.dumps({**GOOD, "max_tokens": -1}).encode(),
    "limit is a bool": json.dumps({**GOOD, "max_tokens": True}).encode(),
    "hot": json.dumps({**GOOD, "temperature": 9}).encode(),
    "tools are a word": json.dumps({**GOOD, "tools": "x"}).encode(),
    "a tool without a function": json.dumps({**GOOD, "tools": [{}]}).encode(),
    "unknown tool": json.dumps({**GOOD, "tool_choice": {"function": {"name": "x"}}}).encode(),
    "many choices": json.dumps({**GOOD, "n": 3}).encode(),
    "model with CR LF": json.dumps({**GOOD, "model": "a\r\nx-evil: 1"}).encode(),
    "too many messages": json.dumps({"model": "m", "messages": [{"role": "user", "content": ""}] * 3000}).encode(),
}


@pytest.mark.parametrize("body", OPENAI_BODIES.values(), ids=OPENAI_BODIES.keys())
def test_openai_refuses_bad_bodies_in_its_own_shape(openai_mock: Handle, body: bytes) -> None:
    response = openai_mock.post("/v1/chat/completions", content=body)
    assert 400 <= response.status_code < 500
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}
    assert "Traceback" not in response.text
    assert "x-evil" not in response.headers


@pytest.mark.parametrize(
    "body",
    [
        b"x",
        b"[]",
        b"{}",
        DEEP.encode(),
        b'{"model": "m"}',
        b'{"model": "m", "max_tokens": "x", "messages": []}',
        b'{"model": "m", "max_tokens": 5, "messages": [{"role": "system", "content": ""}]}',
    ],
)
def test_anthropic_refuses_bad_bodies_in_its_own_shape(anthropic_mock: Handle, body: bytes) -> None:
    response = anthropic_mock.post("/v1/messages", content=body)
    assert response.status_code == 400
    document = response.json()
    assert (document["type"], document["error"]["type"]) == ("error", "invalid_request_error")
    assert document["request_id"].startswith("req_")


def test_gemini_and_azure_refuse_in_their_shapes(mocks: Any) -> None:
    error = mocks("gemini").post("/v1beta/models/m:generateContent", content=b"{}").json()["error"]
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    error = mocks("azure").post("/openai/deployments/m/chat/completions", json=GOOD).json()["error"]
    assert error == {"code": "404", "message": "Resource not found"}, "no api-version"


def test_unknown_paths_and_methods_are_refused_in_the_providers_shape(openai_mock: Handle, anthropic_mock: Handle) -> None:
    assert openai_mock.post("/v1/other").json()["error"]["message"] == "Invalid URL (POST /v1/other)"
    assert CLIENT.get(f"{openai_mock.url}/v1/chat/completions").status_code == 405
    assert anthropic_mock.post("/" + "x" * 5000).json()["error"]["type"] == "not_found_error"
    assert CLIENT.get(f"{openai_mock.url}/_mock/other").status_code == 404


def raw(handle: Handle, data: bytes, timeout_s: float = 5.0) -> bytes:
    """Send bytes as they are, and read until the connection closes or goes quiet."""
    url = httpx.URL(handle.url)
    with socket.create_connection((url.host, url.port), timeout=timeout_s) as connection:
        connection.sendall(data)
        received = b""
        connection.settimeout(1.0)
        try:
            while part := connection.recv(65536):
                received += part
        except TimeoutError:
            pass
        return received


HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-mock-openai-0\r\n"
BROKEN_HTTP = {
    "no HTTP": b"hello there\r\n\r\n",
    "a binary greeting": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,
    "a folded header": HEAD + b"x: a\r\n b\r\ncontent-length: 0\r\n\r\n",
    "two lengths": HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
    "a negative length": HEAD + b"content-length: -1\r\n\r\n",
    "a NUL in a header": HEAD + b"x: a\x00b\r\ncontent-length: 0\r\n\r\n",
    "a bare LF injection": HEAD + b"x: a\nevil: b\r\ncontent-length: 0\r\n\r\n",
    "a huge header": HEAD + b"x: " + b"a" * 100_000 + b"\r\n\r\n",
    "length and chunks": HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "bad chunks": HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("data", BROKEN_HTTP.values(), ids=BROKEN_HTTP.keys())
def test_broken_http_gets_an_error_and_nothing_more(openai_mock: Handle, data: bytes) -> None:
    received = raw(openai_mock, data)
    if received:
        assert received.startswith(b"HTTP/1.1 4")
        assert b'{"error":{' in received
    assert b"Traceback" not in received
    assert CLIENT.get(f"{openai_mock.url}/_mock/health").json()["ok"]


def test_a_body_beyond_the_limit_is_refused_unread(openai_mock: Handle, anthropic_mock: Handle) -> None:
    received = raw(openai_mock, HEAD + b"content-length: 99999999999\r\n\r\n{")
    assert received.startswith(b"HTTP/1.1 413")
    head = b"POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: sk-mock-anthropic-0\r\ncontent-length: 99999999999\r\n\r\n"
    assert b"request_too_large" in raw(anthropic_mock, head)


def test_a_slow_reader_costs_a_bounded_buffer_and_delays_nobody(openai_mock: Handle) -> None:
    process = psutil.Process(CLIENT.get(f"{openai_mock.url}/_mock/health").json()["pid"])
    message = {"role": "user", "content": "[tf:1:200000]hello"}
    openai_mock.restart({"kind": "brownout", "per_token_factor": 0.05})
    before = process.memory_info().rss
    url = httpx.URL(openai_mock.url)
    body = json.dumps({"model": "m", "messages": [message], "stream": True}).encode()
    connections = []
    for _ in range(10):  # 50 MB each, and nobody reads
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((url.host, url.port))
        connection.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
        connections.append(connection)
    until_s = time.monotonic() + 15
    while openai_mock.certificate().get("blocked_writes", 0) < 10 and time.monotonic() < until_s:
        time.sleep(0.1)
    time.sleep(0.5)
    assert openai_mock.post("/v1/chat/completions", json=GOOD, timeout=5).status_code == 200
    certificate = openai_mock.certificate()
    for connection in connections:
        connection.close()
    assert process.memory_info().rss - before < 40e6
    assert certificate["blocked_writes"] >= 10
    assert certificate["lateness_s"]["p50"] < 0.1, "the time in which nobody reads is not the mock's lateness"
    openai_mock.restart()


def test_a_client_that_leaves_is_noticed_and_billed_for_what_was_produced(openai_mock: Handle) -> None:
    url = httpx.URL(openai_mock.url)
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "[tf:1:1000]hello"}], "stream": True}).encode()
    with socket.create_connection((url.host, url.port)) as connection:
        connection.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
        time.sleep(0.3)
    row = openai_mock.settled(1)[0]
    assert row["end"] == "client_left"
    assert row["output_tokens"] == pytest.approx((row["duration_s"] - 0.010) / 0.002, abs=2)
    assert CLIENT.get(f"{openai_mock.url}/_mock/health").json()["serving"] == 0


def test_two_thousand_idle_connections_do_not_keep_others_from_being_served(openai_mock: Handle) -> None:
    url = httpx.URL(openai_mock.url)
    process = psutil.Process(CLIENT.get(f"{openai_mock.url}/_mock/health").json()["pid"])
    before = process.num_fds()
    idle = [socket.create_connection((url.host, url.port)) for _ in range(2000)]
    for connection in idle[:1000]:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-unfinished: ")
    assert openai_mock.post("/v1/chat/completions", json=GOOD).status_code == 200
    for connection in idle:
        connection.close()
    until_s = time.monotonic() + 5
    while process.num_fds() > before + 5 and time.monotonic() < until_s:
        time.sleep(0.05)
    assert process.num_fds() <= before + 5


def test_control_requests_that_make_no_sense_are_explained(openai_mock: Handle) -> None:
    for path, body in (("t0", {"t0": "soon"}), ("t0", {"t0": 1795354853810}), ("t0", []), ("faults", {"kind": "flood", "for": "1s"}),
                       ("faults", {"kind": "outage"}), ("faults", {"kind": "outage", "for": "1s", "provider": "other"})):  # fmt: skip
        response = CLIENT.post(f"{openai_mock.url}/_mock/{path}", json=body)
        assert response.status_code == 400, response.text
        assert response.json()["error"]


def test_the_secret_part_of_a_request_is_not_kept(openai_mock: Handle) -> None:
    openai_mock.post("/v1/chat/completions", json=GOOD)
    seen = CLIENT.get(f"{openai_mock.url}/_mock/truth").text + CLIENT.get(f"{openai_mock.url}/_mock/metrics").text
    assert "sk-mock" not in seen
    assert "hello" not in seen
