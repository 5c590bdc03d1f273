"""``python -m loadtest.gateway --scenario FILE --upstream provider=URL …``: serve until SIGTERM. Prints one JSON line when ready."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import signal
import sys
from collections.abc import Callable

from aiohttp import web

from loadtest.gateway.server import MAX_HEADER_BYTES, SHUTDOWN_S, GatewayServer
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


async def run(server: GatewayServer, host: str, port: int, ready: Callable[[dict[str, object]], None] = print_line) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way for at most SHUTDOWN_S. Raises OSError when the port is taken."""
    runner = web.AppRunner(
        server.application(), handler_cancellation=True, access_log=None, max_line_size=MAX_HEADER_BYTES, max_field_size=MAX_HEADER_BYTES,
        shutdown_timeout=SHUTDOWN_S,
    )  # fmt: skip
    await runner.setup()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        await web.TCPSite(runner, host, port, backlog=4096).start()
        bound = runner.addresses[0][1]
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        ready({"event": "ready", "url": f"http://{host}:{bound}", "port": bound, "scenario_sha256": server.sha256, "pid": os.getpid()})
        await stop.wait()
    finally:
        await runner.cleanup()


def main(arguments: list[str] | None = None) -> int:
    import uvloop

    parser = argparse.ArgumentParser(prog="python -m loadtest.gateway", description=__doc__)
    parser.add_argument("--scenario", required=True)
    parser.add_argument("--upstream", action="append", default=[], metavar="PROVIDER=URL")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--child", action="store_true", help="end when the parent process ends")
    options = parser.parse_args(arguments)
    if options.child:
        lifeline.die_with_parent()
    try:
        loaded = load(options.scenario)
        server = GatewayServer(loaded.scenario, loaded.sha256, parse_upstreams(options.upstream))
    except (ScenarioError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    try:
        uvloop.run(run(server, options.host, options.port))
    except OSError as error:
        print(f"cannot listen on {options.host}:{options.port}: {error.strerror or error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
