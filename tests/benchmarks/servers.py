"""Servers under comparison, each as a process of its own that ends with its context."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from mockprovider.supervisor import serving
from sim.gateway.language import load

SCENARIO = """
tenfold: 1
name: bench
workload:
  arrivals: {{kind: poisson, rate: 1/s}}
  duration: 1m
  requests: [{{name: ask, tokens: {{input: {{kind: constant, value: 4}}, output: {{kind: constant, value: {tokens}}}}}}}]
gateway: {{routing: {{kind: round-robin, models: [openai/m]}}}}
providers:
  openai:
    limits: {{requests: 100000000/min, tokens: 100000000000/min}}
    models: {{m: {{ttft: {{kind: constant, value: {ttft_ms}ms}}, per_token: {{kind: constant, value: {per_token_ms}ms}}, price: {{input: 1, output: 1}}}}}}
"""  # noqa: E501
AIMOCK = "@copilotkit/aimock"
READY_S = 60.0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    until_s = time.monotonic() + READY_S
    while time.monotonic() < until_s and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise RuntimeError(f"{process.args!r} does not listen on port {port}")


@contextlib.contextmanager
def process(command: list[str], cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=cwd, env=env)
    try:
        yield running
    finally:
        running.terminate()
        running.wait(10)


@contextlib.contextmanager
def tenfold(ttft_s: float, per_token_s: float, tokens: int) -> Iterator[tuple[int, int]]:
    """(port, pid) of our own mock, with a limiter on, as ``tenfold mock`` runs it."""
    with tempfile.TemporaryDirectory() as folder:
        scenario = Path(folder, "bench.yaml")
        scenario.write_text(SCENARIO.format(tokens=tokens, ttft_ms=ttft_s * 1e3, per_token_ms=per_token_s * 1e3))
        with serving(load(scenario)) as mocks:
            yield mocks[0].port, mocks[0].process.pid


@contextlib.contextmanager
def naive(ttft_s: float, per_token_s: float, tokens: int) -> Iterator[tuple[int, int]]:
    server = Path(__file__).with_name("naive_server.py")
    with process([sys.executable, str(server), str(ttft_s), str(per_token_s), str(tokens)]) as running:
        assert running.stdout is not None
        yield json.loads(running.stdout.readline())["port"], running.pid


def install_aimock(folder: Path) -> Path | None:
    """The executable of the npm package, None without npm or network."""
    if shutil.which("npm") is None:
        return None
    if not (folder / "node_modules").exists():
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", AIMOCK], cwd=folder, capture_output=True, check=False)
        if done.returncode:
            return None
    return folder / "node_modules" / ".bin" / "llmock"


@contextlib.contextmanager
def aimock(executable: Path, ttft_s: float, per_token_s: float, tokens: int) -> Iterator[tuple[int, int]]:
    """aimock with the same timing: its first chunk only names the role, so that chunk comes one token earlier."""
    profile = {"ttft": (ttft_s - per_token_s) * 1e3, "tps": 1 / per_token_s}
    fixture = {"match": {"userMessage": "hello"}, "response": {"content": "word" * tokens}, "chunkSize": 4, "streamingProfile": profile}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "bench.json")
        path.write_text(json.dumps({"fixtures": [fixture]}))
        port = free_port()
        command = [str(executable), "--port", str(port), "--fixtures", str(path), "--chunk-size", "4", "--log-level", "silent"]
        with process(command) as running:
            await_port(port, running)
            yield port, running.pid


def install_llmock(folder: Path) -> Path | None:
    """The executable of the PyPI package in a virtual environment of its own, None without network."""
    if not (folder / "bin" / "llmock").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        done = subprocess.run([str(folder / "bin" / "pip"), "install", "--quiet", "llmock"], capture_output=True, check=False)
        if done.returncode:
            return None
    return folder / "bin" / "llmock"


@contextlib.contextmanager
def llmock(executable: Path) -> Iterator[tuple[int, int]]:
    port = free_port()
    command = [str(executable), "serve", "--port", str(port), "--log-level", "warning", "--rpm", "100000000", "--tpm", "100000000000"]
    with process(command) as running:
        await_port(port, running)
        yield port, running.pid


def cpu_s(pid: int) -> float:
    """CPU seconds of a process and its children."""
    family = psutil.Process(pid)
    times = [member.cpu_times() for member in (family, *family.children(recursive=True))]
    return sum(time.user + time.system for time in times)
