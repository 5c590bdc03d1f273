"""Control calls between the parts of a run: on loopback, in time, and with errors that name the part."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator

import pytest

from loadtest.processes import http_control
from loadtest.processes.http_control import fetch, free_port, is_loopback, port_taken, post, reachable
from mockprovider.processes.supervisor import RunFailed


class Part(http.server.BaseHTTPRequestHandler):
    """A part of a run with an answer for each path."""

    def do_GET(self) -> None:
        if self.path == "/silent":
            time.sleep(1.0)
        status = {"/broken": 500, "/elsewhere": 302}.get(self.path, 200)
        self.send_response(status)
        self.send_header("location", "http://127.0.0.1:9/")
        self.end_headers()
        self.wfile.write(b"[1]" if self.path == "/list" else b"what it says " + b"x" * 1000)

    def do_POST(self) -> None:
        if self.path == "/echo":
            self.send_response(201)
            self.end_headers()
            self.wfile.write(json.dumps({"told": json.loads(self.rfile.read(int(self.headers["content-length"])))}).encode())
        else:
            self.do_GET()

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def part() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Part) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_document_is_posted_and_its_answer_read(part: str) -> None:
    assert post("the gateway", f"{part}/echo", {"t0": 1.5}) == {"told": {"t0": 1.5}}
    assert fetch("the gateway", f"{part}/log").startswith(b"what it says")


@pytest.mark.parametrize(("path", "status"), [("/broken", 500), ("/elsewhere", 302)])
def test_an_error_answer_names_the_part_and_what_it_said(part: str, path: str, status: int) -> None:
    with pytest.raises(RunFailed, match=f"^the gateway answered {status} to {path}: what it says x{{187}}$"):
        fetch("the gateway", part + path)


@pytest.mark.parametrize("path", ["/list", "/text"])
def test_an_answer_that_is_no_object_is_refused(part: str, path: str) -> None:
    with pytest.raises(RunFailed, match=f"^the mock of a answered {path} with something else than a JSON object: "):
        post("the mock of a", part + path, {})


def test_a_part_that_is_silent_or_gone_is_named(part: str) -> None:
    with pytest.raises(RunFailed, match=r"^the gateway does not answer at 127\.0\.0\.1:\d+: nothing came for 0\.2 s$"):
        fetch("the gateway", f"{part}/silent", within_s=0.2)
    with pytest.raises(RunFailed, match=r"^the gateway does not answer at 127\.0\.0\.1:\d+: .*refused"):
        fetch("the gateway", f"http://127.0.0.1:{free_port()}/log")


def test_a_host_elsewhere_is_called_only_if_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunFailed, match=r"^the gateway is not on this machine: http://192\.0\.2\.1:80/log$"):
        fetch("the gateway", "http://192.0.2.1:80/log")
    monkeypatch.setattr(http_control, "is_loopback", lambda url: False)
    with pytest.raises(RunFailed, match="does not answer at"):
        fetch("the gateway", f"http://127.0.0.1:{free_port()}/log", allow_remote=True)


def test_proxies_of_the_environment_are_not_asked(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    http_control.client.cache_clear()
    assert fetch("the gateway", f"{part}/log").startswith(b"what it says")


def test_loopback_is_told_from_elsewhere_by_all_of_a_names_addresses() -> None:
    assert is_loopback("http://127.0.0.1:8000/v1")
    assert is_loopback("http://localhost:1")
    assert is_loopback("http://[::1]:80")
    assert not is_loopback("http://192.0.2.7:80")
    assert not is_loopback("http://0.0.0.0:80")
    assert not is_loopback("nonsense")


def test_free_ports_are_free_and_taken_ones_are_taken() -> None:
    import socket

    assert port_taken(free_port()) == ""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert port_taken(port) == "Address already in use"
        assert reachable(f"http://127.0.0.1:{port}")
    assert not reachable(f"http://127.0.0.1:{port}")
