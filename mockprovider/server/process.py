"""One provider, one process, one port: started by a supervisor or by hand, ended by SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import sys
from pathlib import Path
from time import monotonic

from aiohttp import web

from mockprovider.processes.file_limit import raise_file_limit
from mockprovider.processes.timeslice import ask_for_short_slices
from mockprovider.server.connection import Server
from mockprovider.server.control import Control
from mockprovider.server.service import Service
from sim.scenario.model import Scenario

BACKLOG = 4096


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises OSError when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


async def serve(scenario: Scenario, sha256: str, provider: str, listener: socket.socket, seed: int, scale: float) -> None:
    """Serve until told to stop. Prints one line of JSON once requests are accepted."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    service = Service(scenario, provider, seed, scale, loop)
    control = Control(service, sha256)

    async def dispatch(request: web.BaseRequest) -> object:
        if request.path.startswith("/_mock/"):
            return await control.handle(request)
        return await service.handle(request)

    server = Server(dispatch, service.word_error, loop)
    gc.collect()
    gc.freeze()
    service.start(monotonic())
    listening = await loop.create_server(server, sock=listener, backlog=BACKLOG)
    ready = {"event": "ready", "provider": provider, "port": listener.getsockname()[1], "pid": os.getpid(), "scenario_sha256": sha256}
    print(json.dumps(ready), flush=True)
    try:
        await stop.wait()
    finally:
        listening.close()
        await server.shutdown(0.1)
        service.close()


def run(path: Path, provider: str, host: str, port: int, seed: int | None, scale: float) -> int:
    """Load the scenario and serve one provider of it. Returns the exit code."""
    import uvloop

    from sim.gateway.language import load
    from sim.scenario.errors import ScenarioError

    try:
        loaded = load(path)
    except ScenarioError as error:
        print(error, file=sys.stderr)
        return 2
    if provider not in loaded.scenario.providers:
        known = ", ".join(loaded.scenario.providers)
        print(f"{path}: there is no provider '{provider}'; its providers are {known}", file=sys.stderr)
        return 2
    raise_file_limit()
    try:
        listener = listen(host, port)
    except OSError as error:
        print(f"port {port} on {host} cannot be used: {error.strerror or error}", file=sys.stderr)
        return 2
    seed = loaded.scenario.seed if seed is None else seed
    ask_for_short_slices()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(loaded.scenario, loaded.sha256, provider, listener, seed, scale))
    return 0
