"""``python -m loadtest.gateway --scenario FILE --upstream provider=URL …``: serve until SIGTERM, in ``gateway.workers`` processes.

Each prints one JSON line when it is ready; with several, ``control`` there is the URL of that process alone.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import signal
import socket
import sys
from collections.abc import Callable

from aiohttp import web

from loadtest.gateway.server import MAX_HEADER_BYTES, SHUTDOWN_S, GatewayServer
from loadtest.gateway.workers import in_processes, listen, processes_of
from mockprovider.processes import lifeline
from sim.gateway.language import load
from sim.scenario.errors import ScenarioError

GC_THRESHOLDS = (20_000, 20, 50)  # a request makes ~100 objects that die young; the default collects 30 times as often, for nothing


def parse_upstreams(pairs: list[str]) -> dict[str, str]:
    """``provider=URL`` pairs as a mapping. Raises ValueError."""
    upstreams = {}
    for pair in pairs:
        provider, _, url = pair.partition("=")
        if not provider or not url.startswith(("http://", "https://")):
            raise ValueError(f"expected provider=http://…, found {pair!r}")
        upstreams[provider] = url
    return upstreams


def print_line(document: dict[str, object]) -> None:
    print(json.dumps(document), flush=True)


async def run(
    server: GatewayServer, listening: socket.socket, ready: Callable[[dict[str, object]], None] = print_line, shared: bool = False
) -> None:
    """Serve on a socket until SIGTERM or SIGINT, then finish what is under way for at most SHUTDOWN_S. On one that is ``shared`` with other
    processes, have a port of one's own besides.
    """
    runner = web.AppRunner(
        server.application(), handler_cancellation=True, access_log=None, max_line_size=MAX_HEADER_BYTES, max_field_size=MAX_HEADER_BYTES,
        shutdown_timeout=SHUTDOWN_S,
    )  # fmt: skip
    await runner.setup()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        await web.SockSite(runner, listening, backlog=4096).start()
        if shared:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, bound = listening.getsockname()[:2]
        url = f"http://{host}:{bound}"
        control = f"http://127.0.0.1:{runner.addresses[1][1]}" if shared else url
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        ready({"event": "ready", "url": url, "control": control, "port": bound, "scenario_sha256": server.sha256, "pid": os.getpid()})
        await stop.wait()
    finally:
        await runner.cleanup()


def serve(server: GatewayServer, host: str, port: int, ready: Callable[[dict[str, object]], None] = print_line) -> int:
    """As many processes as the scenario says, until SIGTERM; the exit code. Raises OSError when the port is taken."""
    import uvloop

    listening, workers = listen(host, port), processes_of(server.scenario)

    def one(number: int) -> int:
        server.number += number * 2**32  # requests that have no number get one that no other process gives
        if server.usage_log is not None and workers > 1:
            server.usage_log.of_process(number)
        uvloop.run(run(server, listening, ready, workers > 1))
        return 0

    return in_processes(workers, one)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m loadtest.gateway", description=__doc__)
    parser.add_argument("--scenario", required=True)
    parser.add_argument("--upstream", action="append", default=[], metavar="PROVIDER=URL")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--redis", metavar="URL", help="where the scenario says redis and names none")
    parser.add_argument("--usage-log", metavar="FILE", help="who uses what, a JSON object a line")
    parser.add_argument("--child", action="store_true", help="end when the parent process ends")
    options = parser.parse_args(arguments)
    if options.child:
        lifeline.die_with_parent()
    try:
        loaded = load(options.scenario)
        server = GatewayServer(loaded.scenario, loaded.sha256, parse_upstreams(options.upstream), options.redis, options.usage_log)
    except (ScenarioError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    try:
        return serve(server, options.host, options.port)
    except OSError as error:
        print(f"cannot listen on {options.host}:{options.port}: {error.strerror or error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
