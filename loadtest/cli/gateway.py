"""``tenfold gateway``: the reference gateway of a scenario, in front of any upstreams."""

from __future__ import annotations

import click

from loadtest.cli import options

EXAMPLES = options.examples(
    "tenfold gateway launch --upstream openai=http://127.0.0.1:9000 --upstream anthropic=http://127.0.0.1:9001 --port 8000",
    "TENFOLD_KEY_OPENAI_0=… tenfold gateway launch --upstream openai=https://api.openai.com …",
)


@click.command("gateway", epilog=EXAMPLES)
@options.scenario
@options.overrides
@options.seed
@click.option("--upstream", "upstreams", multiple=True, metavar="PROVIDER=URL", help="Where a provider is. One for each provider.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on. Anything but loopback is reachable by others.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8000, show_default=True, help="0 takes a free one.")
@click.option("--redis", metavar="URL", help="The Redis of a scenario that says redis and not where. Password: TENFOLD_REDIS_PASSWORD.")
@click.option("--usage-log", metavar="FILE", help="Append who uses what: a JSON object a request, without any prompt. Two files at most.")
@options.as_json
def command(
    path: str, overrides: tuple[str, ...], seed: int | None, upstreams: tuple[str, ...], host: str, port: int, redis: str | None,
    usage_log: str | None, as_json: bool,
) -> int:  # fmt: skip
    """Serve the reference gateway of SCENARIO until Ctrl-C: OpenAI chat completions in front, its providers behind.

    Rate limits, sessions, cache, queue, routing, retries, breakers, timeouts and fallbacks are those of the scenario, run by the same
    code that predicts them. API keys come from TENFOLD_KEY_<PROVIDER>_<n>, n from 0; without one, the mock's key is used.
    """
    from loadtest.gateway.__main__ import parse_upstreams, serve
    from loadtest.gateway.server import GatewayServer
    from sim.gateway.language import load

    loaded = load(path, (*overrides, *(() if seed is None else (f"seed={seed}",))))
    try:
        server = GatewayServer(loaded.scenario, loaded.sha256, parse_upstreams(list(upstreams)), redis, usage_log)
    except ValueError as error:
        raise click.UsageError(f"{error} (--upstream, --redis)") from None

    def ready(document: dict[str, object]) -> None:
        import json

        click.echo(json.dumps(document) if as_json else f"{document['url']}/v1  (metrics at {document['control']}/metrics)")

    try:
        return serve(server, host, port, ready)
    except OSError as error:
        raise click.UsageError(f"cannot listen on {host}:{port}: {error.strerror or error} (--host, --port)") from None
